// The form of the Train tab: task, network and numbers of a training, and how long it will take on this machine.
import { briefly, duration } from '../src/formats/human.js'
import { mergeSettings, presets } from '../src/trm/published/settings.js'
import type { Connection } from './connection.js'
import { byId, element, messageOf, number, takeDrops, takePicks } from './element.js'
import type { TrainingSetup } from './protocol.js'
import { type Network, NETWORKS, type TrainingTask, TRAINING_TASKS } from './training-tasks.js'

/** Milliseconds without a change after which a step is measured. */
const CALM = 400

/** Evaluations while training, and the least number of steps between two of them. */
const [EVALUATIONS, LEAST_STEPS] = [10, 25]

export interface TrainingOrder {
  setup: TrainingSetup
  file?: File
}

export class TrainForm {
  #file: File | undefined
  #isReady = false
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Seconds a step takes, by everything that it depends on. */
  readonly #measured = new Map<string, number>()

  /** @param isIdle whether nothing is being trained: then a step can be measured */
  constructor(
    private readonly connection: Connection,
    private readonly isIdle: () => boolean,
  ) {
    byId('task').append(...TRAINING_TASKS.map(({ title }, i) => element('option', { value: i }, title)))
    byId('network').append(
      ...NETWORKS.map(({ name, about }) => element('option', { value: name }, `${name}: ${about}`)),
    )
    byId('task').addEventListener('change', () => this.#showTask())
    byId('network').addEventListener('change', () => this.#showNetwork())
    const take = (file: File) => this.#takeTable(file)
    takePicks(byId('data-button'), byId<HTMLInputElement>('data-file'), take)
    takeDrops(byId('panel-train'), take)
    byId('train-form').addEventListener('submit', event => event.preventDefault())
    byId('train-form').addEventListener('input', () => this.#estimate())
    addEventListener('tabchange', () => this.#estimate())
    this.#showTask()
  }

  /** Called when the GPU is open. */
  begin(): void {
    this.#isReady = true
    this.#estimate()
  }

  /** What the form asks for. @throws when the table is missing */
  order(): TrainingOrder {
    const [task, network, file] = [this.#task, this.#network, this.#file]
    if (!task.data && !file) throw new Error('Open a table first, or drop one on the page.')
    const steps = this.#value('train-steps')
    const numbers = { steps, global_batch_size: this.#value('batch'), lr: this.#value('rate') }
    const evaluation = { eval_interval: Math.max(LEAST_STEPS, Math.round(steps / EVALUATIONS)) }
    const setup: TrainingSetup = {
      title: task.data ? task.title : file!.name,
      data: task.data ?? { file: file!.name },
      preset: network.preset,
      settings: mergeSettings(network.settings, numbers, evaluation),
      seed: this.#value('seed'),
    }
    return { setup, ...(task.data ? {} : { file }) }
  }

  get #task(): TrainingTask {
    return TRAINING_TASKS[Number(byId<HTMLSelectElement>('task').value)]
  }

  get #network(): Network {
    const { value } = byId<HTMLSelectElement>('network')
    return NETWORKS.find(({ name }) => name === value)!
  }

  #value(id: string): number {
    return Number(byId<HTMLInputElement>(id).value)
  }

  #takeTable(file: File): void {
    this.#file = file
    byId<HTMLSelectElement>('task').value = String(TRAINING_TASKS.findIndex(({ data }) => !data))
    this.#showTask()
  }

  #showTask(): void {
    const { data, network, text } = this.#task
    const about = data || !this.#file ? '' : `${this.#file.name}, ${number(this.#file.size)} bytes. `
    byId('data-drop').hidden = data !== undefined
    byId('data-text').textContent = about + text
    byId<HTMLSelectElement>('network').value = network
    this.#showNetwork()
  }

  #showNetwork(): void {
    const { preset, settings } = this.#network
    const { steps, global_batch_size: batch, lr } = mergeSettings(presets[preset].settings, settings)
    byId<HTMLInputElement>('train-steps').value = String(steps ?? 50000)
    byId<HTMLInputElement>('batch').value = String(batch ?? 768)
    byId<HTMLInputElement>('rate').value = String(lr ?? 1e-4)
    this.#estimate()
  }

  /** Shows how long the training will take; a step that is not known yet is measured when the form rests. */
  #estimate(): void {
    clearTimeout(this.#timer)
    if (!this.#isReady || byId('panel-train').hidden || !this.isIdle()) return
    if (!this.#task.data && !this.#file) return this.#showEstimate('')
    const seconds = this.#measured.get(this.#key())
    if (seconds !== undefined) return this.#showSeconds(seconds)
    this.#showEstimate('A step is measured …')
    this.#timer = setTimeout(() => void this.#measure(), CALM)
  }

  async #measure(): Promise<void> {
    const [key, order] = [this.#key(), this.order()]
    try {
      const seconds = await this.connection.call('measureStep', order)
      if (seconds === undefined) return this.#showEstimate('')
      this.#measured.set(key, seconds)
      if (key === this.#key()) this.#showSeconds(seconds)
    } catch (error) {
      if (key === this.#key()) this.#showEstimate(messageOf(error))
    }
  }

  /** Everything that the time of a step depends on. */
  #key(): string {
    return JSON.stringify([this.#task.title, this.#file?.name, this.#network.name, this.#value('batch')])
  }

  #showSeconds(seconds: number): void {
    const steps = this.#value('train-steps')
    const all = `${number(steps)} steps take about ${duration(steps * seconds)}`
    this.#showEstimate(`${all} on this machine: a step was measured, ${briefly(seconds)}. Evaluations come on top.`)
  }

  #showEstimate(text: string): void {
    byId('estimate').textContent = text
  }
}
