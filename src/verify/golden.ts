// A golden file of the published code: what it holds, what was compared with it, and how large the error was.
import type { Engine } from '../engine/index.js'
import { parseSafetensors, type StoredTensor, toFloat32 } from '../formats/safetensors.js'
import type { TrmConfig } from '../trm/config.js'
import type { Precision } from '../trm/model.js'
import { architectureOf, configFromOfficial } from '../trm/published/names.js'
import type { LossType, Puzzles, Slots } from '../trm/slots.js'
import { l2, relativeError, rms } from './arrays.js'

/** One compared quantity. */
export interface VerifyRow {
  name: string
  /** Relative L2 error; for exact quantities the number of entries that differ. */
  error: number
  allowed: number
}

/** Relative errors that are always allowed: in forward tensors, in gradients and losses, in the trained state. */
export const FLOORS = { forward: 1e-5, gradient: 1e-4, state: 1e-3 }
/** How many times the rounding noise of a float32 run of the published code is allowed. */
const NOISE_FACTOR = 50
/**
 * float16 rounds 2¹³ times as coarsely as float32. It is allowed 2¹⁰ times the error, but never more than 0.5.
 * Rounding can turn a decision where two logits of a cell, or the halting logits of a slot, are that close.
 * Such a decision may fall either way. Training then goes on with the recorded halting.
 */
const F16 = { factor: 1024, most: 0.5 }

/** How the published code trained the model of the file. */
interface TrainFields {
  loss_type: string
  lr: number
  lr_min_ratio: number
  lr_warmup_steps: number
  total_steps: number
  beta1: number
  beta2: number
  weight_decay: number
  puzzle_emb_lr: number
  puzzle_emb_weight_decay: number
  ema_rate: number
}

/** The file's tensors, which of them were compared, and the rows so far. */
export class Golden {
  readonly tensors: ReadonlyMap<string, StoredTensor>
  readonly config: TrmConfig
  readonly batchSize: number
  readonly train: TrainFields
  readonly rows: VerifyRow[] = []
  readonly evalMetrics: Record<string, number>[]
  readonly trainLog: Record<string, number>[]
  readonly #noise: Record<string, number>
  readonly #compared = new Set<string>()

  /** @throws when the bytes are no golden file */
  constructor(
    bytes: Uint8Array,
    file: string,
    readonly dtype: Precision,
  ) {
    const { tensors, metadata } = parseSafetensors(bytes, file)
    this.tensors = tensors
    const json = (name: string) => {
      if (!metadata[name]) {
        const expected = 'expected a golden file of the published code — to run a checkpoint use "trm eval"'
        throw new Error(`${file}: no "${name}" in its metadata, ${expected}`)
      }
      try {
        return JSON.parse(metadata[name])
      } catch {
        throw new Error(`${file}: its metadata entry "${name}" is not JSON`)
      }
    }
    const fields = json('config')
    this.train = json('train')
    this.#noise = json('noise')
    try {
      architectureOf(metadata.arch)
    } catch (error) {
      throw new Error(`${file}: ${(error as Error).message.replace(/^config: /, '')}`)
    }
    this.evalMetrics = metadata.eval_metrics ? json('eval_metrics') : []
    this.trainLog = metadata.train_log ? json('train_log') : []
    if (!tensors.has('batch.0.inputs'))
      throw new Error(`${file}: expected a batch in it, found none — make it again with the published code`)
    this.config = configFromOfficial({ ...fields, name: metadata.arch })
    this.batchSize = fields.batch_size
  }

  get loss(): LossType {
    return this.train.loss_type === 'stablemax_cross_entropy' ? 'stablemax' : 'softmax'
  }

  /** Batch number i; undefined after the last one. */
  batch(i: number): Puzzles | undefined {
    const get = (name: string) => this.tensors.get(`batch.${i}.${name}`)?.data as Int32Array | undefined
    const [inputs, labels, puzzleIds] = [get('inputs'), get('labels'), get('puzzle_identifiers')]
    return inputs && labels && puzzleIds && { inputs, labels, puzzleIds }
  }

  has(name: string): boolean {
    return this.tensors.has(name)
  }

  /** The error that is allowed for a quantity. */
  allowed(name: string, floor: number): number {
    const allowed = Math.max(floor, NOISE_FACTOR * (this.#noise[name] ?? 0))
    return this.dtype === 'f16' ? Math.min(F16.factor * allowed, F16.most) : allowed
  }

  /** Compares a tensor in relative L2 norm; of large models a file holds, and this compares, only norm and samples. */
  compare(name: string, ours: Float32Array, floor: number): void {
    const row = (stored: string, values: Float32Array) =>
      this.row(stored, relativeError(values, toFloat32(this.#take(stored)!)), this.allowed(stored, floor))
    if (this.has(name)) row(name, ours)
    const [group, ...rest] = name.split('.')
    const tensor = rest.join('.')
    const norm = `${group}norm.${tensor}`
    if (this.has(norm)) row(norm, new Float32Array([l2(ours)]))
    const sample = `${group}sample.${tensor}`
    const index = this.tensors.get(`sample_index.${tensor}`)
    if (this.has(sample) && index)
      row(
        sample,
        Float32Array.from(index.data as Int32Array, i => ours[i]),
      )
  }

  /** A tensor of the file, which counts as compared from then on. */
  #take(name: string): StoredTensor | undefined {
    this.#compared.add(name)
    return this.tensors.get(name)
  }

  /** Compares integers. The error is how many differ; `undecided` of them may. */
  exact(name: string, ours: ArrayLike<number>, undecided = 0): void {
    const stored = this.#take(name)
    if (!stored) return
    const theirs = stored.data as unknown as ArrayLike<number>
    let differ = Math.abs(theirs.length - ours.length)
    for (let i = 0; i < theirs.length; i++) if (Number(theirs[i]) !== ours[i]) differ++
    this.row(name, differ, undecided)
  }

  /**
   * Compares predicted tokens. They may differ where the golden's logits of both tokens are close to the best one.
   * Close means: within the allowed error times the root mean square of all logits.
   */
  predictions(name: string, ours: Int32Array, logitsName: string): void {
    const stored = this.#take(name)
    const logits = this.tensors.get(logitsName)
    if (!stored) return
    const theirs = stored.data as Int32Array
    const values = logits && toFloat32(logits)
    const vocabulary = logits?.shape.at(-1) ?? 1
    // Both logits err; float16 comes near its limit in deep recursions.
    const close = values ? (this.dtype === 'f16' ? 2 : 1) * this.allowed(logitsName, FLOORS.forward) * rms(values) : 0
    let wrong = 0
    for (let i = 0; i < theirs.length; i++) {
      if (theirs[i] === ours[i]) continue
      const row = values?.subarray(i * vocabulary, (i + 1) * vocabulary)
      const gap = row ? Math.max(...row) - Math.min(row[theirs[i]], row[ours[i]]) : Infinity
      if (!(gap <= close)) wrong++
    }
    this.row(name, wrong, 0)
  }

  /** Halts the slots that halted in the golden, so that training goes on as it did there. */
  takeHalting(name: string, { halted, first, count }: Slots, engine: Engine): void {
    const stored = this.tensors.get(name)
    if (stored) engine.write(halted, Uint32Array.from(stored.data as ArrayLike<number>).subarray(first, first + count))
  }

  row(name: string, error: number, allowed: number): void {
    // A NaN must fail: it is not ≤ anything, and it is shown as infinite.
    this.rows.push({ name, error: Number.isNaN(error) ? Infinity : error, allowed })
  }

  /** Adds a failing row for each quantity of the file that nothing was compared with. */
  finish(): void {
    const missed = [...this.tensors.keys()].filter(
      name => !/^(init|batch|sample_index)\./.test(name) && !this.#compared.has(name),
    )
    for (const name of missed) this.row(`${name} (not recomputed)`, Infinity, 0)
  }
}
