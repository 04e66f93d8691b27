// The worker's model: loaded from a file, it answers puzzles step by step; after a loss of the GPU it is loaded again.
import type { Engine } from '../src/engine/index.js'
import { named } from '../src/formats/recognise.js'
import { parseSafetensors } from '../src/formats/safetensors.js'
import { readAll } from '../src/formats/source.js'
import { isTorch } from '../src/formats/torch.js'
import { loadCheckpoint, type CheckpointOptions } from '../src/trm/published/checkpoint.js'
import { DEFAULTS } from '../src/trm/config.js'
import { CHECKPOINT, readTorch } from '../src/trm/published/foreign.js'
import type { Trm } from '../src/trm/model.js'
import { partialFromOfficial } from '../src/trm/published/names.js'
import { modelFields, presets } from '../src/trm/published/settings.js'
import { solve, type SolveOptions, type SolveStep } from '../src/trm/answers/solve.js'
import { openEngine, wasLost } from './gpu.js'
import type { Calls, ModelRequest, ModelSummary, SolveRequest } from './protocol.js'

type OnStep = (step: Calls['solve']['progress']) => void

/** A puzzle that is being solved: its steps are computed when they are asked for. */
interface Inference {
  puzzle: number[]
  options: SolveOptions
  /** Supervision steps that were asked for, and those that were computed. */
  wanted: number
  done: number
  /** Where it runs; undefined before the first step and after a failure. */
  engine?: Engine
  steps?: AsyncGenerator<SolveStep, void, undefined>
}

/** A bound on supervision steps that no visitor reaches. */
const MOST_STEPS = 2 ** 31 - 1

interface Loaded {
  engine: Engine
  model: Trm
  /** Makes the same model on a new engine. */
  reload: () => Promise<Loaded>
}

export class Solver {
  #loaded: Loaded | undefined
  #inference: Inference | undefined
  /** Counts calls that solve or stop; a call that is no longer the last one stops. */
  #turn = 0

  constructor(private readonly notice: (text: string) => void) {}

  /** Replaces the model; the old one stays when the file is refused. */
  async load(
    request: ModelRequest,
    onProgress: (progress: Calls['load']['progress']) => void,
  ): Promise<Calls['load']['result']> {
    const { file, name, preset, fields } = request
    const bytes = await readAll(file, { name, onProgress: (received, total) => onProgress({ received, total }) })
    const settings = preset === undefined ? undefined : modelFields(presets[preset].settings).fields
    const isAsked = preset !== undefined || fields !== undefined
    const options: CheckpointOptions = {
      readTorch,
      ...(isAsked ? { config: partialFromOfficial({ ...settings, ...fields }), fallback: settings && DEFAULTS } : {}),
    }
    const metadata: Record<string, string> = isTorch(bytes)
      ? {}
      : named(bytes, name, CHECKPOINT, () => parseSafetensors(bytes, name)).metadata
    const holdsConfig = metadata.config !== undefined
    // A broken file, or one with several models, is refused before a configuration is asked for.
    if (!holdsConfig) readTorch(bytes, name)
    let loaded: Loaded
    try {
      loaded = await this.#open(bytes, name, holdsConfig || isAsked ? options : { readTorch, config: {} })
    } catch (error) {
      if (holdsConfig || isAsked) throw error
      return { needsConfig: (error as Error).message }
    }
    await this.#letGo(loaded.engine)
    this.#loaded = loaded
    return summary(loaded.model, name, holdsConfig ? metadata : {})
  }

  /** Solves a puzzle from the start. */
  async solve({ puzzle, options }: SolveRequest, onStep: OnStep): Promise<Calls['solve']['result']> {
    const { steps, ...rest } = options
    const turn = ++this.#turn
    await this.#endInference()
    this.#inference = { puzzle, options: rest, wanted: steps, done: 0 }
    return this.#advance(this.#inference, turn, onStep)
  }

  /** Goes on after the last step of `solve`. */
  async solveFurther(steps: number, onStep: OnStep): Promise<Calls['solveFurther']['result']> {
    const inference = this.#inference
    if (!inference) throw new Error('solve: there is no answer to go on from — solve the puzzle first')
    inference.wanted = inference.done + steps
    return this.#advance(inference, ++this.#turn, onStep)
  }

  async #advance(inference: Inference, turn: number, onStep: OnStep): Promise<{ stopped: boolean }> {
    for (let attempt = 1; ; attempt++) {
      const { engine, model } = await this.#current()
      try {
        if (inference.engine !== engine) this.#begin(inference, engine, model)
        while (inference.done < inference.wanted) {
          if (turn !== this.#turn) return { stopped: true }
          const { value, done } = await inference.steps!.next()
          if (done) break
          inference.done++
          onStep(value)
        }
        return { stopped: false }
      } catch (error) {
        inference.engine = undefined
        // Another puzzle or model took the place of this one.
        if (inference !== this.#inference) return { stopped: true }
        // After a loss of the GPU: once more from the start, on a new device.
        if (attempt > 2 || !(await wasLost(engine))) throw error
      }
    }
  }

  #begin(inference: Inference, engine: Engine, model: Trm): void {
    const { puzzle, options } = inference
    inference.engine = engine
    inference.steps = solve(model, puzzle, { ...options, steps: MOST_STEPS })
    inference.done = 0
  }

  /** Releases what the last inference holds on the GPU. */
  async #endInference(): Promise<void> {
    const inference = this.#inference
    this.#inference = undefined
    // On a lost device there is nothing to release.
    await inference?.steps?.return().catch(() => {})
  }

  stop(): void {
    this.#turn++
  }

  lose(): void {
    this.#loaded?.engine.device.destroy()
  }

  async #current(): Promise<Loaded> {
    if (!this.#loaded) throw new Error('solve: no model is loaded yet')
    if (this.#loaded.engine.isLost) this.#loaded = await this.#loaded.reload()
    return this.#loaded
  }

  async #open(bytes: Uint8Array, name: string, options: CheckpointOptions): Promise<Loaded> {
    const current = this.#loaded?.engine
    const engine =
      current && !current.isLost
        ? current
        : await openEngine(message => this.notice(`${message} — the model is loaded again`))
    let model: Trm | undefined
    try {
      model = loadCheckpoint(engine, bytes, name, { ...options, readTorch })
      await engine.finish()
      return { engine, model, reload: () => this.#open(bytes, name, options) }
    } catch (error) {
      model?.release()
      if (engine !== current) engine.close()
      throw error
    }
  }

  /** Ends the old model; its engine stays open where the new model is on it too. */
  async #letGo(engine: Engine): Promise<void> {
    this.stop()
    await this.#endInference()
    if (this.#loaded?.engine === engine) this.#loaded.model.release()
    else this.#loaded?.engine.close()
  }
}

function summary(model: Trm, name: string, metadata: Record<string, string>): ModelSummary {
  const { config: _config, training: _training, ...rest } = metadata
  return { name, config: model.config, parameters: model.parameters.count, metadata: rest }
}
