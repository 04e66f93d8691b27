// Progress of long jobs: one line that is redrawn on a terminal, plain lines otherwise.
export { duration, percent } from '../formats/human.js'

const BAR = 24

export class Progress {
  private drawn = false

  constructor(private readonly terminal = process.stdout.isTTY === true) {}

  /** Shows how far a job is; `text` says more. */
  show(done: number, total: number, text: string): void {
    if (!this.terminal) {
      console.log(text)
      return
    }
    const filled = Math.round((BAR * done) / total)
    const line = `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ${text}`
    process.stdout.write(`\r\x1b[2K${line.slice(0, (process.stdout.columns ?? 200) - 1)}`)
    this.drawn = true
  }

  /** As `show`, on terminals only: for steps too small to be a line of a log. */
  glimpse(done: number, total: number, text: string): void {
    if (this.terminal) this.show(done, total, text)
  }

  /** A line that stays. */
  note(text: string): void {
    this.end()
    console.log(text)
  }

  /** Leaves the drawn line behind. */
  end(): void {
    if (this.drawn) process.stdout.write('\r\x1b[2K')
    this.drawn = false
  }
}
