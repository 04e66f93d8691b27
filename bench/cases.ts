// What is measured: the engine's operations and the model's steps at the sizes of three Tiny Recursive Models, as tables.
import {
  Adam,
  type AdapterSummary,
  attention,
  type Engine,
  Parameters,
  rmsnorm,
  ropeTable,
  type Shape,
  swiglu,
  type Tensor,
} from '../src/engine/index.js'
import { add } from '../src/engine/ops/add.js'
import { matmul } from '../src/engine/ops/matmul.js'
import { Random } from '../src/engine/random.js'
import { Variants } from '../src/engine/variants.js'
import type { MatmulSize } from '../src/kernels/matmul.js'
import { type Puzzles, Slots } from '../src/trm/slots.js'
import { DEFAULTS, headWidth, innerWidth, lengthOf, type TrmConfig } from '../src/trm/config.js'
import { planMemory } from '../src/trm/training/memory.js'
import { type Precision, Trm } from '../src/trm/model.js'
import { Trainer } from '../src/trm/training/trainer.js'
import {
  addWork,
  attentionBackwardWork,
  type AttentionShape,
  attentionWork,
  embeddingBackwardWork,
  embeddingWork,
  inferenceWork,
  linearSizes,
  lossWork,
  matmulWork,
  mixSizes,
  networkWork,
  optimizerWork,
  rmsnormBackwardWork,
  rmsnormWork,
  swigluBackwardWork,
  swigluWork,
  trainingWork,
  type Work,
} from './work.js'

export const SIZES = ['small', 'middle', 'official', 'large'] as const
export type Size = (typeof SIZES)[number]

export interface Case {
  /** Unique together with the size. */
  readonly name: string
  readonly size: Size
  /** Of one run. */
  readonly work: Work
  /** In float16, and nothing keeps it from subgroup matrices where the adapter has them. */
  readonly usesMatrices?: boolean
  /** Makes the tensors on an engine that no other case uses; what it returns records one run. */
  prepare(engine: Engine): () => void
}

/** A model and the slots that are computed at a time. */
export interface ModelSize {
  readonly size: Size
  /** For the names of the cases; empty where a size has one model. */
  readonly label: string
  readonly config: TrmConfig
  readonly batch: number
  readonly microBatch: number
}

export const SMALL: TrmConfig = {
  ...DEFAULTS,
  vocabulary: 6,
  cells: 16,
  puzzles: 1,
  hidden: 64,
  heads: 2,
  expansion: 1,
  cycles: 2,
  latentSteps: 2,
  supervisionSteps: 4,
  positions: 'none',
  tokenMixing: true,
  puzzleWidth: 64,
  prefix: 1,
}

export const MIDDLE: TrmConfig = {
  ...DEFAULTS,
  vocabulary: 11,
  cells: 81,
  puzzles: 1,
  hidden: 128,
  heads: 4,
  puzzleWidth: 0,
  prefix: 0,
}

/** The published networks for Sudoku-Extreme. */
export const OFFICIAL_ATTENTION: TrmConfig = { ...DEFAULTS, vocabulary: 11, cells: 81, puzzles: 1 }
export const OFFICIAL_MLP: TrmConfig = { ...OFFICIAL_ATTENTION, tokenMixing: true, positions: 'none' }

/** The micro-batch of a training of these, as `planMemory` finds it on an adapter. */
export type Planner = (config: TrmConfig, batchSize: number, dtype: Precision) => number

/** Micro-batches as a training takes them on this engine; nothing is computed. */
export const planner =
  (engine: Engine, memoryLimit?: number): Planner =>
  (config, batchSize, dtype) =>
    planMemory(engine, config, { batchSize, dtype, memoryLimit }).microBatch

/** The models of an adapter, with the micro-batches that fit it. */
export function modelSizes(isSoftware: boolean, dtype: Precision, plan: Planner): readonly ModelSize[] {
  const officialBatch = isSoftware ? 2 : 768
  const sizes: [size: Size, label: string, config: TrmConfig, batch: number][] = [
    ['small', '', SMALL, 64],
    ['middle', '', MIDDLE, 16],
    ['official', 'MLP ', OFFICIAL_MLP, officialBatch],
    ['official', 'attention ', OFFICIAL_ATTENTION, officialBatch],
  ]
  // Small batches fit every adapter.
  return sizes.map(([size, label, config, batch]) => ({
    size,
    label,
    config,
    batch,
    microBatch: batch > 64 ? plan(config, batch, dtype) : batch,
  }))
}

/** Sequences of the official length whose products and attention are measured one by one on a GPU. */
const GPU_SEQUENCES = 96

/** Linear layers: rows of x, outputs, inputs. */
const LINEAR: readonly (readonly [size: Size, rows: number, out: number, width: number])[] = [
  ['small', 1088, 512, 64],
  ['small', 1088, 64, 256],
  ['middle', 1296, 1024, 128],
  ['middle', 1296, 128, 512],
  ['middle', 1296, 384, 128],
  ['official', 194, 3072, 512],
  ['official', 194, 512, 1536],
  ['large', 1024, 1024, 512],
]

/** Layers over the positions: batch, outputs, positions, width. */
const MIX: readonly (readonly [size: Size, batch: number, out: number, length: number, width: number])[] = [
  ['small', 64, 512, 17, 64],
  ['small', 64, 17, 256, 64],
  ['official', 2, 1024, 97, 512],
  ['official', 2, 97, 512, 512],
]

/** The same layers with as many rows as keep a GPU busy. */
const GPU_LINEAR: typeof LINEAR = [
  ['large', GPU_SEQUENCES * 97, 3072, 512],
  ['large', GPU_SEQUENCES * 97, 512, 1536],
  ['large', 4096, 4096, 4096],
  // Few rows: one sequence at its answer, a small batch, and the head that decides on halting.
  ['large', 1, 3072, 512],
  ['large', 16, 3072, 512],
  ['large', 768, 2, 512],
]
const GPU_MIX: typeof MIX = [
  ['large', GPU_SEQUENCES, 1024, 97, 512],
  ['large', GPU_SEQUENCES, 97, 512, 512],
]

const ATTENTION: readonly (readonly [size: Size, shape: AttentionShape])[] = [
  ['middle', { batch: 2, length: 97, heads: 4, headDim: 32 }],
  ['large', { batch: 1, length: 916, heads: 4, headDim: 32 }],
]
const GPU_ATTENTION: typeof ATTENTION = [['large', { batch: GPU_SEQUENCES, length: 97, heads: 8, headDim: 64 }]]

const OPTIMIZED: readonly (readonly [size: Size, millions: number])[] = [
  ['middle', 1],
  ['official', 5],
]

/** What decides which cases an adapter gets. */
export type BenchAdapter = Pick<AdapterSummary, 'isSoftware' | 'features' | 'subgroupMatrices'>

/** How operands are stored, and whether subgroup matrices may be used. */
interface Mode {
  dtype: Precision
  matrices: boolean
}

const PLAIN: Mode = { dtype: 'f32', matrices: true }

/** The modes that a GPU has besides the plain one, and in a line each what it lacks for others. */
function otherModes({ isSoftware, features, subgroupMatrices }: BenchAdapter): { modes: Mode[]; missing: string[] } {
  if (isSoftware) return { modes: [], missing: [] }
  if (!features.includes('shader-f16'))
    return { modes: [], missing: ['skipped: cases in float16, this adapter has no shader-f16'] }
  const half: Mode = { dtype: 'f16', matrices: true }
  if (subgroupMatrices.some(({ component }) => component === 'f16'))
    return { modes: [half, { ...half, matrices: false }], missing: [] }
  return {
    modes: [half],
    missing: [
      'skipped: subgroup matrices on and off, this adapter lists none of float16 with sums in float32 (feature chromium-experimental-subgroup-matrix)',
    ],
  }
}

/** Lines that say which cases an adapter does not get for want of a feature. */
export const missingCases = (adapter: BenchAdapter): string[] => otherModes(adapter).missing

const mayUseMatrices = ({ dtype, matrices }: Mode) => dtype === 'f16' && matrices

const modeName = ({ dtype, matrices }: Mode) => `${dtype === 'f16' ? ' f16' : ''}${matrices ? '' : ' without matrices'}`

/** The engine as it is, or as if its adapter had no subgroup matrices. */
function inMode(engine: Engine, { matrices }: Mode): Engine {
  if (matrices) return engine
  const adapter = { ...engine.adapter, subgroupMatrices: [] }
  return Object.assign(Object.create(engine) as Engine, { adapter, variants: new Variants(adapter) })
}

/** Everything that is measured on such an adapter, small things first. @param plan default: whole batches */
export function allCases(adapter: BenchAdapter, plan: Planner = (_, batchSize) => batchSize): Case[] {
  const { isSoftware } = adapter
  const { modes } = otherModes(adapter)
  const gpu = <T>(more: readonly T[]): readonly T[] => (isSoftware ? [] : more)
  const models = modelSizes(isSoftware, 'f32', plan)
  return [
    dispatchCase(),
    ...[...LINEAR, ...gpu(GPU_LINEAR)].flatMap(([size, rows, out, width]) =>
      products(size, '', linearSizes(rows, out, width)),
    ),
    ...[...MIX, ...gpu(GPU_MIX)].flatMap(([size, batch, out, length, width]) =>
      products(size, ' mix', mixSizes(batch, out, length, width)),
    ),
    ...models.filter(({ config }, i) => i < 2 || config.tokenMixing).flatMap(elementwise),
    ...[...ATTENTION, ...gpu(GPU_ATTENTION)].flatMap(([size, shape]) => attentionCases(size, shape)),
    ...models.filter(({ config }) => !config.tokenMixing).flatMap(modelAttention),
    ...OPTIMIZED.map(([size, millions]) => optimizerCase(size, millions)),
    ...models.filter(({ config }, i) => i < 2 || config.tokenMixing).flatMap(endsOfTheModel),
    ...models.flatMap(model => modelCases(model)),
    ...modes.flatMap(mode => [
      ...GPU_LINEAR.flatMap(([size, rows, out, width]) => products(size, '', linearSizes(rows, out, width), mode)),
      ...GPU_MIX.flatMap(([size, batch, out, length, width]) =>
        products(size, ' mix', mixSizes(batch, out, length, width), mode),
      ),
      ...modelSizes(isSoftware, mode.dtype, plan)
        .filter(({ size }) => size === 'official')
        .flatMap(model => modelCases(model, mode)),
    ]),
  ]
}

/** The smallest dispatch there is: its host time is what recording one costs. */
function dispatchCase(): Case {
  return {
    name: 'dispatch of 64 sums',
    size: 'small',
    work: addWork(64),
    prepare(engine) {
      const [a, b] = [random(engine, [64]), random(engine, [64])]
      return () => engine.scope(() => void add(a, b))
    },
  }
}

function products(size: Size, kind: string, sizes: ReturnType<typeof linearSizes>, mode = PLAIN): Case[] {
  return Object.entries(sizes).map(([part, product]) =>
    matmulCase(size, `matmul${modeName(mode)}${kind} ${part}`, product, mode),
  )
}

function matmulCase(size: Size, name: string, product: MatmulSize, mode: Mode): Case {
  const { m, n, k, batch = 1, reduce = 1, sharedA, sharedB, transposeA, transposeB } = product
  const form = `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`
  const pairs = batch > 1 ? `${batch} × ` : reduce > 1 ? `Σ ${reduce} × ` : ''
  return {
    name: `${name} ${form} ${pairs}${m}×${n}×${k}`,
    size,
    work: matmulWork(product, mode.dtype),
    usesMatrices: mayUseMatrices(mode),
    prepare(plain) {
      const engine = inMode(plain, mode)
      const a = random(engine, [sharedA ? 1 : batch * reduce, m, k], mode.dtype)
      const b = random(engine, [sharedB ? 1 : batch * reduce, k, n], mode.dtype)
      const c = engine.lasting([batch, m, n], mode.dtype)
      return () => matmul({ a, b, c }, product)
    },
  }
}

/**
 * An operation and its derivative as two cases.
 * @param make makes the operands; what it returns computes from them, on the engine it is given
 */
function both(
  size: Size,
  name: string,
  make: (engine: Engine) => (engine: Engine) => Tensor,
  forward: Work,
  backward: Work,
): Case[] {
  return [
    {
      name,
      size,
      work: forward,
      prepare(engine) {
        const compute = make(engine)
        return () => engine.scope(() => void compute(engine))
      },
    },
    { name: `${name} backward`, size, work: backward, prepare: engine => derivative(engine, make(engine)) },
  ]
}

/** Norms and gates of a model. */
function elementwise({ size, config, microBatch: batch }: ModelSize): Case[] {
  const { hidden, expansion, tokenMixing } = config
  const length = lengthOf(config)
  const rows = batch * length
  const inner = innerWidth(hidden, expansion)
  const shape = [batch, length, hidden]
  const norm = (axis: -1 | -2, normed: number, width: number) =>
    both(
      size,
      `rmsnorm axis ${axis} ${batch}×${length}×${hidden}`,
      engine => {
        const [x, residual] = [random(engine, shape), random(engine, shape)]
        return () => rmsnorm(x, { residual, axis })
      },
      rmsnormWork(normed, width),
      rmsnormBackwardWork(normed, width),
    )
  const gate = (engine: Engine) => {
    const gateUp = random(engine, [rows, 2 * inner])
    return () => swiglu(gateUp)
  }
  return [
    ...norm(-1, rows, hidden),
    ...(tokenMixing ? norm(-2, batch * hidden, length) : []),
    ...both(size, `swiglu ${rows}×${inner}`, gate, swigluWork(rows * inner), swigluBackwardWork(rows * inner)),
  ]
}

const shapeName = ({ batch, length, heads, headDim }: AttentionShape) =>
  `${batch}×${length}, ${heads} heads of ${headDim}`
const packed = ({ batch, length, heads, headDim }: AttentionShape) => [batch, length, 3 * heads * headDim]

/** @param theta of the rotary positions, where there are some */
function attentionCases(size: Size, shape: AttentionShape, theta?: number): Case[] {
  const make = (engine: Engine) => {
    const qkv = random(engine, packed(shape))
    const rope =
      theta === undefined
        ? undefined
        : engine.from(ropeTable(shape.length, shape.headDim, theta), [shape.length, shape.headDim / 2, 2])
    return () => attention(qkv, shape.heads, { rope })
  }
  const turns = theta !== undefined
  return both(
    size,
    `attention ${turns ? 'with rope ' : ''}${shapeName(shape)}`,
    make,
    attentionWork(shape, turns),
    attentionBackwardWork(shape, turns),
  )
}

/** A model's own attention. */
function modelAttention({ size, config, microBatch }: ModelSize): Case[] {
  const { heads, ropeTheta } = config
  return attentionCases(
    size,
    { batch: microBatch, length: lengthOf(config), heads, headDim: headWidth(config) },
    ropeTheta,
  )
}

function optimizerCase(size: Size, millions: number): Case {
  const count = millions * 1e6
  return {
    name: `optimiser, ${millions} M parameters`,
    size,
    work: optimizerWork(count),
    prepare(engine) {
      const optimizer = new Adam(engine, new Parameters(engine, { weights: [count / 1000, 1000] }), { emaRate: 0.999 })
      const [values, gradients] = [randomValues(count), randomValues(count)]
      optimizer.values.write('weights', values)
      optimizer.gradients.write('weights', gradients)
      optimizer.prepare(1, 1e-4)
      return () => optimizer.step()
    },
  }
}

/** Input embedding and loss: what comes before and after the network. */
function endsOfTheModel({ size, config, microBatch: batch }: ModelSize): Case[] {
  const ids = (engine: Engine) => engine.from(randomPuzzles(config, batch).inputs, [batch, config.cells])
  const puzzleRows = (engine: Engine) => (config.puzzleWidth ? random(engine, [batch, config.puzzleWidth]) : undefined)
  const embedding = (engine: Engine) => {
    const [inputs, rows] = [ids(engine), puzzleRows(engine)]
    // The model remembers its engine; the derivative wants another one.
    const models = new Map<Engine, Trm>()
    return (on: Engine) => {
      const model = models.get(on) ?? Trm.create(on, config)
      models.set(on, model)
      return model.embed(inputs, rows)
    }
  }
  const loss: Case = {
    name: `supervision loss ${batch}×${config.cells}×${config.vocabulary}`,
    size,
    work: lossWork(config, batch),
    prepare(engine) {
      const { slots, model } = filledSlots(engine, config, batch)
      const logits = random(engine, [batch, model.length, config.vocabulary])
      const q = random(engine, [batch, 2])
      return () => engine.scope(() => void slots.loss({ logits, q }, 'stablemax', 1 / batch))
    },
  }
  return [
    ...both(
      size,
      `input embedding ${batch}×${lengthOf(config)}×${config.hidden}`,
      embedding,
      embeddingWork(config, batch),
      embeddingBackwardWork(config, batch),
    ),
    loss,
  ]
}

/** The steps of the model. */
function modelCases({ size, label: model, config, batch, microBatch }: ModelSize, mode = PLAIN): Case[] {
  const { dtype } = mode
  const usesMatrices = mayUseMatrices(mode)
  const label = model + (mode === PLAIN ? '' : `${modeName(mode).trim()} `)
  return [
    {
      name: `${label}recursion step, batch ${microBatch}`,
      size,
      work: networkWork(config, microBatch, dtype),
      usesMatrices,
      prepare(plain) {
        const engine = inMode(plain, mode)
        const model = Trm.create(engine, config, { dtype })
        const shape = [microBatch, model.length, config.hidden]
        const [z, injection] = [random(engine, shape, dtype), random(engine, shape, dtype)]
        return () => engine.scope(() => void model.network(z, injection, z))
      },
    },
    {
      name: `${label}supervision step, inference, batch ${microBatch}`,
      size,
      work: inferenceWork(config, microBatch, dtype),
      usesMatrices,
      prepare(plain) {
        const engine = inMode(plain, mode)
        const { model, slots } = filledSlots(engine, config, microBatch, dtype)
        return () =>
          engine.scope(() => {
            model.withoutGradient(slots.carry, model.embed(slots.inputs, slots.puzzleRows()), config.cycles)
            model.heads(slots.carry.y)
          })
      },
    },
    ...(mode === PLAIN ? [false, true] : [false]).map((recompute): Case => ({
      name: `${label}${TRAINING_STEP}${recompute ? ', recomputing' : ''}, batch ${batch}${microBatch < batch ? ` by ${microBatch}` : ''}`,
      size,
      work: trainingWork(config, batch, microBatch, dtype),
      usesMatrices,
      prepare(engine) {
        const trainer = new Trainer(Trm.create(inMode(engine, mode), config, { dtype }), {
          batchSize: batch,
          microBatch,
          recompute,
        })
        const puzzles = randomPuzzles(config, batch)
        return () => trainer.step(puzzles)
      },
    })),
  ]
}

/** Words that the names of all training cases have. */
export const TRAINING_STEP = 'training step'

/** Slots that hold random puzzles. */
function filledSlots(
  engine: Engine,
  config: TrmConfig,
  batch: number,
  dtype?: Precision,
): { model: Trm; slots: Slots } {
  const model = Trm.create(engine, config, { dtype })
  const slots = new Slots(model, batch)
  slots.offer(randomPuzzles(config, batch))
  slots.restart()
  return { model, slots }
}

/** Runs the derivative of what `compute` computes, as the tape would. */
function derivative(engine: Engine, compute: (engine: Engine) => Tensor): () => void {
  let taken: { dy: Tensor; inputs: readonly Tensor[]; backward: RecordArguments[2] } | undefined
  const watching: Engine = Object.assign(Object.create(engine) as Engine, {
    record: (...[y, inputs, backward]: RecordArguments) => {
      taken = { dy: random(engine, y.shape), inputs, backward }
      return y
    },
  })
  compute(watching)
  const { dy, inputs, backward } = taken!
  const targets = inputs.map(({ shape }) => engine.lasting(shape))
  return () =>
    engine.scope(() => {
      backward(
        dy,
        inputs.map(() => true),
      ).forEach((gradient, i) => {
        if (typeof gradient === 'function') gradient(targets[i], false)
      })
    })
}

type RecordArguments = Engine['record'] extends (...given: infer Given) => unknown ? Given : never

/** Random values of (−1, 1); a block of them is repeated, as drawing millions takes long. */
export function randomValues(count: number): Float32Array<ArrayBuffer> {
  const random = new Random(1)
  const block = Float32Array.from({ length: Math.min(count, 4099) }, () => 2 * random.uniform() - 1)
  const values = new Float32Array(count)
  for (let at = 0; at < count; at += block.length) values.set(block.subarray(0, Math.min(block.length, count - at)), at)
  return values
}

function random(engine: Engine, shape: Shape, dtype: Precision = 'f32'): Tensor {
  const tensor = engine.lasting(shape, dtype)
  engine.write(tensor, randomValues(tensor.size))
  return tensor
}

export function randomPuzzles({ cells, vocabulary }: TrmConfig, count: number): Puzzles {
  const random = new Random(2)
  const ids = () => Int32Array.from({ length: count * cells }, () => Math.floor(random.uniform() * vocabulary))
  return { inputs: ids(), labels: ids(), puzzleIds: new Int32Array(count) }
}
