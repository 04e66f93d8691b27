// Rows of a table by number, and the gradient of the table: repeated ids, prefixes, and the same bits each time.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { embedding } from '../../src/engine/index.js'
import * as kernels from '../../src/kernels/embedding.js'
import { close, printShares, same } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { BEYOND_ONE_DIMENSION, integers, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

const SIZES = [
  [1, 1, 1],
  [5, 3, 7],
  [64, 11, 33],
  [97, 11, 65],
  [3, 1000, 31],
]

test('rows', async () => {
  for (const [count, rows, width] of SIZES) {
    const [table, ids] = [values(1, rows * width, 1e4), integers(2, count, rows)]
    const y = embedding(engine.from(table, [rows, width]), engine.from(ids))
    assert.equal(y.shape, [count, width])
    same('embedding', await engine.read(y), oracle.embedding(table, ids, width))
  }
})

test('more workgroups than one dimension holds', async () => {
  const [table, ids] = [values(1, 11), integers(2, BEYOND_ONE_DIMENSION, 11)]
  assert.ok(kernels.embedding.workgroups({ ids: ids.length, rows: 11, width: 1 })[1] > 1)
  same(
    'embedding',
    await engine.read(embedding(engine.from(table, [11, 1]), engine.from(ids))),
    oracle.embedding(table, ids, 1),
  )
})

test('gradients', async () => {
  for (const [count, rows, width] of SIZES) {
    const ids = integers(3, count, rows)
    const bound = engine.from(ids)
    const inputs = [{ data: values(4, rows * width), shape: [rows, width] }]
    await checkGradients(engine, 'embedding', {
      inputs,
      ours: table => embedding(table, bound),
      truth: table => oracle.embedding(table, ids, width),
      depth: count,
    })
  }
})

/** The definition, term by term, and the sums of the terms' magnitudes. */
function backward(
  ids: Int32Array,
  dy: Float32Array,
  { rows, width, batch, length, prefix, factor }: Omit<kernels.EmbeddingBackwardSize, 'accumulate'>,
): { truth: Float64Array; scale: Float64Array } {
  const [truth, scale] = [new Float64Array(rows * width), new Float64Array(rows * width)]
  for (let i = 0; i < batch * length; i++) {
    const row = Math.floor(i / length) * (prefix + length) + prefix + (i % length)
    for (let column = 0; column < width; column++) {
      truth[ids[i] * width + column] += factor * dy[row * width + column]
      scale[ids[i] * width + column] += Math.abs(factor * dy[row * width + column])
    }
  }
  return { truth, scale }
}

test('gradients behind a prefix, of repeated ids, with a factor, added up, the same bits each time', async () => {
  for (const [rows, width, batch, length, prefix] of [
    [1, 1, 1, 1, 0],
    [7, 3, 4, 5, 2],
    [11, 33, 3, 81, 16],
    [5, 65, 7, 31, 1],
  ]) {
    for (const magnitude of [1e-4, 1, 1e4]) {
      const size = { rows, width, batch, length, prefix, factor: 2.5 }
      const ids = integers(5, batch * length, Math.max(1, rows - 1))
      const dy = values(6, batch * (prefix + length) * width, magnitude)
      const tensors = { ids: engine.from(ids), dy: engine.from(dy), dTable: engine.from(values(7, rows * width)) }
      const run = async (accumulate: boolean) => {
        engine.dispatch(kernels.embeddingBackward, tensors, { ...size, accumulate })
        return engine.read(tensors.dTable)
      }
      const { truth, scale } = backward(ids, dy, size)
      const first = await run(false)
      // The last row's id does not occur: it gets exactly 0.
      close('embedding', first, truth, { scale, depth: batch * length })
      same('embedding, twice', await run(false), first)
      close(
        'embedding, +=',
        await run(true),
        truth.map(v => 2 * v),
        { scale: scale.map(v => 3 * v), depth: batch * length },
      )
    }
  }
})

test.run()
