// Recomputes everything that a golden file of the published code holds, and compares: "is this GPU computing TRM correctly?"
import type { Engine, Tensor } from '../engine/index.js'
import { parseSafetensors, type StoredTensor, toFloat32 } from '../formats/safetensors.js'
import { METRICS } from '../kernels/slots.js'
import { metricsTensor, type Puzzles, Slots } from '../trm/slots.js'
import { loadTensors } from '../trm/published/checkpoint.js'
import type { TrmConfig } from '../trm/config.js'
import { type Precision, Trm } from '../trm/model.js'
import {
  architectureOf,
  configFromOfficial,
  officialStart,
  officialState,
  officialTensor,
  PUZZLE_TABLE,
} from '../trm/published/names.js'
import { Trainer } from '../trm/training/trainer.js'

/** One compared quantity. */
export interface VerifyRow {
  name: string
  /** Relative L2 error, or the number of entries that differ for exact quantities. */
  error: number
  allowed: number
}

export interface Verification {
  file: string
  adapter: string
  /** Every row is within what is allowed, and there is at least one. */
  ok: boolean
  rows: VerifyRow[]
}

/** Allowed relative error where float32 itself is more exact: evaluation and forward tensors, gradients and losses, trained state. */
const FLOORS = { forward: 1e-5, gradient: 1e-4, state: 1e-3 }
/** How many times the rounding noise of a float32 run of the published code is allowed. */
const NOISE_FACTOR = 50
/**
 * With activations in float16 1024 times as much is allowed, an eighth of what its unit of rounding (2⁻¹¹) is above float32's (2⁻²⁴),
 * but never more than 0.5. Decisions that this rounding can turn, of cells whose two best logits and of slots whose halting logits are that close,
 * may fall either way; training then goes on with the recorded halting.
 */
const HALF = { factor: 1024, most: 0.5 }

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

/** Options of a verification, for tests and benches that force one way of computing. */
export interface VerifyOptions {
  file?: string
  /** Slots computed at a time. */
  microBatch?: number
  /** How activations are stored. Default f32. */
  dtype?: Precision
}

/**
 * Runs the golden's model from its initial weights and batches, and compares all else that the file holds.
 * @throws when the file is no golden
 */
export async function verify(
  engine: Engine,
  bytes: Uint8Array,
  { file = 'golden', microBatch, dtype = 'f32' }: VerifyOptions = {},
): Promise<Verification> {
  const golden = new Golden(bytes, file, dtype)
  const { fields, train } = golden
  const make = () => {
    const model = Trm.create(engine, golden.config, { dtype })
    loadTensors(model, golden.tensors, file, 'init.')
    return model
  }
  const evaluated = make()
  await verifyEvaluation(golden, evaluated).finally(() => evaluated.release())
  const trainer = new Trainer(make(), {
    batchSize: fields.batch_size as number,
    microBatch,
    learningRate: train.lr,
    warmupSteps: train.lr_warmup_steps,
    minLearningRateRatio: train.lr_min_ratio,
    totalSteps: train.total_steps,
    beta1: train.beta1,
    beta2: train.beta2,
    weightDecay: train.weight_decay,
    puzzleLearningRate: train.puzzle_emb_lr,
    puzzleWeightDecay: train.puzzle_emb_weight_decay,
    emaRate: train.ema_rate,
    loss: train.loss_type === 'stablemax_cross_entropy' ? 'stablemax' : 'softmax',
  })
  await verifyTraining(golden, trainer).finally(() => {
    trainer.release()
    trainer.model.release()
  })
  golden.finish()
  return {
    file,
    adapter: engine.adapter.description,
    ok: golden.rows.length > 0 && golden.rows.every(row => row.error <= row.allowed),
    rows: golden.rows,
  }
}

/** A golden file: its tensors, which of them were compared, and the rows so far. */
class Golden {
  readonly tensors: ReadonlyMap<string, StoredTensor>
  readonly fields: Record<string, unknown>
  readonly train: TrainFields
  readonly rows: VerifyRow[] = []
  readonly evalMetrics: Record<string, number>[]
  readonly trainLog: Record<string, number>[]
  private readonly arch: string
  private readonly noise: Record<string, number>
  private readonly compared = new Set<string>()

  constructor(
    bytes: Uint8Array,
    file: string,
    readonly dtype: Precision,
  ) {
    const { tensors, metadata } = parseSafetensors(bytes, file)
    this.tensors = tensors
    const json = (name: string) => {
      if (!metadata[name])
        throw new Error(
          `${file}: no "${name}" in its metadata, expected a golden file of the published code — to run a checkpoint use "trm eval"`,
        )
      try {
        return JSON.parse(metadata[name])
      } catch {
        throw new Error(`${file}: its metadata entry "${name}" is not JSON`)
      }
    }
    this.fields = json('config')
    this.train = json('train')
    this.noise = json('noise')
    this.arch = metadata.arch
    try {
      architectureOf(this.arch)
    } catch (error) {
      throw new Error(`${file}: ${(error as Error).message.replace(/^config: /, '')}`)
    }
    this.evalMetrics = metadata.eval_metrics ? json('eval_metrics') : []
    this.trainLog = metadata.train_log ? json('train_log') : []
    if (!tensors.has('batch.0.inputs')) throw new Error(`${file}: holds no batch, nothing can be checked`)
  }

  get config() {
    return configFromOfficial({ ...this.fields, name: this.arch })
  }

  batch(i: number): Puzzles | undefined {
    const get = (name: string) => this.tensors.get(`batch.${i}.${name}`)?.data as Int32Array | undefined
    const [inputs, labels, puzzleIds] = [get('inputs'), get('labels'), get('puzzle_identifiers')]
    return inputs && labels && puzzleIds && { inputs, labels, puzzleIds }
  }

  has(name: string): boolean {
    return this.tensors.has(name)
  }

  allowed(name: string, floor: number): number {
    const allowed = Math.max(floor, NOISE_FACTOR * (this.noise[name] ?? 0))
    return this.dtype === 'f16' ? Math.min(HALF.factor * allowed, HALF.most) : allowed
  }

  /** Compares a tensor in relative L2 norm; or its norm and samples, where the file of a large model holds only those. */
  compare(name: string, ours: Float32Array, floor: number): void {
    const stored = this.tensors.get(name)
    if (stored) {
      this.compared.add(name)
      this.row(name, relativeError(ours, toFloat32(stored)), this.allowed(name, floor))
    }
    const [group, ...rest] = name.split('.')
    const tensor = rest.join('.')
    const norm = this.tensors.get(`${group}norm.${tensor}`)
    if (norm) {
      this.compared.add(`${group}norm.${tensor}`)
      this.row(
        `${group}norm.${tensor}`,
        relativeError(new Float32Array([l2(ours)]), toFloat32(norm)),
        this.allowed(`${group}norm.${tensor}`, floor),
      )
    }
    const sample = this.tensors.get(`${group}sample.${tensor}`)
    const index = this.tensors.get(`sample_index.${tensor}`)
    if (sample && index) {
      this.compared.add(`${group}sample.${tensor}`)
      const picked = Float32Array.from(index.data as Int32Array, i => ours[i])
      this.row(
        `${group}sample.${tensor}`,
        relativeError(picked, toFloat32(sample)),
        this.allowed(`${group}sample.${tensor}`, floor),
      )
    }
  }

  /** Compares integers; the error is how many differ, of which `unsure` may. */
  exact(name: string, ours: ArrayLike<number>, unsure = 0): void {
    const stored = this.tensors.get(name)
    if (!stored) return
    this.compared.add(name)
    const theirs = stored.data as unknown as ArrayLike<number>
    let differ = Math.abs(theirs.length - ours.length)
    for (let i = 0; i < theirs.length; i++) if (Number(theirs[i]) !== ours[i]) differ++
    this.row(name, differ, unsure)
  }

  /** Predictions may differ only where the golden's logits of both are within the allowed error of the best, times the root mean square of all. */
  predictions(name: string, ours: Int32Array, logitsName: string): void {
    const stored = this.tensors.get(name)
    const logits = this.tensors.get(logitsName)
    if (!stored) return
    this.compared.add(name)
    const theirs = stored.data as Int32Array
    const values = logits && toFloat32(logits)
    const vocabulary = logits?.shape.at(-1) ?? 1
    // Both logits err; float16 comes near its limit in deep recursions.
    const close = values
      ? (this.dtype === 'f16' ? 2 : 1) *
        this.allowed(logitsName, FLOORS.forward) *
        (l2(values) / Math.sqrt(values.length))
      : 0
    let wrong = 0
    for (let i = 0; i < theirs.length; i++) {
      if (theirs[i] === ours[i]) continue
      const row = values?.subarray(i * vocabulary, (i + 1) * vocabulary)
      const gap = row ? Math.max(...row) - Math.min(row[theirs[i]], row[ours[i]]) : Infinity
      if (!(gap <= close)) wrong++
    }
    this.row(name, wrong, 0)
  }

  /** Slots go on as the golden's did. */
  takeHalting(name: string, { halted, first, count }: Slots, engine: Engine): void {
    const stored = this.tensors.get(name)
    if (stored) engine.write(halted, Uint32Array.from(stored.data as ArrayLike<number>).subarray(first, first + count))
  }

  row(name: string, error: number, allowed: number): void {
    // A NaN must fail: it is not ≤ anything, and it is shown as infinite.
    this.rows.push({ name, error: Number.isNaN(error) ? Infinity : error, allowed })
  }

  /** @throws when the file holds a quantity that nothing here compared */
  finish(): void {
    const missed = [...this.tensors.keys()].filter(
      name => !/^(init|batch|sample_index)\./.test(name) && !this.compared.has(name),
    )
    for (const name of missed) this.row(`${name} (not recomputed)`, Infinity, 0)
  }
}

async function verifyEvaluation(golden: Golden, model: Trm): Promise<void> {
  const { engine, config, length, prefix } = model
  const batch = golden.batch(0)!
  const slots = new Slots(model, golden.fields.batch_size as number)
  slots.offer(batch)
  const clock = engine.zeros([2], 'u32')
  const metrics = metricsTensor(engine)
  try {
    for (let k = 1; k <= config.supervisionSteps; k++) {
      engine.clear(metrics)
      const [logits, q, predictions] = await engine.scope(() => {
        if (k === 1) slots.restart()
        const rows = slots.puzzleRows()
        model.think(slots.carry, model.embed(slots.inputs, rows), config.cycles)
        const heads = model.heads(slots.carry.y)
        const outcome = slots.loss(
          heads,
          golden.train.loss_type === 'stablemax_cross_entropy' ? 'stablemax' : 'softmax',
          1,
        )
        slots.halt(heads.q, outcome.results, clock, metrics, false)
        return Promise.all([engine.read(heads.logits), engine.read(heads.q), engine.readInt32(outcome.predictions)])
      })
      const log = golden.evalMetrics[k - 1]
      if (!golden.has(`eval.${k}.logits`) && !log) break
      const cells = cellsOf(logits, prefix, length, config.vocabulary)
      golden.compare(`eval.${k}.logits`, cells, FLOORS.forward)
      compareQ(golden, `eval.${k}`, q)
      golden.predictions(`eval.${k}.preds`, predictions, `eval.${k}.logits`)
      for (const [state, values] of Object.entries(slots.carry))
        golden.compare(
          `eval.${k}.${officialState(config.architecture, state)}`,
          await engine.read(values),
          FLOORS.forward,
        )
      if (!log) continue
      const forward = golden.allowed(`eval.${k}.logits`, FLOORS.forward)
      const loss = Math.max(
        golden.allowed(`eval.${k}.logits`, FLOORS.gradient),
        golden.allowed('loss', FLOORS.gradient),
      )
      compareMetrics(
        golden,
        `eval.${k}`,
        await engine.read(metrics),
        log,
        loss,
        undecided(golden, cells, [...batch.labels], q, forward),
        config,
      )
    }
  } finally {
    slots.release(clock, metrics)
  }
}

async function verifyTraining(golden: Golden, trainer: Trainer): Promise<void> {
  const { model, optimizer } = trainer
  const { engine, config, length, prefix } = model
  for (let step = 0; ; step++) {
    const batch = golden.batch(step)
    if (!batch) break
    const rates = trainer.rates()
    const log = golden.trainLog[step]
    if (log) {
      golden.row(`train.${step}.lr`, Math.abs(rates.learningRate / log.lr - 1), 1e-6)
      if (model.puzzleTable)
        golden.row(`train.${step}.puzzle_emb_lr`, Math.abs(rates.puzzleLearningRate / log.puzzle_emb_lr - 1), 1e-6)
    }
    const scale = (await trainer.lossScaler?.read())?.scale ?? 1
    const unscaled = (values: Float32Array) => values.map(x => x / scale)
    const reads: Promise<[logits: Float32Array, q: Float32Array, labels: Int32Array]>[] = []
    trainer.step(batch, (chunk, { logits, q }) =>
      reads.push(Promise.all([engine.read(logits), engine.read(q), engine.readInt32(chunk.labels)])),
    )
    const read = await Promise.all(reads)
    const logits = cellsOf(concat(read.map(([logits]) => logits)), prefix, length, config.vocabulary)
    golden.compare(`train.${step}.logits`, logits, FLOORS.forward)
    const q = concat(read.map(([, q]) => q))
    compareQ(golden, `train.${step}`, q)
    const labels = read.flatMap(([, , labels]) => [...labels])
    if (step === 0) {
      for (const [name, values] of await optimizer.gradients.read())
        golden.compare(`grad.${officialTensor(name)}`, unscaled(values), FLOORS.gradient)
      if (trainer.puzzleGradients)
        golden.compare(
          'grad.inner.puzzle_emb.local_weights',
          unscaled(await engine.read(trainer.puzzleGradients)),
          FLOORS.gradient,
        )
    }
    // From the second step on the logits come from updated parameters and are as uncertain as these.
    const doubt = undecided(
      golden,
      logits,
      labels,
      q,
      step === 0 ? golden.allowed('train.0.logits', FLOORS.forward) : golden.allowed('loss', FLOORS.state),
    )
    const gather = async (pick: (chunk: Slots) => Tensor) =>
      Int32Array.from((await Promise.all(trainer.chunks.map(c => engine.readInt32(pick(c))))).flatMap(a => [...a]))
    golden.exact(`train.${step}.halted`, await gather(c => c.halted), doubt.slots)
    golden.exact(`train.${step}.steps`, await gather(c => c.steps))
    const metrics = await trainer.readSums()
    const allowed = golden.allowed('loss', FLOORS.gradient)
    if (log) compareMetrics(golden, `train.${step}`, metrics, log, allowed, doubt, config)
    if (golden.dtype === 'f16')
      for (const chunk of trainer.chunks) golden.takeHalting(`train.${step}.halted`, chunk, engine)
  }
  const states = { final: model.parameters, ema: optimizer.average, adam_m: optimizer.m, adam_v: optimizer.v }
  for (const [group, parameters] of Object.entries(states)) {
    for (const [name, values] of await parameters.read())
      golden.compare(`${group}.${officialTensor(name)}`, values, FLOORS.state)
  }
  for (const [state, start] of Object.entries(model.starts))
    golden.compare(`final.${officialStart(config.architecture, state)}`, await engine.read(start), FLOORS.state)
  if (model.puzzleTable) golden.compare(`final.${PUZZLE_TABLE}`, await engine.read(model.puzzleTable), FLOORS.state)
}

/** Fields of the golden's logs that are compared, and the number of the step. */
const COMPARED_METRICS = new Set([
  'step',
  'lr',
  'puzzle_emb_lr',
  'count',
  'exact_accuracy',
  'q_halt_accuracy',
  'steps',
  'accuracy',
  'lm_loss',
  'q_halt_loss',
  'q_continue_loss',
  'loss',
])

/** What may fall either way because rounding decides it. */
interface Doubt {
  /** What the sum of the slots' accuracies may lose or gain. */
  accuracy: number
  /** Slots that may or may not halt (0 in float32), and those that may or may not count as exact or as rightly judged. */
  slots: number
  exact: number
}

/** Counts exactly but for what is in doubt, sums of losses and shares within what is allowed; q_halt accuracy, exact accuracy and steps are counts too. */
function compareMetrics(
  golden: Golden,
  name: string,
  sums: Float32Array,
  log: Record<string, number>,
  allowed: number,
  { accuracy, slots, exact }: Doubt,
  { supervisionSteps }: TrmConfig,
): void {
  const ours = Object.fromEntries(METRICS.map((metric, i) => [metric, sums[i]])) as Record<
    (typeof METRICS)[number],
    number
  >
  golden.row(`${name}.count`, Math.abs(ours.count - log.count), slots)
  golden.row(`${name}.exact_accuracy`, Math.abs(ours.exactAccuracy - log.exact_accuracy), exact)
  golden.row(`${name}.q_halt_accuracy`, Math.abs(ours.qHaltAccuracy - log.q_halt_accuracy), exact)
  golden.row(`${name}.steps`, Math.abs(ours.steps - log.steps), slots * supervisionSteps)
  golden.row(`${name}.accuracy`, Math.abs(ours.accuracy - log.accuracy), slots + accuracy + allowed * log.accuracy)
  golden.row(`${name}.lm_loss`, Math.abs(ours.lmLoss / log.lm_loss - 1), allowed)
  golden.row(`${name}.q_halt_loss`, Math.abs(ours.qHaltLoss / log.q_halt_loss - 1), allowed)
  if ('q_continue_loss' in log)
    golden.row(`${name}.q_continue_loss`, Math.abs(ours.qContinueLoss / log.q_continue_loss - 1), allowed)
  golden.row(
    `${name}.loss`,
    Math.abs((ours.lmLoss + 0.5 * (ours.qHaltLoss + ours.qContinueLoss)) / log.loss - 1),
    allowed,
  )
  for (const metric of Object.keys(log))
    if (!COMPARED_METRICS.has(metric)) golden.row(`${name}.${metric} (not recomputed)`, Infinity, 0)
}

/**
 * Labelled cells are in doubt where the label's logit and the best other one are closer than the allowed error times the logits' root mean square,
 * in float16 also slots whose q_halt is that close to 0 or to q_continue.
 */
function undecided(
  { dtype, config: { cells, vocabulary } }: Golden,
  logits: Float32Array,
  labels: readonly number[],
  q: Float32Array,
  allowed: number,
): Doubt {
  const close = allowed * (l2(logits) / Math.sqrt(logits.length))
  const closeQ = dtype === 'f16' ? allowed * (l2(q) / Math.sqrt(q.length)) : 0
  const doubt: Doubt = { accuracy: 0, slots: 0, exact: 0 }
  for (let slot = 0; slot < labels.length / cells; slot++) {
    let [labelled, tied] = [0, 0]
    for (let i = slot * cells; i < (slot + 1) * cells; i++) {
      if (labels[i] < 0) continue
      labelled++
      const row = logits.subarray(i * vocabulary, (i + 1) * vocabulary)
      const [best, second] = row.slice().sort().reverse()
      if (best - second <= close && best - row[labels[i]] <= close) tied++
    }
    doubt.accuracy += tied / Math.max(labelled, 1)
    if (dtype === 'f32') continue
    const isUnsure = Math.min(Math.abs(q[2 * slot]), Math.abs(q[2 * slot] - q[2 * slot + 1])) <= closeQ
    doubt.slots += Number(isUnsure)
    doubt.exact += Number(isUnsure || tied > 0)
  }
  return doubt
}

function compareQ(golden: Golden, name: string, q: Float32Array): void {
  golden.compare(
    `${name}.q_halt_logits`,
    q.filter((_, i) => i % 2 === 0),
    FLOORS.forward,
  )
  golden.compare(
    `${name}.q_continue_logits`,
    q.filter((_, i) => i % 2 === 1),
    FLOORS.forward,
  )
}

/** Drops the prefix rows: (batch, L, V) to (batch, S, V). */
function cellsOf(logits: Float32Array, prefix: number, length: number, vocabulary: number): Float32Array {
  return logits.filter((_, i) => Math.floor(i / vocabulary) % length >= prefix)
}

function concat(parts: Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

function l2(values: Float32Array): number {
  let sum = 0
  for (const v of values) sum += v * v
  return Math.sqrt(sum)
}

/** ‖ours − theirs‖ / ‖theirs‖; infinite for other sizes or anything that is not finite. */
function relativeError(ours: Float32Array, theirs: Float32Array): number {
  if (ours.length !== theirs.length) return Infinity
  let difference = 0
  for (let i = 0; i < ours.length; i++) difference += (ours[i] - theirs[i]) ** 2
  const norm = l2(theirs)
  const error = norm > 0 ? Math.sqrt(difference) / norm : Math.sqrt(difference)
  return Number.isFinite(error) ? error : Infinity
}
