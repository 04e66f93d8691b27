// The order of recorded work, host writes, copies and read-backs.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { add } from '../../src/engine/index.js'
import { same } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import { values } from '../shapes.js'

const engine = await openEngine()
test.after(() => engine.close())

const of = (...numbers: number[]) => new Float32Array(numbers)

test('a host write comes after what was recorded before it', async () => {
  const [a, b] = [engine.from(of(1, 2)), engine.from(of(10, 20))]
  const first = add(a, b)
  engine.write(a, of(5, 6))
  const second = add(a, b)
  engine.write(b, of(-1), 1)
  const third = add(a, b)
  same('commands', await engine.read(first), [11, 22])
  same('commands', await engine.read(second), [15, 26])
  same('commands', await engine.read(third), [15, 5])
})

test('copies and clears keep their place between dispatches', async () => {
  const a = engine.from(of(1, 2))
  const kept = engine.zeros([5])
  engine.copy(add(a, a), kept, 3)
  engine.copy(a, kept, 1)
  engine.clear(a)
  engine.copy(a, kept)
  await engine.finish()
  same('commands', await engine.read(kept), [0, 0, 2, 2, 4])
})

test('a read inside a scope gets the values of that moment', async () => {
  const reads: Promise<Float32Array>[] = []
  const x = engine.from(of(1))
  for (let i = 0; i < 20; i++) {
    engine.scope(() => {
      const y = add(x, x)
      reads.push(engine.read(y))
      engine.copy(y, x)
    })
  }
  assert.equal(
    (await Promise.all(reads)).map(([v]) => v),
    Array.from({ length: 20 }, (_, i) => 2 ** (i + 1)),
  )
})

test('many reads at once, of all sizes and types', async () => {
  const sizes = [1, 3, 64, 65, 1000, 100_003]
  const tensors = sizes.map((size, i) => engine.from(values(i, size)))
  const all = await Promise.all(tensors.map(tensor => engine.read(tensor)))
  all.forEach((data, i) => same('commands', data, values(i, sizes[i])))
  assert.equal(
    [...(await engine.readInt32(engine.from(new Int32Array([-1, 2 ** 31 - 1, -(2 ** 31)]))))],
    [-1, 2 ** 31 - 1, -(2 ** 31)],
  )
  assert.equal([...(await engine.readInt32(engine.zeros([3], 'u32')))], [0, 0, 0])
})

test('a view of part of a larger buffer is written', async () => {
  const tensor = engine.zeros([2])
  engine.write(tensor, of(1, 2, 3, 4).subarray(1, 3))
  same('commands', await engine.read(tensor), [2, 3])
})

test('pace keeps a loop near the GPU and reads nothing back', async () => {
  const x = engine.from(of(1))
  const { reads } = engine.stats
  for (let i = 0; i < 10; i++) {
    engine.scope(() => engine.copy(add(x, x), x))
    await engine.pace(1)
  }
  assert.is(engine.stats.reads, reads)
  same('commands', await engine.read(x), [1024])
})

test('what does not fit is refused', () => {
  const tensor = engine.zeros([4])
  assert.throws(
    () => engine.write(tensor, of(1, 2, 3), 2),
    /^write: 3 values at 2 do not fit the 4 elements of a tensor of shape \[4\]/,
  )
  assert.throws(() => engine.copy(engine.zeros([3]), tensor, 2), /^copy: 3 elements at 2 do not fit into shape \[4\]/)
  assert.throws(() => tensor.reshape([5]), /^reshape: \[4\] has 4 elements, \[5\] needs 5/)
})

for (const [submitAfter, times, submits] of [
  [3, 10, 3],
  [undefined, 70, 2],
] as const)
  test(`${times} dispatches, submits after ${submitAfter ?? 'the default'}: they change no result`, async () => {
    const short = await openEngine({ submitAfter })
    try {
      const x = short.from(of(1, 3))
      let y = x
      const before = short.stats.submits
      for (let i = 0; i < times; i++) y = add(y, x)
      assert.is(short.stats.submits - before, submits)
      same('commands', await short.read(y), [1 + times, 3 + 3 * times])
    } finally {
      short.close()
    }
  })

test.run()
