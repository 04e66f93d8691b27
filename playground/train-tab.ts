// The Train tab: a training with its curves, and the training that this browser keeps.
import { duration, percent } from '../src/formats/human.js'
import type { Connection } from './connection.js'
import { Curves } from './curves.js'
import { byId, download, messageOf, number, say } from './element.js'
import {
  KEEP_SECONDS,
  type ModelRequest,
  type StoredSummary,
  type TrainingEnd,
  type TrainingPoint,
  type TrainingProgress,
  type TrainingSetup,
} from './protocol.js'
import { TrainForm, type TrainingOrder } from './train-form.js'

type State = 'idle' | 'starting' | 'running' | 'pausing' | 'paused' | 'stopping'

export class TrainTab {
  readonly #curves = new Curves(byId('chart'))
  #points: TrainingPoint[] = []
  #state: State = 'idle'
  #setup: TrainingSetup | undefined
  #totalSteps = 0
  readonly #form: TrainForm
  #hasCheckpoint = false
  #stored: StoredSummary | undefined

  /** @param solveWith takes a trained model to the Solve tab */
  constructor(
    private readonly connection: Connection,
    private readonly solveWith: (request: ModelRequest) => Promise<void>,
  ) {
    this.#form = new TrainForm(connection, () => this.#state === 'idle')
    byId('keep-seconds').textContent = String(KEEP_SECONDS)
    const on = (id: string, act: () => unknown) => byId(id).addEventListener('click', () => void this.#attempt(act))
    on('train-start', () => this.#run('train', this.#form.order()))
    on('train-pause', () => this.#pause())
    on('train-stop', () => this.#stop())
    on('train-download', async () =>
      download(`${this.#fileName()}.safetensors`, await this.connection.call('checkpoint', undefined)),
    )
    on('train-solve', async () => {
      const bytes = await this.connection.call('checkpoint', undefined)
      await this.solveWith({
        file: new Blob([bytes]),
        name: `${(this.#setup ?? this.#stored?.setup)?.title ?? 'model'}, trained here`,
      })
    })
    on('stored-resume', () => this.#run('resumeTraining', undefined))
    on('stored-download', async () =>
      download('training.safetensors', await this.connection.call('checkpoint', undefined)),
    )
    on('stored-delete', async () => {
      await this.connection.call('deleteStored', undefined)
      this.#hasCheckpoint = false
      await this.#showStored()
    })
  }

  /** Called when the GPU is open. */
  async begin(): Promise<void> {
    this.#setState('idle', 'not started')
    await this.#showStored()
    this.#form.begin()
  }

  /** Does what a button asks for, and shows what went wrong. */
  async #attempt(act: () => unknown): Promise<void> {
    say(byId('train-error'), undefined)
    try {
      await act()
    } catch (error) {
      say(byId('train-error'), messageOf(error))
    }
  }

  async #run(call: 'train', argument: TrainingOrder): Promise<void>
  async #run(call: 'resumeTraining', argument: undefined): Promise<void>
  async #run(call: 'train' | 'resumeTraining', argument: TrainingOrder | undefined): Promise<void> {
    this.#setState('starting', 'making the puzzles …')
    let words = 'not started'
    try {
      const onProgress = (progress: TrainingProgress) => this.#onProgress(progress)
      const end: TrainingEnd = await (call === 'train'
        ? this.connection.call(call, argument!, onProgress)
        : this.connection.call(call, undefined, onProgress))
      words = end.step >= end.totalSteps ? `done: ${number(end.step)} steps` : `stopped at step ${number(end.step)}`
    } catch (error) {
      words = 'failed'
      throw error
    } finally {
      this.#setState('idle', words)
      await this.#showStored()
    }
  }

  #onProgress(progress: TrainingProgress): void {
    if (progress.kind === 'began') {
      const { setup, parameters, totalSteps, step, points } = progress
      ;[this.#setup, this.#totalSteps, this.#points] = [setup, totalSteps, points.slice()]
      this.#hasCheckpoint = step > 0
      this.#showPoints()
      this.#setState(
        'running',
        `learning ${setup.title}${step ? ` from step ${number(step)}` : ''}, ${number(parameters)} parameters`,
      )
    } else if (progress.kind === 'report') {
      this.#points.push(progress.point)
      this.#hasCheckpoint = true
      this.#showPoints()
      this.#showFigures(progress.point, progress.stepsPerSecond)
      this.#showButtons()
    } else if (progress.kind === 'state') {
      this.#setState(
        progress.state,
        progress.state === 'paused' ? 'paused, and kept in this browser' : `learning ${this.#setup?.title}`,
      )
    } else {
      byId('train-state').title = `kept at step ${progress.step}`
      byId('panel-train').dataset.kept = String(progress.step)
    }
  }

  #showPoints(): void {
    byId('chart-empty').hidden = this.#points.length > 0
    this.#curves.show(this.#points)
    const last = this.#points.at(-1)
    if (last) this.#showFigures(last)
  }

  #showFigures({ step, loss, exact }: TrainingPoint, stepsPerSecond?: number): void {
    const heldOut = this.#points.findLast(point => point.heldOut !== null)?.heldOut
    const left = stepsPerSecond ? (this.#totalSteps - step) / stepsPerSecond : undefined
    const figures: Record<string, string> = {
      step: `${number(step)} of ${number(this.#totalSteps)}`,
      loss: loss.toFixed(4),
      ...(exact === null ? {} : { exact: percent(exact) }),
      heldout: heldOut === undefined || heldOut === null ? '–' : percent(heldOut),
      speed: stepsPerSecond === undefined ? '–' : stepsPerSecond.toFixed(stepsPerSecond < 10 ? 2 : 0),
      left: left === undefined ? '–' : duration(left),
    }
    for (const [name, text] of Object.entries(figures)) byId(`figure-${name}`).textContent = text
    byId<HTMLProgressElement>('train-progress').value = step / this.#totalSteps
  }

  async #pause(): Promise<void> {
    const isPaused = this.#state === 'running'
    this.#setState(isPaused ? 'pausing' : 'running', isPaused ? 'pausing after this step …' : 'going on')
    await this.connection.call('pauseTraining', { pause: isPaused })
  }

  async #stop(): Promise<void> {
    this.#setState('stopping', 'stopping after this step …')
    await this.connection.call('stopTraining', undefined)
  }

  #setState(state: State, words: string): void {
    this.#state = state
    byId('train-state').textContent = words
    byId('panel-train').dataset.state = state
    byId('train-state').className = `verdict ${state === 'running' ? 'busy' : ''}`
    this.#showButtons()
  }

  #showButtons(): void {
    const state = this.#state
    const isLive = ['running', 'pausing', 'paused'].includes(state)
    byId<HTMLButtonElement>('train-start').disabled = state !== 'idle'
    byId<HTMLButtonElement>('train-pause').disabled = !['running', 'paused'].includes(state)
    byId('train-pause').textContent = state === 'paused' ? 'Go on' : 'Pause'
    byId<HTMLButtonElement>('train-stop').disabled = !isLive
    for (const id of ['train-solve', 'train-download']) byId<HTMLButtonElement>(id).disabled = !this.#hasCheckpoint
    byId('stored').hidden = state !== 'idle' || !this.#stored
  }

  async #showStored(): Promise<void> {
    const stored = (this.#stored = await this.connection.call('stored', undefined))
    if (stored) {
      const { setup, step, totalSteps, savedAt, points } = stored
      const isDone = step >= totalSteps
      const [at, when] = [`step ${number(step)} of ${number(totalSteps)}`, new Date(savedAt).toLocaleString()]
      byId('stored-text').textContent = `${setup.title}, ${at}, kept ${when}${isDone ? ': done' : ''}`
      byId('stored-resume').hidden = isDone
      this.#hasCheckpoint = true
      if (!this.#points.length) {
        ;[this.#setup, this.#totalSteps, this.#points] = [setup, totalSteps, points]
        this.#showPoints()
        byId('train-state').textContent = 'the training kept in this browser'
      }
    }
    this.#showButtons()
  }

  #fileName(): string {
    const title = (this.#setup?.title ?? 'model').toLowerCase().replace(/[^a-z0-9]+/g, '-')
    return `${title}-step-${this.#points.at(-1)?.step ?? 0}`
  }
}
