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
import { solve } from '../src/trm/answers/solve.js'
import { openEngine, wasLost } from './gpu.js'
import type { Calls, ModelRequest, ModelSummary } from './protocol.js'

interface Loaded {
  engine: Engine
  model: Trm
  /** Makes the same model on a new engine. */
  reload: () => Promise<Loaded>
}

export class Solver {
  private loaded: Loaded | undefined
  /** Counts the solves; one that is no longer the last stops. */
  private turn = 0

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
    // What is broken, or several models, is told before anybody is asked for a configuration.
    if (!holdsConfig) readTorch(bytes, name)
    let loaded: Loaded
    try {
      loaded = await this.open(bytes, name, holdsConfig || isAsked ? options : { readTorch, config: {} })
    } catch (error) {
      if (holdsConfig || isAsked) throw error
      return { needsConfig: (error as Error).message }
    }
    this.letGo(loaded.engine)
    this.loaded = loaded
    return summary(loaded.model, name, holdsConfig ? metadata : {})
  }

  async solve(
    { puzzle, options }: Calls['solve']['argument'],
    onStep: (step: Calls['solve']['progress']) => void,
  ): Promise<Calls['solve']['result']> {
    const turn = ++this.turn
    for (let attempt = 1; ; attempt++) {
      const { engine, model } = await this.current()
      try {
        for await (const step of solve(model, puzzle, options)) {
          if (turn !== this.turn) return { stopped: true }
          onStep(step)
        }
        return { stopped: false }
      } catch (error) {
        // Another model took this one's place.
        if (turn !== this.turn) return { stopped: true }
        // A loss in the middle: once more from the start, on a new device.
        if (attempt > 2 || !(await wasLost(engine))) throw error
      }
    }
  }

  stop(): void {
    this.turn++
  }

  lose(): void {
    this.loaded?.engine.device.destroy()
  }

  private async current(): Promise<Loaded> {
    if (!this.loaded) throw new Error('solve: no model is loaded yet')
    if (this.loaded.engine.isLost) this.loaded = await this.loaded.reload()
    return this.loaded
  }

  private async open(bytes: Uint8Array, name: string, options: CheckpointOptions): Promise<Loaded> {
    const current = this.loaded?.engine
    const engine =
      current && !current.isLost
        ? current
        : await openEngine(message => this.notice(`${message} — the model is loaded again`))
    let model: Trm | undefined
    try {
      model = loadCheckpoint(engine, bytes, name, { ...options, readTorch })
      await engine.finish()
      return { engine, model, reload: () => this.open(bytes, name, options) }
    } catch (error) {
      model?.release()
      if (engine !== current) engine.close()
      throw error
    }
  }

  /** Ends the old model; its engine goes on where the new one is on it too. */
  private letGo(engine: Engine): void {
    this.stop()
    if (this.loaded?.engine === engine) this.loaded.model.release()
    else this.loaded?.engine.close()
  }
}

function summary(model: Trm, name: string, metadata: Record<string, string>): ModelSummary {
  const { config: _config, training: _training, ...rest } = metadata
  return { name, config: model.config, parameters: model.parameters.count, metadata: rest }
}
