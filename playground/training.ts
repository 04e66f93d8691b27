// The worker's training: it runs, pauses, stops, and goes on from the state that the browser keeps.
import type { Engine } from '../src/engine/index.js'
import { unpack } from '../src/formats/pieces.js'
import { readAll } from '../src/formats/source.js'
import { saveCheckpoint } from '../src/trm/published/checkpoint.js'
import { evaluate } from '../src/trm/answers/evaluate.js'
import { Trm } from '../src/trm/model.js'
import { readTraining } from '../src/trm/training/resume.js'
import { mergeSettings, presets, resolveRun, type RunConfig } from '../src/trm/published/settings.js'
import { train, type TrainingReport } from '../src/trm/training/train.js'
import { openEngine, wasLost } from './gpu.js'
import {
  KEEP_SECONDS,
  type StoredSummary,
  type TrainingEnd,
  type TrainingPoint,
  type TrainingProgress,
  type TrainingSetup,
} from './protocol.js'
import {
  forgetTraining,
  keepTraining,
  keptData,
  keptTraining,
  type StoredData,
  type StoredTraining,
} from './storage.js'
import { type TrainingData, trainingData } from './training-data.js'

/** Seconds between two reports. */
const REPORT_SECONDS = 0.5

/** Held-out puzzles of an evaluation while training. */
const EVALUATED = 100

/** Losses of the GPU without a step in between that end a training. */
const MOST_LOSSES = 3

/** Generated puzzles of a measurement, and steps of its two halves on a GPU; the second half counts. */
const [MEASURED_PUZZLES, STEPS_ON_GPU] = [64, 8]

/** One training from its setup on. */
interface Session {
  setup: TrainingSetup
  run: RunConfig
  puzzles: TrainingData
  points: TrainingPoint[]
  /** Goes into the storage with the first state; undefined once it is there. */
  data: StoredData | 'none' | undefined
  report: (progress: TrainingProgress) => void
}

export class Training {
  #engine: Engine | undefined
  /** Callers that wait for a checkpoint of the running training. */
  readonly #asked: ((bytes: Promise<Uint8Array<ArrayBuffer>>) => void)[] = []
  #isRunning = false
  #isMeasuring = false
  #measurement: Promise<number | undefined> | undefined
  #isPaused = false
  #isStopped = false
  /** Wakes a paused training. */
  #wake = () => {}

  constructor(private readonly notice: (text: string) => void) {}

  async start(setup: TrainingSetup, file: File | undefined, report: Session['report']): Promise<TrainingEnd> {
    return this.#alone(async () => {
      const table = file && { name: file.name, bytes: await unpack(await readAll(file), file.name) }
      const session = open(setup, table, [], report)
      return this.#go({ ...session, data: table ?? 'none' }, undefined)
    })
  }

  /**
   * Seconds that a step takes after the first one, which compiles. A training that begins ends the measurement.
   * @returns undefined when it was ended
   */
  async measureStep(setup: TrainingSetup, file: File | undefined): Promise<number | undefined> {
    await this.#endMeasurement()
    if (this.#isRunning) return undefined
    this.#measurement = this.#measure(setup, file)
    return this.#measurement
  }

  async #measure(setup: TrainingSetup, file: File | undefined): Promise<number | undefined> {
    this.#isMeasuring = true
    const engine = await openEngine()
    try {
      const table = file && { name: file.name, bytes: await unpack(await readAll(file), file.name) }
      const { run, puzzles } = open(setup, table, [], () => {}, MEASURED_PUZZLES)
      const { config, options, dtype } = run
      const logInterval = engine.adapter.isSoftware ? 1 : STEPS_ON_GPU
      const model = Trm.create(engine, config, { seed: options.seed, dtype })
      let seconds: number | undefined
      for await (const { stepsPerSecond } of train(model, puzzles.train, {
        ...options,
        steps: 2 * logInterval,
        logInterval,
      })) {
        if (!this.#isMeasuring) return undefined
        seconds = 1 / stepsPerSecond
      }
      return seconds
    } finally {
      engine.close()
    }
  }

  async #endMeasurement(): Promise<void> {
    this.#isMeasuring = false
    await this.#measurement?.catch(() => {})
  }

  /** Goes on where the kept training was left. */
  async resume(report: Session['report']): Promise<TrainingEnd> {
    return this.#alone(async () => {
      const kept = await keptTraining()
      if (!kept) throw new Error('train: no training is kept in this browser — start one')
      const session = open(kept.setup, await keptData(), kept.points, report)
      return this.#go({ ...session, data: undefined }, kept)
    })
  }

  pause(isPaused: boolean): void {
    this.#isPaused = isPaused
    this.#wake()
  }

  stop(): void {
    this.#isStopped = true
    this.#wake()
  }

  lose(): void {
    this.#engine?.device.destroy()
  }

  get isBusy(): boolean {
    return this.#isRunning && !this.#isPaused
  }

  async checkpoint(): Promise<Uint8Array<ArrayBuffer>> {
    // A running training gives it between two steps.
    if (this.#isRunning) {
      return new Promise(resolve => {
        this.#asked.push(resolve)
        this.#wake()
      })
    }
    return this.#keptCheckpoint()
  }

  async #keptCheckpoint(): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = (await keptTraining())?.checkpoint
    if (!bytes) throw new Error('train: nothing was trained yet — start a training')
    return bytes
  }

  async stored(): Promise<StoredSummary | undefined> {
    const kept = await keptTraining()
    if (!kept) return undefined
    const { setup, step, totalSteps, savedAt, points } = kept
    return { setup, step, totalSteps, savedAt, points }
  }

  async deleteStored(): Promise<void> {
    if (this.#isRunning) throw new Error('train: a training is running, stop it first')
    await forgetTraining()
  }

  /** One training at a time, in this page and in all tabs with it: they share the storage. */
  async #alone(work: () => Promise<TrainingEnd>): Promise<TrainingEnd> {
    return navigator.locks.request('training', { ifAvailable: true }, async lock => {
      if (!lock || this.#isRunning)
        throw new Error('train: a training is running already, here or in another tab of this page')
      ;[this.#isRunning, this.#isPaused, this.#isStopped] = [true, false, false]
      try {
        await this.#endMeasurement()
        return await work()
      } finally {
        this.#isRunning = false
        for (const resolve of this.#asked.splice(0)) resolve(this.#keptCheckpoint())
        this.#engine?.close()
        this.#engine = undefined
      }
    })
  }

  /** Trains until the end or `stop`, over losses of the GPU. */
  async #go(session: Session, kept: StoredTraining | undefined): Promise<TrainingEnd> {
    let losses = 0
    let reached = -1
    for (;;) {
      const engine = (this.#engine = await openEngine(message =>
        this.notice(`${message} — the training goes on from its last kept state`),
      ))
      try {
        return await this.#learn(engine, session, kept, step => {
          if (step > reached) losses = 0
          reached = Math.max(reached, step)
        })
      } catch (error) {
        if (!(await wasLost(engine)) || ++losses > MOST_LOSSES) throw error
        engine.close()
        // Only the steps since the last kept state are lost.
        kept = session.data === undefined ? await keptTraining() : undefined
        session.points = kept?.points ?? []
      }
    }
  }

  async #learn(
    engine: Engine,
    session: Session,
    kept: StoredTraining | undefined,
    onStep: (step: number) => void,
  ): Promise<TrainingEnd> {
    const { setup, run, puzzles, report } = session
    const { config, options, dtype, evalInterval } = run
    const resume = kept && readTraining(kept.state, 'kept training')
    const model = Trm.create(engine, config, { seed: options.seed, dtype: resume?.dtype ?? dtype })
    report({
      kind: 'began',
      setup,
      parameters: model.parameters.count,
      totalSteps: options.steps,
      step: resume?.step ?? 0,
      points: session.points,
    })
    const end: TrainingEnd = { step: resume?.step ?? 0, totalSteps: options.steps }
    let keptAt = performance.now()
    for await (const news of train(model, puzzles.train, { ...options, resume, logSeconds: REPORT_SECONDS })) {
      const { step, loss, exactAccuracy: exact, stepsPerSecond } = news
      onStep(step)
      const isLast = step === options.steps
      const isDue = Math.floor(step / evalInterval) > Math.floor(end.step / evalInterval)
      const heldOut = isDue || isLast ? await heldOutAccuracy(news, session, isLast) : null
      end.step = step
      const point = { step, loss, exact, heldOut }
      session.points.push(point)
      report({ kind: 'report', point, stepsPerSecond })
      if (isLast || this.#isPaused || this.#isStopped || performance.now() - keptAt >= 1000 * KEEP_SECONDS) {
        await this.#keep(session, news)
        keptAt = performance.now()
      }
      await this.#rest(news, session)
      if (this.#isStopped) break
    }
    return end
  }

  async #keep(session: Session, news: TrainingReport): Promise<void> {
    const { setup, points, report } = session
    const { step, totalSteps } = news
    const [state, checkpoint] = [await news.saveTraining(), await checkpointOf(news, setup)]
    try {
      await keepTraining({ setup, step, totalSteps, savedAt: Date.now(), points, state, checkpoint }, session.data)
      session.data = undefined
      report({ kind: 'kept', step })
    } catch (error) {
      // A training goes on without its copy.
      this.notice(`${(error as Error).message}; this state of the training was not kept`)
    }
  }

  /** Gives checkpoints to those that asked, and sleeps while paused. A GPU that is lost meanwhile is noticed here. */
  async #rest(news: TrainingReport, { setup, report }: Session): Promise<void> {
    const { engine } = news.averaged
    const lost = engine.device.lost.then(() => {})
    let wasPaused = false
    for (;;) {
      while (this.#asked.length) {
        const bytes = checkpointOf(news, setup)
        this.#asked.shift()!(bytes)
        await bytes.catch(() => {})
      }
      if (!this.#isPaused || this.#isStopped || engine.isLost) break
      if (!wasPaused) report({ kind: 'state', state: 'paused' })
      wasPaused = true
      await Promise.race([lost, new Promise<void>(resolve => (this.#wake = resolve))])
    }
    if (engine.isLost) await engine.finish()
    if (wasPaused) report({ kind: 'state', state: 'running' })
  }
}

/** Makes data and settings concrete, `few` puzzles where they are generated. @throws one line when they do not fit */
function open(
  setup: TrainingSetup,
  table: StoredData | undefined,
  points: TrainingPoint[],
  report: Session['report'],
  few?: number,
): Omit<Session, 'data'> {
  const puzzles = trainingData(setup, table, few)
  const run = resolveRun(
    mergeSettings(presets[setup.preset].settings, setup.settings, { seed: setup.seed }),
    puzzles.train.metadata,
  )
  return { setup, run, puzzles, points: [...points], report }
}

/** Share of held-out puzzles that the averaged model answers exactly: of all at the end, of some before. */
async function heldOutAccuracy(
  { averaged }: TrainingReport,
  { puzzles, run }: Session,
  isLast: boolean,
): Promise<number | null> {
  const { loss } = run.options
  return (await evaluate(averaged, puzzles.test, { limit: isLast ? undefined : EVALUATED, loss })).exactAccuracy
}

async function checkpointOf(
  { averaged, step }: TrainingReport,
  { title, seed }: TrainingSetup,
): Promise<Uint8Array<ArrayBuffer>> {
  return saveCheckpoint(averaged, {
    step: String(step),
    seed: String(seed),
    task: title,
    adapter: averaged.engine.adapter.description,
  })
}
