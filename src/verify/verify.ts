// Recomputes everything that a golden file of the published code holds: "is this GPU computing TRM correctly?"
import type { Engine, Tensor } from '../engine/index.js'
import { type Precision, Trm } from '../trm/model.js'
import { loadTensors } from '../trm/published/checkpoint.js'
import { officialStart, officialState, officialTensor, PUZZLE_TABLE } from '../trm/published/names.js'
import { metricsTensor, Slots } from '../trm/slots.js'
import { Trainer } from '../trm/training/trainer.js'
import { concat } from './arrays.js'
import { FLOORS, Golden, type VerifyRow } from './golden.js'
import { compareMetrics, undecided } from './metrics.js'

export interface Verification {
  file: string
  adapter: string
  /** No error is larger than allowed, and there is at least one row. */
  ok: boolean
  rows: VerifyRow[]
}

/** Options of a verification, for tests and benches that force one way of computing. */
export interface VerifyOptions {
  /** What messages call the file. */
  file?: string
  /** Slots computed at a time. */
  microBatch?: number
  /** How activations are stored. Default f32. */
  dtype?: Precision
}

/**
 * Runs the golden's model from its initial weights and batches, and compares everything else that the file holds.
 * @throws when the file is no golden
 */
export async function verify(
  engine: Engine,
  bytes: Uint8Array,
  { file = 'golden', microBatch, dtype = 'f32' }: VerifyOptions = {},
): Promise<Verification> {
  const golden = new Golden(bytes, file, dtype)
  const { train, batchSize, loss } = golden
  const make = () => {
    const model = Trm.create(engine, golden.config, { dtype })
    loadTensors(model, golden.tensors, file, 'init.')
    return model
  }
  const evaluated = make()
  await verifyEvaluation(golden, evaluated).finally(() => evaluated.release())
  const trainer = new Trainer(make(), {
    batchSize,
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
    loss,
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

async function verifyEvaluation(golden: Golden, model: Trm): Promise<void> {
  const { engine, config } = model
  const batch = golden.batch(0)!
  const slots = new Slots(model, golden.batchSize)
  slots.offer(batch)
  const clock = engine.zeros([2], 'u32')
  const metrics = metricsTensor(engine)
  try {
    for (let k = 1; k <= config.supervisionSteps; k++) {
      engine.clear(metrics)
      const [logits, q, predictions] = await engine.scope(() => {
        if (k === 1) slots.restart()
        const outputs = slots.advance()
        const { results, predictions } = slots.loss(outputs, golden.loss, 1)
        slots.halt(outputs.q, results, clock, metrics, false)
        return Promise.all([engine.read(outputs.logits), engine.read(outputs.q), engine.readInt32(predictions)])
      })
      const log = golden.evalMetrics[k - 1]
      const name = `eval.${k}`
      if (!golden.has(`${name}.logits`) && !log) break
      const cells = withoutPrefix(logits, model)
      golden.compare(`${name}.logits`, cells, FLOORS.forward)
      compareQ(golden, name, q)
      golden.predictions(`${name}.preds`, predictions, `${name}.logits`)
      for (const [state, values] of Object.entries(slots.carry)) {
        const official = officialState(config.architecture, state)
        golden.compare(`${name}.${official}`, await engine.read(values), FLOORS.forward)
      }
      if (!log) continue
      const ties = undecided(golden, cells, batch.labels, q, golden.allowed(`${name}.logits`, FLOORS.forward))
      const allowed = Math.max(
        golden.allowed(`${name}.logits`, FLOORS.gradient),
        golden.allowed('loss', FLOORS.gradient),
      )
      compareMetrics(golden, name, await engine.read(metrics), log, allowed, ties, config)
    }
  } finally {
    slots.release(clock, metrics)
  }
}

async function verifyTraining(golden: Golden, trainer: Trainer): Promise<void> {
  const { model, chunks } = trainer
  const { engine, config } = model
  for (let step = 0; ; step++) {
    const batch = golden.batch(step)
    if (!batch) break
    const name = `train.${step}`
    const log = golden.trainLog[step]
    if (log) compareRates(golden, name, trainer, log)
    const scale = (await trainer.lossScaler?.read())?.scale ?? 1
    const reads: Promise<[logits: Float32Array, q: Float32Array, labels: Int32Array]>[] = []
    trainer.step(batch, (chunk, { logits, q }) =>
      reads.push(Promise.all([engine.read(logits), engine.read(q), engine.readInt32(chunk.labels)])),
    )
    const read = await Promise.all(reads)
    const logits = withoutPrefix(concat(read.map(([logits]) => logits)), model)
    golden.compare(`${name}.logits`, logits, FLOORS.forward)
    const q = concat(read.map(([, q]) => q))
    compareQ(golden, name, q)
    const labels = read.flatMap(([, , labels]) => [...labels])
    if (step === 0) await compareGradients(golden, trainer, scale)
    // From the second step on the logits come from updated parameters and are as uncertain as these.
    const close = step === 0 ? golden.allowed('train.0.logits', FLOORS.forward) : golden.allowed('loss', FLOORS.state)
    const ties = undecided(golden, logits, labels, q, close)
    const gather = async (pick: (chunk: Slots) => Tensor) =>
      Int32Array.from((await Promise.all(chunks.map(c => engine.readInt32(pick(c))))).flatMap(a => [...a]))
    golden.exact(`${name}.halted`, await gather(c => c.halted), ties.slots)
    golden.exact(`${name}.steps`, await gather(c => c.steps))
    const metrics = await trainer.readSums()
    if (log) compareMetrics(golden, name, metrics, log, golden.allowed('loss', FLOORS.gradient), ties, config)
    if (golden.dtype === 'f16') for (const chunk of chunks) golden.takeHalting(`${name}.halted`, chunk, engine)
  }
  await compareState(golden, trainer)
}

/** The learning rates of the coming step. */
function compareRates(golden: Golden, name: string, trainer: Trainer, log: Record<string, number>): void {
  const { learningRate, puzzleLearningRate } = trainer.rates()
  golden.row(`${name}.lr`, Math.abs(learningRate / log.lr - 1), 1e-6)
  if (trainer.model.puzzleTable)
    golden.row(`${name}.puzzle_emb_lr`, Math.abs(puzzleLearningRate / log.puzzle_emb_lr - 1), 1e-6)
}

/** The gradients of the last step, whose loss was multiplied by `scale`. */
async function compareGradients(golden: Golden, trainer: Trainer, scale: number): Promise<void> {
  const { model, optimizer, puzzleGradients } = trainer
  const compare = (name: string, values: Float32Array) =>
    golden.compare(
      `grad.${name}`,
      values.map(x => x / scale),
      FLOORS.gradient,
    )
  for (const [name, values] of await optimizer.gradients.read()) compare(officialTensor(name), values)
  if (puzzleGradients) compare('inner.puzzle_emb.local_weights', await model.engine.read(puzzleGradients))
}

/** What the training ends with: parameters, their moving average and moments, start states and puzzle table. */
async function compareState(golden: Golden, { model, optimizer }: Trainer): Promise<void> {
  const { engine, config, puzzleTable } = model
  const groups = { final: model.parameters, ema: optimizer.average, adam_m: optimizer.m, adam_v: optimizer.v }
  for (const [group, parameters] of Object.entries(groups)) {
    for (const [name, values] of await parameters.read())
      golden.compare(`${group}.${officialTensor(name)}`, values, FLOORS.state)
  }
  for (const [state, start] of Object.entries(model.starts))
    golden.compare(`final.${officialStart(config.architecture, state)}`, await engine.read(start), FLOORS.state)
  if (puzzleTable) golden.compare(`final.${PUZZLE_TABLE}`, await engine.read(puzzleTable), FLOORS.state)
}

function compareQ(golden: Golden, name: string, q: Float32Array): void {
  const column = (index: number) => q.filter((_, i) => i % 2 === index)
  golden.compare(`${name}.q_halt_logits`, column(0), FLOORS.forward)
  golden.compare(`${name}.q_continue_logits`, column(1), FLOORS.forward)
}

/** Drops the positions of the prefix: (batch, L, V) becomes (batch, S, V). */
function withoutPrefix(logits: Float32Array, { prefix, length, config: { vocabulary } }: Trm): Float32Array {
  return logits.filter((_, i) => Math.floor(i / vocabulary) % length >= prefix)
}
