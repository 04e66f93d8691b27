// All cases that an adapter gets, as tables: operations and steps at the sizes of three Tiny Recursive Models.
import { type BenchAdapter, type Case, otherModes } from './case.js'
import { modelSizes, type Planner, type Size } from './models.js'
import {
  attentionCases,
  dispatchCase,
  elementwise,
  endsOfTheModel,
  modelAttention,
  modelProducts,
  optimizerCase,
  products,
} from './operations.js'
import { modelCases } from './steps.js'
import { type AttentionShape, linearSizes, mixSizes } from './work.js'

/** The number of sequences of the published length in single products and attention on a GPU. */
const GPU_SEQUENCES = 96

/** Linear layers over the last axis: rows of x, outputs, inputs. */
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

/** Linear layers over the positions: batch, outputs, positions, width. */
const MIX: readonly (readonly [size: Size, batch: number, out: number, length: number, width: number])[] = [
  ['small', 64, 512, 17, 64],
  ['small', 64, 17, 256, 64],
  ['official', 2, 1024, 97, 512],
  ['official', 2, 97, 512, 512],
]

/** The same layers, with enough rows to keep a GPU busy. */
const GPU_LINEAR: typeof LINEAR = [
  ['large', GPU_SEQUENCES * 97, 3072, 512],
  ['large', GPU_SEQUENCES * 97, 512, 1536],
  ['large', 4096, 4096, 4096],
  // Few rows: one answered sequence, a small batch, and the head that decides whether to halt.
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

/** Millions of parameters that an optimiser step is measured with. */
const OPTIMIZED: readonly (readonly [size: Size, millions: number])[] = [
  ['middle', 1],
  ['official', 5],
]

/** Everything that is measured on such an adapter, the small cases first. @param plan default: whole batches */
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
    ...models.filter(({ config }, i) => i < 2 || config.tokenMixing).flatMap(model => elementwise(model)),
    ...[...ATTENTION, ...gpu(GPU_ATTENTION)].flatMap(([size, shape]) => attentionCases(size, shape)),
    ...models.filter(({ config }) => !config.tokenMixing).flatMap(model => modelAttention(model)),
    ...OPTIMIZED.map(([size, millions]) => optimizerCase(size, millions)),
    ...models.filter(({ config }, i) => i < 2 || config.tokenMixing).flatMap(endsOfTheModel),
    ...models.flatMap(model => modelCases(model)),
    ...modes.flatMap(mode => [
      ...GPU_LINEAR.flatMap(([size, rows, out, width]) => products(size, '', linearSizes(rows, out, width), mode)),
      ...GPU_MIX.flatMap(([size, batch, out, length, width]) =>
        products(size, ' mix', mixSizes(batch, out, length, width), mode),
      ),
      ...GPU_ATTENTION.flatMap(([size, shape]) => attentionCases(size, shape, undefined, mode)),
      ...modelSizes(isSoftware, mode.dtype, plan)
        .filter(({ size }) => size === 'official')
        .flatMap(model => [
          ...(model.config.tokenMixing
            ? [...modelProducts(model, mode), ...(mode.matrices ? elementwise(model, mode) : [])]
            : modelAttention(model, mode)),
          ...modelCases(model, mode),
        ]),
    ]),
  ]
}
