// The backend webgpu-trm: its engine and trainer, as a user of the package calls them.
import {
  Adam,
  add,
  crossEntropy,
  embedding,
  type Engine,
  gated,
  linear,
  maskedAttention,
  Parameters,
  rmsnorm,
  ropeTable,
  type Tensor,
} from '../../src/engine/index.js'
import { metricsTensor, Slots } from '../../src/trm/slots.js'
import { loadTensors } from '../../src/trm/published/checkpoint.js'
import { configFromOfficial, officialTensor, PUZZLE_TABLE } from '../../src/trm/published/names.js'
import { Trm } from '../../src/trm/model.js'
import { Trainer } from '../../src/trm/training/trainer.js'
import { METRICS } from '../../src/kernels/slots.js'
import { openEngine } from '../../src/node.js'
import { measureMultiplyAdds } from '../peak.js'
import { keepWarm } from '../suite.js'
import type { Backend, Model } from './protocol.js'
import type { Transformer } from './transformer.js'

export async function open(): Promise<Backend> {
  const engine = await openEngine()
  return {
    version: 'this tree',
    async matmul({ m, n, k, a, b }) {
      const [x, w] = [engine.from(a, [m, k]), engine.from(b, [n, k])]
      const start = performance.now()
      const first = engine.scope(() => engine.read(linear(x, w)))
      const c = await first
      const firstMs = performance.now() - start
      const run = async (count: number) => {
        for (let i = 0; i < count; i++) engine.scope(() => linear(x, w))
        await engine.finish()
      }
      return { firstMs, outputs: { c }, run }
    },
    train: model => train(engine, model),
    infer: model => infer(engine, model),
    transformer: problem => transformer(engine, problem),
    peak: async () => (await measureMultiplyAdds(engine, { warm: await keepWarm(engine) })).gflops,
  }
}

function load(engine: Engine, { config, weights }: Model): Trm {
  const model = Trm.create(engine, configFromOfficial(config))
  loadTensors(
    model,
    new Map(Object.entries(weights).map(([name, { shape, data }]) => [name, { dtype: 'F32' as const, shape, data }])),
    'golden',
  )
  return model
}

const batchOf = ({ inputs, labels, ids }: Model['batches'][number]) => ({ inputs, labels, puzzleIds: ids })

async function train(engine: Engine, golden: Model): ReturnType<Backend['train']> {
  const { train: t, batches } = golden as Model & { train: Record<string, number> }
  const start = performance.now()
  const trainer = new Trainer(load(engine, golden), {
    batchSize: golden.config.batch_size as number,
    learningRate: t.lr,
    warmupSteps: t.lr_warmup_steps,
    minLearningRateRatio: t.lr_min_ratio,
    totalSteps: t.total_steps,
    beta1: t.beta1,
    beta2: t.beta2,
    weightDecay: t.weight_decay,
    puzzleLearningRate: t.puzzle_emb_lr,
    puzzleWeightDecay: t.puzzle_emb_weight_decay,
    emaRate: t.ema_rate,
  })
  const { model, optimizer } = trainer
  const outputs: Record<string, ArrayLike<number>> = {}
  let firstMs = 0
  for (let step = 0; step < batches.length; step++) {
    trainer.step(batchOf(batches[step]!))
    const sums = await trainer.readSums()
    if (step === 0) {
      firstMs = performance.now() - start
      for (const [name, values] of await optimizer.gradients.read()) outputs[`grad.${officialTensor(name)}`] = values
    }
    outputs[`loss.${step}`] = [sums[METRICS.indexOf('lmLoss')]! + 0.5 * sums[METRICS.indexOf('qHaltLoss')]!]
    outputs[`train.${step}.halted`] = await engine.readInt32(trainer.chunks[0]!.halted)
  }
  for (const [name, values] of await model.parameters.read()) outputs[`final.${officialTensor(name)}`] = values
  for (const [name, values] of await optimizer.average.read()) outputs[`ema.${officialTensor(name)}`] = values
  if (model.puzzleTable) outputs[`final.${PUZZLE_TABLE}`] = await engine.read(model.puzzleTable)
  const run = async (count: number) => {
    for (let i = 0; i < count; i++) trainer.step(batchOf(batches[i % batches.length]!))
    await trainer.readSums()
  }
  return { firstMs, outputs, run }
}

async function infer(engine: Engine, golden: Model): ReturnType<Backend['infer']> {
  const start = performance.now()
  const model = load(engine, golden)
  const { config, length, prefix } = model
  const slots = new Slots(model, golden.config.batch_size as number)
  slots.offer(batchOf(golden.batches[0]!))
  slots.restart()
  const metrics = metricsTensor(engine)
  engine.clear(metrics)
  const step = <Result>(use: (logits: Tensor, q: Tensor) => Result): Result =>
    engine.scope(() => {
      const { logits, q } = slots.advance()
      return use(logits, q)
    })
  const [logits, q] = await Promise.all(step((a, b) => [engine.read(a), engine.read(b)] as const))
  const firstMs = performance.now() - start
  const cells = logits.filter((_, i) => Math.floor(i / config.vocabulary) % length >= prefix)
  const run = async (count: number) => {
    for (let i = 1; i < count; i++) {
      step(() => {})
      engine.submit()
    }
    await step(each => engine.read(each))
  }
  return { firstMs, outputs: { 'eval.1.logits': cells, 'eval.1.q_halt_logits': q.filter((_, i) => i % 2 === 0) }, run }
}

async function transformer(engine: Engine, problem: Transformer): ReturnType<Backend['transformer']> {
  const { batch, length, width, heads, layers } = problem.sizes
  const { learningRate, beta1, beta2, weightDecay } = problem.adamw
  const start = performance.now()
  const shapes = Object.fromEntries(Object.entries(problem.weights).map(([name, { shape }]) => [name, shape]))
  const weights = new Parameters(engine, shapes)
  for (const [name, { data }] of Object.entries(problem.weights)) weights.write(name, data)
  const optimizer = new Adam(engine, weights, { algorithm: 'adamw', beta1, beta2, weightDecay })
  const ids = engine.from(problem.ids, [batch, length])
  const targets = engine.from(problem.targets, [batch, length])
  const rope = engine.from(ropeTable(length, width / heads, 10000), [length, width / heads / 2, 2])
  const loss = () => {
    let h = embedding(weights.get('tokens'), ids)
    for (let layer = 0; layer < layers; layer++) {
      const weight = (name: string) => weights.get(`${layer}.${name}`)
      const qkv = linear(rmsnorm(h), weight('qkv'))
      h = add(h, linear(maskedAttention(qkv, heads, { causal: true, rope }), weight('out')))
      h = add(h, linear(gated(rmsnorm(h), weight('gateUp')), weight('down')))
    }
    return crossEntropy(linear(rmsnorm(h), weights.get('head')), targets)
  }
  let done = 0
  const step = <Result>(use: (shares: Tensor) => Result): Result =>
    engine.scope(() => {
      const { value } = engine.valueAndGradients(weights.all(), loss, { into: optimizer.gradients.all() })
      optimizer.step({ step: ++done, learningRate })
      return use(value)
    })
  const shares = await step(value => engine.read(value))
  const firstMs = performance.now() - start
  const outputs: Record<string, ArrayLike<number>> = { loss: [shares.reduce((a, b) => a + b, 0)] }
  for (const [name, values] of await optimizer.gradients.read()) outputs[`grad.${name}`] = values
  const run = async (count: number) => {
    for (let i = 1; i < count; i++) step(() => {})
    await step(value => engine.read(value))
  }
  return { firstMs, outputs, run }
}
