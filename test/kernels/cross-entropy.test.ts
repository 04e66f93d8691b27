// Shares of the mean cross-entropy over the targets that count, and their derivative.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { crossEntropy } from '../../src/engine/index.js'
import { close, printShares, same } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { integers, RECTANGLES, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

/** Targets of which every third does not count. */
const someTargets = (rows: number, classes: number) =>
  integers(2, rows, classes).map((target, i) => (i % 3 === 1 ? -100 : target))

test('shares', async () => {
  for (const [rows, classes] of RECTANGLES) {
    for (const magnitude of [1e-4, 1, 1e4]) {
      const [logits, targets] = [values(1, rows * classes, magnitude), someTargets(rows, classes)]
      for (const ignore of [undefined, 0]) {
        const bound = engine.from(logits, [rows, classes])
        const shares = await engine.read(crossEntropy(bound, engine.from(targets), { ignore }))
        // A logarithm of a float64 softmax that underflows is no truth: it is asked for moderate logits.
        if (magnitude > 1) {
          assert.ok(shares.every(share => Number.isFinite(share) && share >= 0))
          continue
        }
        const truth = oracle.crossEntropy(logits, targets, classes, ignore)
        close('cross_entropy', shares, truth, { scale: 2 + Math.log(classes), depth: classes })
      }
    }
  }
})

test('logits far beyond the range of exp', async () => {
  const logits = engine.from(Float32Array.of(1e4, 0, 0, 1e4), [2, 2])
  same('cross_entropy, saturated', await engine.read(crossEntropy(logits, engine.from(Int32Array.of(0, 0)))), [0, 5000])
})

test('nothing counts, more rows than a workgroup has threads, leading axes', async () => {
  const logits = engine.from(values(3, 12), [2, 2, 3])
  const shares = crossEntropy(logits, engine.from(Int32Array.of(-1, -1, -1, -1), [2, 2]))
  assert.equal(shares.shape, [2, 2])
  assert.equal([...(await engine.read(shares))], [0, 0, 0, 0])
  const [rows, targets] = [1000, someTargets(1000, 3)]
  const many = values(4, rows * 3)
  const read = await engine.read(crossEntropy(engine.from(many, [rows, 3]), engine.from(targets)))
  close('cross_entropy', read, oracle.crossEntropy(many, targets, 3), { scale: 4 / rows, depth: 4 })
})

test('a target beyond the classes shows in the loss', async () => {
  const shares = await engine.read(crossEntropy(engine.zeros([2, 3]), engine.from(Int32Array.of(3, 1))))
  assert.ok(shares[0] > 1e38 && shares[1] < 1, `${shares}`)
})

test('gradients', async () => {
  for (const [rows, classes] of RECTANGLES.slice(0, 6)) {
    const targets = someTargets(rows, classes)
    const bound = engine.from(targets)
    const inputs = [{ data: values(5, rows * classes, 2), shape: [rows, classes] }]
    for (const ignore of [undefined, 0]) {
      await checkGradients(engine, 'cross_entropy', {
        inputs,
        ours: logits => crossEntropy(logits, bound, { ignore }),
        truth: logits => oracle.crossEntropy(logits, targets, classes, ignore),
        depth: classes,
        c: 16,
        least: 1 / rows,
      })
    }
  }
})

test('targets of another shape or type are refused', () => {
  const logits = engine.zeros([4, 3])
  assert.throws(
    () => crossEntropy(logits, engine.zeros([3], 'i32')),
    /^crossEntropy: targets of shape \[3\] and type i32 do not fit logits of shape \[4,3\], expected i32 of/,
  )
  assert.throws(() => crossEntropy(logits, engine.zeros([4])), /^crossEntropy: targets of shape \[4\] and type f32/)
})

test.run()
