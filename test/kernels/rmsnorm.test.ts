// Root-mean-square norms over either axis, by every variant, with and without a residual, and their derivatives.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { rmsnorm } from '../../src/engine/index.js'
import { normFamily, type NormSize } from '../../src/engine/ops/rmsnorm.js'
import { Variants } from '../../src/engine/variants.js'
import { close, largest, printShares, same } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine, tried } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { MAGNITUDES, values, WIDTHS } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

const epsilon = 1e-5

/** Where x and residual cancel, the result's error is the error of their sum. */
function scales(
  x: ArrayLike<number>,
  residual: ArrayLike<number> | undefined,
  shape: { width: number; stride: number },
): Float64Array {
  const y = oracle.rmsnorm(x, residual, { ...shape, epsilon })
  return y.map((value, i) => {
    const s = x[i] + (residual ? residual[i] : 0)
    const parts = Math.abs(x[i]) + (residual ? Math.abs(residual[i]) : 0)
    return Math.abs(value) + (s === 0 ? 0 : Math.abs(value / s) * parts)
  })
}

/** (outer, width, stride). */
type Sizes = readonly (readonly [number, number, number])[]

interface Cases {
  variant: string
  axis: -1 | -2
  sizes: Sizes
  differentiated: Sizes
}

const everySecond = (first: number) => WIDTHS.filter((_, i) => i % 2 === first)

const CASES: readonly Cases[] = [
  // Each width is compiled anew, so each axis takes every second width.
  {
    variant: 'loop',
    axis: -1,
    sizes: everySecond(0).map((width, i) => [[1, 3, 65][i % 3], width, 1]),
    differentiated: [
      [1, 1, 1],
      [3, 7, 1],
      [5, 65, 1],
    ],
  },
  {
    variant: 'loop',
    axis: -2,
    sizes: everySecond(1).map((width, i) => [[1, 3][i % 2], width, [1, 5, 33, 65][i % 4]]),
    differentiated: [
      [3, 7, 1],
      [2, 11, 5],
      [2, 129, 2],
      [9, 31, 65],
    ],
  },
  // Rows of one word, of whole and of cut chunks; more and fewer rows than a workgroup has.
  // Each chunk takes a second to compile. Goldens have rows of 32 and 18.
  {
    variant: 'registers',
    axis: -1,
    sizes: [
      [3, 8, 1],
      [300, 8, 1],
      [65, 32, 1],
      [9, 264, 1],
    ],
    differentiated: [
      [3, 8, 1],
      [65, 32, 1],
      [9, 264, 1],
    ],
  },
  {
    variant: 'registers',
    axis: -2,
    sizes: [
      [2, 2, 8],
      [70, 3, 24],
      [3, 18, 64],
    ],
    differentiated: [
      [2, 2, 8],
      [9, 18, 64],
    ],
  },
]

const names = tried(engine, normFamily, { rows: 8, width: 32, stride: 1, epsilon, f16: false, recorded: false }).map(
  ({ name }) => name,
)
for (const { variant, axis, sizes, differentiated } of CASES.filter(({ variant }) => names.includes(variant))) {
  const shapeOf = ([outer, width, stride]: Sizes[number]) => (axis === -1 ? [outer, width] : [outer, width, stride])

  test(`norms over axis ${axis} by ${variant}`, async () => {
    engine.variants.force('rmsnorm', variant)
    for (const size of sizes) {
      const [outer, width, stride] = size
      const shape = shapeOf(size)
      for (const magnitude of MAGNITUDES) {
        const [x, residual] = [
          values(1, outer * width * stride, magnitude),
          values(2, outer * width * stride, magnitude),
        ]
        for (const added of [undefined, residual]) {
          const y = rmsnorm(engine.from(x, shape), {
            residual: added && engine.from(added, shape),
            axis,
            epsilon,
          })
          assert.equal(y.shape, shape)
          close('rmsnorm', await engine.read(y), oracle.rmsnorm(x, added, { width, stride, epsilon }), {
            scale: scales(x, added, { width, stride }),
            depth: width,
          })
        }
      }
    }
    // All widths are of one class: no other variant computed one of them.
    assert.equal(
      Object.entries(engine.variants.used).filter(
        ([key, used]) =>
          sizes.some(
            ([outer, width, stride]) => key === `rmsnorm ${outer}×${width}${stride > 1 ? `×${stride}` : ''}`,
          ) && used !== variant,
      ),
      [],
    )
    engine.variants.force('rmsnorm', undefined)
  })

  test(`gradients over axis ${axis} by ${variant}`, async () => {
    engine.variants.force('rmsnorm', variant)
    for (const size of differentiated) {
      const [outer, width, stride] = size
      const shape = shapeOf(size)
      const count = outer * width * stride
      const inputs = [
        { data: values(3, count), shape },
        { data: values(4, count), shape },
      ]
      const truth = (...[x, residual]: Float64Array[]) => oracle.rmsnorm(x, residual, { width, stride, epsilon })
      // ds = (dy − y · mean(y · dy)) / rms: in short rows the two terms nearly cancel.
      const least = (...given: Float32Array[]) =>
        largest(
          truth(...given.map(data => Float64Array.from(data))).map(
            (y, i) => y / given.reduce((sum, data) => sum + data[i], 0),
          ),
        )
      const both = inputs.map(({ data }) => data)
      await checkGradients(engine, 'rmsnorm', {
        inputs,
        ours: (x, residual) => rmsnorm(x, { residual, axis, epsilon }),
        truth,
        depth: width,
        least: least(...both),
        unit: 0.05,
      })
      await checkGradients(engine, 'rmsnorm', {
        inputs: [inputs[0]],
        ours: x => rmsnorm(x, { axis, epsilon }),
        truth,
        depth: width,
        least: least(both[0]),
        unit: 0.05,
      })
    }
    engine.variants.force('rmsnorm', undefined)
  })
}

if (names.includes('registers')) {
  test('rows as long as a thread keeps at most', async () => {
    engine.variants.force('rmsnorm', 'registers')
    const [rows, width] = [3, 2048]
    const [x, residual] = [values(7, rows * width), values(8, rows * width)]
    const y = rmsnorm(engine.from(x, [rows, width]), {
      residual: engine.from(residual, [rows, width]),
      epsilon,
    })
    const scale = scales(x, residual, { width, stride: 1 })
    close('rmsnorm', await engine.read(y), oracle.rmsnorm(x, residual, { width, epsilon }), { scale, depth: width })
    engine.variants.force('rmsnorm', undefined)
  })
}

test('GPUs keep rows in registers where these consist of words and fit', () => {
  const variants = new Variants({ ...engine.adapter, isSoftware: false })
  const taken = (rows: number, width: number, stride = 1, about: Partial<NormSize> = {}) =>
    variants.pick(normFamily, { rows, width, stride: stride, epsilon, f16: false, recorded: false, ...about }).name
  for (const f16 of [false, true]) {
    for (const [rows, width, stride] of [
      [9312, 512, 1],
      [96 * 512, 97, 512],
      [16, 8, 1],
    ] as const)
      assert.is(taken(rows, width, stride, { f16 }), 'registers')
    for (const [rows, width, stride] of [
      [9, 33, 1],
      [4, 4096, 1],
      [96 * 512, 916, 512],
      [66, 97, 33],
    ] as const)
      assert.is(taken(rows, width, stride, { f16 }), 'loop')
  }
  assert.is(taken(16, 4), 'loop')
  assert.is(
    new Variants({ ...engine.adapter, isSoftware: true }).pick(normFamily, {
      rows: 9312,
      width: 512,
      stride: 1,
      epsilon,
      f16: false,
      recorded: false,
    }).name,
    'loop',
  )
})

test('zeros stay zeros', async () => {
  same('rmsnorm, zeros', await engine.read(rmsnorm(engine.zeros([3, 33]))), new Float64Array(99))
})

test('the result may go into a given tensor', async () => {
  const x = values(5, 40)
  const into = engine.zeros([4, 10])
  assert.is(rmsnorm(engine.from(x, [4, 10]), { into }), into)
  close('rmsnorm', await engine.read(into), oracle.rmsnorm(x, undefined, { width: 10, epsilon }), {
    scale: 4,
    depth: 10,
  })
})

test('more rows than 65,535 workgroups norm at once', async () => {
  const rows = 64 * 65535 + 7
  const x = values(6, rows)
  // Of one element each, with a large epsilon: y = x / √(x² + 1).
  close(
    'rmsnorm',
    await engine.read(rmsnorm(engine.from(x, [rows, 1]), { epsilon: 1 })),
    Float64Array.from(x, v => v / Math.sqrt(v * v + 1)),
    { scale: 1 },
  )
})

test('a residual of another size is refused', () => {
  assert.throws(
    () => rmsnorm(engine.zeros([2, 3]), { residual: engine.zeros([3]) }),
    /^rmsnorm: residual of shape \[3\] does not fit x of shape \[2,3\]/,
  )
})

test.run()
