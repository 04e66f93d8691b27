// A kernel is here because some adapter uses it: every variant is the default for some size on a described adapter.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { AdapterSummary } from '../../src/engine/index.js'
import { attentionFamily } from '../../src/engine/ops/attention.js'
import { gatedFamily } from '../../src/engine/ops/gated.js'
import { matmulFamily } from '../../src/engine/ops/matmul.js'
import { mlpBlockFamily } from '../../src/engine/ops/mlp-block.js'
import { normFamily } from '../../src/engine/ops/rmsnorm.js'
import { type Family, offer, type Variant, Variants } from '../../src/engine/variants.js'
import type { MatmulSize } from '../../src/kernels/matmul.js'
import { offerLavapipe } from '../../src/lavapipe/index.js'
import { offerMatrices } from '../../src/matrices/index.js'

offerLavapipe()
offerMatrices()

const described: AdapterSummary = {
  description: 'described',
  vendor: '',
  architecture: '',
  features: [],
  isSoftware: false,
  boundsChecks: true,
  subgroupSize: 32,
  subgroupMatrices: [],
  maxTensorBytes: 2 ** 31 - 4,
  workgroupBytes: 32768,
  workgroupThreads: 1024,
}
const ADAPTERS: Record<string, AdapterSummary> = {
  lavapipe: { ...described, isSoftware: true, subgroupSize: 8 },
  swiftshader: { ...described, isSoftware: true, subgroupSize: 4, workgroupBytes: 16384 },
  'a GPU with little workgroup memory': {
    ...described,
    subgroupSize: undefined,
    workgroupBytes: 16384,
    workgroupThreads: 256,
  },
  'a GPU': { ...described, features: ['shader-f16', 'subgroups'], workgroupBytes: 49152 },
  'a GPU with matrices': {
    ...described,
    features: ['shader-f16', 'subgroups', 'subgroup-size-control', 'chromium-experimental-subgroup-matrix'],
    workgroupBytes: 49152,
    subgroupMatrices: [
      { component: 'f16', m: 16, n: 16, k: 16 },
      { component: 'f16', m: 16, n: 8, k: 16 },
    ],
  },
}

const LENGTHS = [1, 2, 8, 16, 17, 64, 97, 512, 1024, 3072, 9312, 74496]
const products: MatmulSize[] = [false, true].flatMap(f16 =>
  [
    [false, false],
    [false, true],
    [true, false],
  ].flatMap(([transposeA, transposeB]) =>
    LENGTHS.flatMap(m =>
      LENGTHS.flatMap(n =>
        [1, 17, 97, 512, 3072, 74496].flatMap(k =>
          [{}, { batch: 64 }, { batch: 768, sharedA: true }, { reduce: 768 }].map(more => ({
            m,
            n,
            k,
            transposeA,
            transposeB,
            f16A: f16,
            f16B: f16,
            ...more,
          })),
        ),
      ),
    ),
  ),
)

const flags = [false, true]

/** Names of a family's variants that are the default somewhere. */
function defaults<Tensors, Size, Result>(
  family: Family<Tensors, Size, Result>,
  sizes: readonly Size[],
): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const [name, adapter] of Object.entries(ADAPTERS)) {
    const variants = new Variants(adapter)
    for (const size of sizes) {
      const [standard] = variants.candidates(family, size)
      const adapters = found.get(standard.name) ?? []
      if (!adapters.includes(name)) found.set(standard.name, [...adapters, name])
    }
  }
  return found
}

function check<Tensors, Size, Result>(family: Family<Tensors, Size, Result>, sizes: readonly Size[]): void {
  const found = defaults(family, sizes)
  for (const [variant, adapters] of found) console.log(`${family.name}: ${variant} on ${adapters.join(', ')}`)
  const names = family.variants.map(({ name }) => name)
  assert.equal(
    names.filter(name => !found.has(name)),
    [],
    `${family.name}: never a default`,
  )
  assert.is(new Set(names).size, names.length, `${family.name}: names are unique`)
}

test('products', () => check(matmulFamily, products))

test('gated products', () =>
  check(
    gatedFamily,
    products
      .filter(({ m, n, reduce }) => !reduce && m % 2 === 0 && n % 2 === 0)
      .flatMap(size => (['columns', 'rows'] as const).map(gated => ({ ...size, gated }))),
  ))

test('attention', () =>
  check(
    attentionFamily,
    [1, 8, 17, 97, 916].flatMap(length =>
      [4, 5, 16, 32, 64, 128].flatMap(headDim =>
        flags.flatMap(f16 =>
          flags.flatMap(rope => flags.map(recorded => ({ batch: 8, length, heads: 2, headDim, f16, rope, recorded }))),
        ),
      ),
    ),
  ))

test('SwiGLU blocks', () =>
  check(
    mlpBlockFamily,
    ([-1, -2] as const).flatMap(axis =>
      [17, 97].flatMap(length =>
        [64, 512].flatMap(width =>
          flags.flatMap(f16 =>
            flags.map(recorded => ({ batch: 8, length, width, inner: 128, axis, f16, recorded, epsilon: 1e-5 })),
          ),
        ),
      ),
    ),
  ))

test('norms', () =>
  check(
    normFamily,
    [1, 512].flatMap(stride =>
      [97, 512, 916].flatMap(width =>
        flags.flatMap(f16 =>
          flags.map(recorded => ({ rows: 96 * stride, width, stride, f16, recorded, epsilon: 1e-5 })),
        ),
      ),
    ),
  ))

test('what is offered twice is there once; another of the same name is refused', () => {
  const variant = (name: string): Variant<object, object> => ({ name, available: () => true, apply() {} })
  const [first, second] = [variant('first'), variant('second')]
  const family: Family<object, object> = { name: 'made up', variants: [first], classOf: () => '', sample: () => ({}) }
  offer(family, second, first)
  offer(family, second)
  assert.equal(
    family.variants.map(({ name }) => name),
    ['second', 'first'],
  )
  assert.throws(
    () => offer(family, variant('first')),
    /^offer: made up has a variant "first", expected a name of its own$/,
  )
})

test.run()
