// Kernels on tensors stored as float16: their rewritten text, and float32's numbers up to one rounding.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  add,
  attention,
  crossEntropy,
  dropout,
  type DType,
  embedding,
  firstPosition,
  gelu,
  linear,
  maskedAttention,
  mul,
  relu,
  reshape,
  rmsnorm,
  rope,
  ropeTable,
  scale,
  softmax,
  sum,
  swiglu,
  type Shape,
  type Tensor,
  transpose,
} from '../../src/engine/index.js'
import { matmul, matmulFamily } from '../../src/engine/ops/matmul.js'
import { storedAsF16 } from '../../src/kernels/f16.js'
import { close, largest, printShares } from '../close.js'
import { differences } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { integers, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})
const hasHalf = engine.adapter.features.includes('shader-f16')
if (!hasHalf) console.log('skipped: float16 kernels, this adapter has no shader-f16')

/** One rounding to float16, in units of float32's. */
const ROUNDING = 2 ** 13

test('loads, stores and sums in place are converted; comments and other bindings are left out', () => {
  const text = `// x[i] = x[i]
alias Value = vec4f;
@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read> ids: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> bits: array<vec4u>;
fn main() {
  y[ids[i]] = x[i].x + f32(y[i] == x[j].y); // y[0] = 1
  y[at[i] + 1u] += x[i].x * 2.0;
  max_y[i] = y[u32(y[0])];
}`
  assert.is(
    storedAsF16(text, [0, 2, 3]),
    `enable f16;

alias Value = vec4f;
@group(0) @binding(0) var<storage, read> x: array<vec4h>;
@group(0) @binding(1) var<storage, read> ids: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<f16>;
@group(0) @binding(3) var<storage, read> bits: array<vec4u>;
fn main() {
  y[ids[i]] = f16(vec4f(x[i]).x + f32(f32(y[i]) == vec4f(x[j]).y)); 
  y[at[i] + 1u] = f16(f32(y[at[i] + 1u]) + (vec4f(x[i]).x * 2.0));
  max_y[i] = f32(y[u32(f32(y[0]))]);
}`,
  )
  assert.throws(
    () => storedAsF16(text, [1]),
    /^binding 1 is no array of f32, vec2f, vec4f or mat2x4f: it cannot be float16$/,
  )
})

/** A tensor of these values, rounded if it is float16. */
async function stored(data: Float32Array<ArrayBuffer>, shape: Shape, dtype: DType): Promise<Tensor> {
  const tensor = engine.lasting(shape, dtype)
  engine.write(tensor, data)
  return tensor
}

/**
 * An operation and its gradients on float16 tensors against those on float32 tensors of the same values.
 * @param forced the variant that computes in float16; the default one computes in float32, as it compiles faster
 */
async function check(
  name: string,
  shapes: readonly Shape[],
  compute: (...inputs: Tensor[]) => Tensor,
  roundings = 1,
  forced?: readonly [family: string, variant: string],
): Promise<void> {
  const rounded = await Promise.all(
    shapes.map(async (shape, i) =>
      engine.read(
        await stored(
          values(
            i + 1,
            shape.reduce((a, b) => a * b),
          ),
          shape,
          'f16',
        ),
      ),
    ),
  )
  const results: Float32Array[][] = []
  for (const dtype of ['f32', 'f16'] as const) {
    const inputs = await Promise.all(shapes.map((shape, i) => stored(rounded[i], shape, dtype)))
    if (forced && dtype === 'f16') engine.variants.force(...forced)
    results.push(
      await Promise.all(
        engine.scope(() => {
          let y: Tensor | undefined
          const gradients = engine.gradients(inputs, () => {
            // Operations in place must not touch the inputs.
            y = compute(...inputs)
            assert.is(y.dtype, dtype)
            const dy = engine.tensor(y.shape, dtype)
            engine.dispatch(fill, { y: dy }, { count: y.size })
            return [[y, dy]] as const
          })
          return [engine.read(y!), ...gradients.map(gradient => engine.read(gradient))]
        }),
      ),
    )
  }
  if (forced) engine.variants.force(forced[0], undefined)
  const [[y, ...gradients], [halfY, ...halfGradients]] = results
  close(`${name} in float16`, halfY, y, { scale: largest(y), c: ROUNDING * roundings })
  // Gradients are float32; the values that they are computed from were rounded on the way.
  gradients.forEach((gradient, i) =>
    close(`${name} in float16, gradient of input ${i}`, halfGradients[i], gradient, {
      scale: largest(gradient),
      c: 8 * ROUNDING,
    }),
  )
}

/** Values that float16 holds exactly. */
const fill = {
  name: 'fill',
  source: `override COUNT: u32;
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < COUNT) { y[id.x] = f32(id.x % 7u) * 0.25 - 0.75; }
}`,
  bindings: { y: 'write' },
  constants: ({ count }: { count: number }) => ({ COUNT: count }),
  workgroups: ({ count }: { count: number }) => [Math.ceil(count / 64), 1, 1] as const,
} as const

if (hasHalf) {
  test('written and read: rounded to the nearest, odd lengths, overflow is infinite', async () => {
    const tensor = await stored(Float32Array.of(1, 1 + 2 ** -11, 1 + 2 ** -10, 1e6, -3), [5], 'f16')
    assert.is(tensor.bytes, 12)
    assert.equal([...(await engine.read(tensor))], [1, 1, 1 + 2 ** -10, Infinity, -3])
    const sum = await engine.read(add(tensor, tensor))
    assert.equal([...sum.slice(0, 3), ...sum.slice(4)], [2, 2, 2 + 2 ** -9, -6])
    assert.not.ok(Number.isFinite(sum[3]))
    const big = await stored(Float32Array.of(60000, 1), [2], 'f16')
    assert.equal([...(await engine.read(add(big, big)))], [Infinity, 2])
    assert.throws(() => engine.copy(tensor, engine.zeros([5])), /^copy: f16 to element 0 of f32/)
  })

  test('elementwise operations, norms, attention', async () => {
    for (const shape of [
      [3, 5],
      [4, 8],
    ])
      await check('add', [shape, shape], add)
    for (const [rows, width] of [
      [3, 7],
      [5, 64],
    ]) {
      await check(
        'rmsnorm',
        [
          [rows, width],
          [rows, width],
        ],
        (x, residual) => rmsnorm(x, { residual }),
      )
      await check('swiglu', [[rows, 2 * width]], x => swiglu(x))
    }
    await check('rmsnorm', [[2, 9, 5]], x => rmsnorm(x, { axis: -2 }))
    const registers = ['rmsnorm', 'registers'] as const
    // Goldens have rows of 32 and 18, too.
    for (const [rows, width] of [
      [300, 32],
      [3, 272],
    ])
      await check(
        'rmsnorm',
        [
          [rows, width],
          [rows, width],
        ],
        (x, residual) => rmsnorm(x, { residual }),
        1,
        registers,
      )
    await check('rmsnorm', [[2, 9, 8]], x => rmsnorm(x, { axis: -2 }), 1, registers)
    const rows = [2, 18, 24]
    await check('rmsnorm', [rows, rows], (x, residual) => rmsnorm(x, { axis: -2, residual }), 1, registers)
    assert.is(engine.variants.used['rmsnorm f16 3×272 recorded'], 'registers')
    const table = engine.from(ropeTable(11, 8, 10000), [11, 4, 2])
    // Tiles of wide heads and threads of narrow ones compile fastest on lavapipe, which converts float16 bit by bit.
    for (const [variant, headDim] of [
      ['tiled', 32],
      ['thread', 2],
    ] as const) {
      const angles = engine.from(ropeTable(11, headDim, 10000), [11, headDim / 2, 2])
      await check('attention with rope', [[2, 11, 6 * headDim]], qkv => attention(qkv, 2, { rope: angles }), 2, [
        'attention',
        variant,
      ])
    }
    await check('rope', [[2, 11, 3 * 16]], qkv => rope(add(qkv, qkv), table, 2), 2)
    await check('first position', [[2, 3, 5]], x => firstPosition(x))
    const ids = engine.from(integers(1, 6, 4))
    await check('embedding', [[4, 5]], x => embedding(x, ids))
  })

  test('operations for other networks', async () => {
    for (const shape of [
      [3, 5],
      [4, 8],
    ]) {
      await check('mul', [shape, shape], mul)
      await check('mul', [shape, [shape[1]]], mul)
      await check('activations', [shape], x => gelu(scale(relu(x), 2)), 4)
      await check('softmax', [shape], softmax)
      await check('transpose', [shape], x => transpose(reshape(x, [1, ...shape])))
      const clock = engine.from(Uint32Array.of(1, 2))
      await check('dropout', [shape], x => dropout(x, { rate: 0.5, clock }))
    }
    await check('masked attention', [[2, 7, 24]], qkv => maskedAttention(qkv, 2, { causal: true }), 2)
    // Results of these are float32 always.
    const x = await stored(values(1, 15), [3, 5], 'f16')
    const exact = await engine.read(x)
    close('sum of float16', await engine.read(sum(x)), oracle.rowSums(exact, 15), { scale: 15, depth: 15 })
    const targets = Int32Array.of(0, -1, 4)
    const truth = oracle.crossEntropy(exact, targets, 5)
    const bound = engine.from(targets)
    close('cross-entropy of float16', await engine.read(crossEntropy(x, bound)), truth, { scale: 2, depth: 5 })
    const [gradient] = engine.gradients([x], () => add(sum(x), sum(crossEntropy(x, bound))))
    const slopes = differences(values => oracle.crossEntropy(values, targets, 5).reduce((a, b) => a + b), exact)
    const expected = slopes.map(slope => 1 + slope)
    close('cross-entropy of float16, gradient', await engine.read(gradient), expected, { scale: 2, c: ROUNDING })
  })

  test('layers', async () => {
    await check(
      'linear',
      [
        [9, 17],
        [33, 17],
      ],
      (x, weight) => linear(x, weight),
    )
    await check(
      'linear',
      [
        [64, 32],
        [40, 32],
      ],
      (x, weight) => linear(x, weight),
    )
    await check(
      'linear over axis −2',
      [
        [2, 9, 17],
        [5, 9],
      ],
      (x, weight) => linear(x, weight, { axis: -2 }),
    )
    assert.is(
      linear(await stored(values(1, 6), [2, 3], 'f16'), engine.from(values(2, 12), [4, 3]), { dtype: 'f32' }).dtype,
      'f32',
    )
  })

  for (const { name } of matmulFamily.variants.filter(variant =>
    variant.available(engine.adapter, { m: 64, n: 64, k: 64, f16A: true }),
  )) {
    test(`products by variant ${name}, operands and results in either type`, async () => {
      // Operands by single values, and by several at once.
      // Tiles take seconds to compile for each combination of types.
      const isTiled = name.startsWith('tiled')
      for (const [m, n, k, transposeA, transposeB] of [
        [17, 33, 9, true, false],
        [68, 36, 20, false, true],
      ] as const) {
        if (isTiled && k % 4) continue
        const size = { m, n, k, transposeA, transposeB }
        const [a, b] = await Promise.all(
          [
            [1, m * k],
            [2, n * k],
          ].map(async ([seed, count]) => engine.read(await stored(values(seed, count), [count], 'f16'))),
        )
        const product = async (...[ta, tb, tc]: readonly DType[]) => {
          const c = engine.lasting([m * n], tc)
          matmul({ a: await stored(a, [m * k], ta), b: await stored(b, [n * k], tb), c }, size)
          return engine.read(c)
        }
        engine.variants.force('matmul', isTiled ? undefined : name)
        const truth = await product('f32', 'f32', 'f32')
        engine.variants.force('matmul', name)
        // Products of float16 values are exact in float32.
        if (!isTiled)
          close('matmul of f16', await product('f16', 'f16', 'f32'), truth, { scale: Math.sqrt(k), depth: k })
        close('matmul to f16', await product(isTiled ? 'f16' : 'f32', 'f16', 'f16'), truth, {
          scale: largest(truth),
          c: ROUNDING,
        })
      }
      engine.variants.force('matmul', undefined)
    })
  }
} else {
  test('float16 tensors are refused where the adapter does not have them', () => {
    assert.throws(() => engine.tensor([2], 'f16'), /has no feature shader-f16/)
  })
}

test.run()
