// How to solve: two switches, and the numbers behind them.
import type { SolveOptions, TrmConfig } from '../src/index.js'
import { byId } from './element.js'

/** What the switches set: times the trained number of supervision steps, and tries with their noise. */
const [LONGER, TRIES, NOISE] = [4, 8, 0.2]

export class InferenceForm {
  #trained = 4
  readonly #longer = byId<HTMLInputElement>('longer')
  readonly #tries = byId<HTMLInputElement>('tries')

  constructor() {
    this.#longer.addEventListener('change', () =>
      this.#set('steps', this.#trained * (this.#longer.checked ? LONGER : 1)),
    )
    this.#tries.addEventListener('change', () => {
      this.#set('rollouts', this.#tries.checked ? TRIES : 1)
      this.#set('noise', this.#tries.checked ? NOISE : 0)
    })
    for (const id of ['steps', 'rollouts', 'noise']) byId(id).addEventListener('input', () => this.#showSwitches())
    this.#showSwitches()
  }

  /** Begins with what the model was trained for. Switches that are on stay on. */
  setModel({ supervisionSteps, puzzles }: TrmConfig): void {
    this.#trained = supervisionSteps
    this.#set('steps', supervisionSteps * (this.#longer.checked ? LONGER : 1))
    byId<HTMLInputElement>('puzzle-id').max = String(puzzles - 1)
    this.#set('puzzle-id', 0)
  }

  get options(): SolveOptions & { steps: number } {
    const rollouts = this.#value('rollouts')
    return {
      steps: this.#value('steps'),
      rollouts,
      noise: this.#value('noise'),
      puzzleId: this.#value('puzzle-id'),
      vote: rollouts > 1 && byId<HTMLInputElement>('vote').checked,
    }
  }

  #value(id: string): number {
    return Number(byId<HTMLInputElement>(id).value)
  }

  #set(id: string, value: number): void {
    byId<HTMLInputElement>(id).value = String(value)
    this.#showSwitches()
  }

  /** The switches follow the numbers. */
  #showSwitches(): void {
    const [steps, rollouts, noise] = [this.#value('steps'), this.#value('rollouts'), this.#value('noise')]
    const [isLonger, hasTries] = [steps > this.#trained, rollouts > 1]
    this.#longer.checked = isLonger
    this.#tries.checked = hasTries
    byId('longer-text').textContent = `Think longer: ${isLonger ? steps : LONGER * this.#trained} steps`
    byId('tries-text').textContent = `${hasTries ? rollouts : TRIES} tries with noise ${hasTries ? noise : NOISE}`
    byId('trained-text').textContent = `${this.#trained} in training`
    byId<HTMLInputElement>('vote').disabled = !hasTries
  }
}
