// Every kernel compiles for adapters of many kinds. The null backend of Dawn stands in for them: it computes nothing,
// but its compiler is the real one. Needs Node.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { randomPuzzles } from '../bench/models.js'
import {
  add,
  attention,
  crossEntropy,
  dropout,
  type DType,
  Engine,
  gelu,
  linear,
  maskedAttention,
  mean,
  mlpBlock,
  mul,
  relu,
  reshape,
  rmsnorm,
  ropeTable,
  scale,
  softmax,
  sum,
  type Tensor,
  transpose,
} from '../src/engine/index.js'
import type { Family, Variant } from '../src/engine/variants.js'
import { openGpu } from '../src/node.js'
import { offerLavapipe } from '../src/lavapipe/index.js'
import { offerMatrices } from '../src/matrices/index.js'
import { DEFAULTS, type TrmConfig } from '../src/trm/config.js'
import { Trm } from '../src/trm/model.js'
import { Trainer } from '../src/trm/training/trainer.js'

offerLavapipe()
offerMatrices()

const MATRICES = [
  { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 },
  { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 8, K: 16 },
]

interface Described {
  without?: readonly string[]
  isFallbackAdapter?: boolean
  subgroups?: readonly [least: number, most: number]
  matrices?: typeof MATRICES
  workgroupBytes?: number
  storageBuffers?: number
}

const F16 = 'shader-f16'
const SUBGROUPS = ['subgroups', 'subgroup-size-control', 'chromium-experimental-subgroup-matrix']

/** The null backend itself has 16 KB of workgroup memory, 256 threads and 8 storage buffers. */
const ADAPTERS: Record<string, Described> = {
  'the least that WebGPU allows': { without: [F16, ...SUBGROUPS] },
  'float16 and no subgroups': { without: SUBGROUPS },
  'subgroups of varying size': { subgroups: [8, 32] },
  'subgroups of 64, no float16': { without: [F16], subgroups: [64, 64], workgroupBytes: 32768 },
  'matrices, 48 KB, 16 storage buffers': {
    subgroups: [32, 32],
    matrices: MATRICES,
    workgroupBytes: 49152,
    storageBuffers: 16,
  },
  'matrices, 16 KB, 8 storage buffers': { subgroups: [32, 32], matrices: MATRICES },
  'software, subgroups of 8': { isFallbackAdapter: true, subgroups: [8, 8] },
  'software, subgroups of 4': { isFallbackAdapter: true, subgroups: [4, 4], without: [F16] },
}

/** A GPU object whose adapter has the described properties. */
async function gpuOf(described: Described): Promise<GPU> {
  const { gpu } = await openGpu({ adapter: 'null' })
  return { requestAdapter: async () => adapterOf((await gpu.requestAdapter())!, described) } as unknown as GPU
}

function adapterOf(
  adapter: GPUAdapter,
  {
    without = [],
    isFallbackAdapter = false,
    subgroups = [4, 128],
    matrices = [],
    workgroupBytes = 16384,
    storageBuffers = 8,
  }: Described,
) {
  const raised = { maxComputeWorkgroupStorageSize: workgroupBytes, maxStorageBuffersPerShaderStage: storageBuffers }
  const limitsOf = ({ limits }: { limits: GPUSupportedLimits }) =>
    new Proxy(limits, { get: (of, name) => Reflect.get(raised, name) ?? Reflect.get(of, name) })
  const [subgroupMinSize, subgroupMaxSize] = subgroups
  return {
    features: new Set([...adapter.features].filter(name => !without.includes(name))),
    limits: limitsOf(adapter),
    info: {
      vendor: '',
      architecture: '',
      device: '',
      description: 'described',
      isFallbackAdapter,
      subgroupMinSize,
      subgroupMaxSize,
      subgroupMatrixConfigs: matrices,
    },
    async requestDevice({ requiredFeatures }: GPUDeviceDescriptor) {
      const device = await adapter.requestDevice({ requiredFeatures })
      const limits = limitsOf(device)
      // Kernels that fit the described adapter but not the null backend, and the errors that follow.
      const allowed = new Set<string>()
      const isAllowed = (message: string) => {
        const [, asked] = /workgroup[^.]*?(\d+) bytes[^.]*larger than the maximum allowed \(?16384/i.exec(message) ?? []
        if (asked && Number(asked) <= workgroupBytes) {
          for (const [, name] of message.matchAll(/"(\w+)"/g)) allowed.add(name)
          return true
        }
        // Commands with such a kernel are invalid too. A kernel with another fault is reported before its commands.
        const [invalid, name] = /^\[Invalid (?:CommandBuffer|ComputePipeline "(\w+)")\]/.exec(message) ?? []
        return invalid !== undefined && allowed.size > 0 && (name === undefined || allowed.has(name))
      }
      const own = {
        limits,
        addEventListener: (type: 'uncapturederror', listener: (event: GPUUncapturedErrorEvent) => void) =>
          device.addEventListener(type, event => {
            if (isAllowed(event.error.message)) event.preventDefault()
            else listener(event)
          }),
      }
      // Methods of Dawn must be called on the real device.
      const real = (value: unknown) => (typeof value === 'function' ? value.bind(device) : value)
      return new Proxy(device, { get: (of, name) => Reflect.get(own, name) ?? real(Reflect.get(of, name)) })
    },
  }
}

type Operation = (engine: Engine, dtype: DType) => [inputs: Tensor[], compute: () => Tensor]

const heads =
  (headDim: number, hasRope: boolean): Operation =>
  (engine, dtype) => {
    const qkv = engine.zeros([2, 33, 6 * headDim], dtype)
    const rope = hasRope ? engine.from(ropeTable(33, headDim, 10000), [33, headDim / 2, 2]) : undefined
    return [[qkv], () => attention(qkv, 2, { rope })]
  }
const layer =
  (axis: -1 | -2, out: number, width: number): Operation =>
  (engine, dtype) => {
    const [x, weight] = [
      engine.zeros(axis === -2 ? [3, width, 64] : [300, width], dtype),
      engine.zeros([out, width], dtype),
    ]
    return [[x, weight], () => linear(x, weight, { axis })]
  }
const block =
  (axis: -1 | -2, over: number): Operation =>
  (engine, dtype) => {
    const length = axis === -1 ? 17 : over
    const [h, gateUp, down] = [
      [2, length, 64],
      [128, over],
      [over, 64],
    ].map(shape => engine.zeros(shape, dtype))
    return [[h, gateUp, down], () => mlpBlock(h, gateUp, down, { axis, epsilon: 1e-5 })]
  }
const norm =
  (axis: -1 | -2, width: number): Operation =>
  (engine, dtype) => {
    const [x, residual] = [0, 1].map(() => engine.zeros([3, 97, width], dtype))
    return [[x, residual], () => rmsnorm(x, { residual, axis })]
  }

/** What other networks are made of. */
const causal: Operation = (engine, dtype) => {
  const qkv = engine.zeros([2, 33, 48], dtype)
  const [mask, clock] = [engine.zeros([1, 1, 33], 'i32'), engine.zeros([2], 'u32')]
  const rope = engine.from(ropeTable(33, 8, 10000), [33, 4, 2])
  return [
    [qkv],
    () => {
      const o = maskedAttention(qkv, 2, { causal: true, mask, rope })
      const x = dropout(mul(gelu(o), relu(scale(transpose(transpose(o)), 2))), { rate: 0.5, clock })
      const shares = crossEntropy(softmax(reshape(x, [66, 16])), engine.zeros([66], 'i32'))
      return add(sum(shares), mean(mean(x, { axis: -1 })))
    },
  ]
}

/** Operations that every variant computes, and operations that only the defaults compute. */
const withVariants = [
  heads(16, true),
  layer(-1, 96, 128),
  layer(-2, 96, 128),
  block(-1, 64),
  block(-2, 17),
  norm(-1, 512),
  norm(-2, 64),
]
const byDefault = [
  ...[heads(4, false), heads(32, false), heads(64, true), heads(128, false)],
  ...[
    [2, 256],
    [64, 33],
  ].flatMap(([out, width]) => [layer(-1, out, width), layer(-2, out, width)]),
  causal,
  ...[block(-2, 97), norm(-1, 17), norm(-1, 1536), norm(-2, 66)],
]

const sizes: TrmConfig = {
  ...DEFAULTS,
  vocabulary: 6,
  cells: 16,
  puzzles: 3,
  hidden: 32,
  heads: 2,
  layers: 1,
  expansion: 1,
  cycles: 1,
  latentSteps: 1,
  supervisionSteps: 2,
  puzzleWidth: 32,
  prefix: 1,
}
const models: Partial<TrmConfig>[] = [
  { tokenMixing: true, positions: 'none' },
  { tokenMixing: false, positions: 'learned', architecture: 'hrm', highLayers: 1 },
]

/** The message of the error; undefined if there is none. */
const fault = (engine: Engine): Promise<string | undefined> =>
  engine.finish().then(
    () => undefined,
    (error: Error) => error.message,
  )

for (const [name, described] of Object.entries(ADAPTERS)) {
  test(name, async () => {
    const dtypes: DType[] = described.without?.includes(F16) ? ['f32'] : ['f32', 'f16']
    const gpu = await gpuOf(described)
    const compiled = new Set<string>()
    for (const dtype of dtypes) {
      // One device for all: it compiles each kernel once.
      const engine = await Engine.open({ gpu })
      const { variants, adapter } = engine
      const compile = async (operation: Operation) => {
        const [inputs, compute] = operation(engine, dtype)
        engine.scope(() => void compute())
        assert.is(await fault(engine), undefined)
        engine.scope(
          () =>
            void engine.gradients(inputs, () =>
              [compute()].map((y): [Tensor, Tensor] => [y, engine.zeros(y.shape, y.dtype)]),
            ),
        )
        assert.is(await fault(engine), undefined)
        for (const { key, variant } of variants.asked) compiled.add(`${key.split(' ')[0]} ${variant}`)
      }
      for (const operation of withVariants) {
        const before = new Set(variants.asked.map(({ key }) => key))
        await compile(operation)
        // Every variant that this adapter can run for the sizes that came with this operation.
        for (const { key, family, size } of variants.asked) {
          if (before.has(key)) continue
          const able = (family as Family<unknown, unknown>).variants.filter((variant: Variant<unknown, unknown>) =>
            variant.available(adapter, size),
          )
          for (const variant of able) {
            variants.force(family.name, variant.name)
            await compile(operation)
          }
          variants.force(family.name, undefined)
        }
      }
      for (const operation of byDefault) await compile(operation)
      for (const model of models) {
        const trm = Trm.create(engine, { ...sizes, ...model }, { dtype: dtype as 'f32' | 'f16' })
        new Trainer(trm, { batchSize: 4, clipNorm: 1 }).step(randomPuzzles(trm.config, 4))
        assert.is(await fault(engine), undefined)
      }
      engine.close()
    }
    console.log(`${name}: ${[...compiled].sort().join(', ')}`)
    assert.ok(compiled.size > 5)
  })
}

test('a kernel that does not compile is found', async () => {
  const engine = await Engine.open({ gpu: await gpuOf(ADAPTERS['matrices, 48 KB, 16 storage buffers']) })
  const broken = (text: string) => ({
    name: 'broken',
    source: `${text} @compute @workgroup_size(1) fn main() { x[0] = 1u; }`,
    bindings: {},
    constants: () => ({}),
    workgroups: () => [1, 1, 1] as const,
  })
  const found = async (text: string) => {
    engine.dispatch(broken(text), {}, {})
    return fault(engine)
  }
  assert.match((await found(''))!, /unresolved value 'x'/)
  assert.match((await found('var<workgroup> x: array<u32, 20000>;'))!, /workgroup/)
  assert.is(await found('var<workgroup> x: array<u32, 6000>;'), undefined)
  engine.close()
})

test.run()
