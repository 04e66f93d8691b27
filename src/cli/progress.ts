// Progress of long jobs: one line that is redrawn on a terminal, plain lines otherwise.
export { duration, percent } from '../formats/human.js'

/** Characters of the bar. */
const BAR = 24

export class Progress {
  #isDrawn = false

  /** @param terminal whether the line can be redrawn; false prints plain lines */
  constructor(private readonly terminal = process.stdout.isTTY === true) {}

  /** Shows how far a job is, with a text. */
  show(done: number, total: number, text: string): void {
    if (!this.terminal) {
      console.log(text)
      return
    }
    const filled = Math.round((BAR * done) / total)
    const line = `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ${text}`
    process.stdout.write(`\r\x1b[2K${line.slice(0, (process.stdout.columns ?? 200) - 1)}`)
    this.#isDrawn = true
  }

  /** As `show`, on terminals only: for steps that are too small for a line of a log. */
  glimpse(done: number, total: number, text: string): void {
    if (this.terminal) this.show(done, total, text)
  }

  /** A line that stays. */
  note(text: string): void {
    this.end()
    console.log(text)
  }

  /** Removes the line that is redrawn. */
  end(): void {
    if (this.#isDrawn) process.stdout.write('\r\x1b[2K')
    this.#isDrawn = false
  }
}
