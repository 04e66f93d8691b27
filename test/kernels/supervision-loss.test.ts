// Loss of a supervision step: results, predictions and both gradients, for both loss types, from tiny to huge logits.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SLOT_RESULTS, supervisionLoss, type SupervisionLossSize } from '../../src/kernels/supervision-loss.js'
import { close, largest, printShares, same } from '../close.js'
import { differences } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { integers, uniform, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

const IGNORED = -100

async function run(
  logits: Float32Array<ArrayBuffer>,
  q: Float32Array<ArrayBuffer>,
  labels: Int32Array<ArrayBuffer>,
  given: Omit<SupervisionLossSize, 'trainsContinue'>,
  targets?: Float32Array<ArrayBuffer>,
) {
  const size = { ...given, trainsContinue: targets !== undefined }
  // Leftovers in the outputs must not show.
  const outputs = {
    dLogits: engine.from(values(90, logits.length)),
    dQ: engine.from(values(91, q.length)),
    predictions: engine.from(integers(92, labels.length, 99)),
    results: engine.from(values(93, SLOT_RESULTS.length * size.batch)),
  }
  engine.dispatch(
    supervisionLoss,
    {
      logits: engine.from(logits),
      q: engine.from(q),
      labels: engine.from(labels),
      targets: engine.from(targets ?? new Float32Array(size.batch).fill(NaN)),
      ...outputs,
    },
    size,
  )
  return {
    dLogits: await engine.read(outputs.dLogits),
    dQ: await engine.read(outputs.dQ),
    predictions: await engine.readInt32(outputs.predictions),
    results: await engine.read(outputs.results),
  }
}

interface Case extends Omit<SupervisionLossSize, 'stablemax' | 'scale' | 'trainsContinue'> {
  magnitude: number
}

/** Labels: about a third is ignored, a random slot has none, and in another slot every label agrees with the logits. */
function labelsFor(logits: Float32Array, { batch, cells, prefix, vocabulary }: Case): Int32Array<ArrayBuffer> {
  const next = uniform(3)
  const truth = oracle.supervision(logits, new Float64Array(2 * batch), new Int32Array(batch * cells), {
    batch,
    cells,
    prefix,
    vocabulary,
    stablemax: true,
  })
  return integers(4, batch * cells, vocabulary).map((label, i) => {
    const slot = Math.floor(i / cells)
    if (slot % 4 === 2) return truth[slot].predictions[i % cells]
    return slot % 4 === 1 || next() < 0.3 ? IGNORED : label
  })
}

async function check(stablemax: boolean, each: Case): Promise<void> {
  const { batch, cells, prefix, vocabulary, magnitude } = each
  const size = { batch, cells, prefix, vocabulary, stablemax, scale: 0.375 }
  // Stablemax has a bend at 0, where differences are less exact: keep away from it.
  const logits = values(1, batch * (prefix + cells) * vocabulary, magnitude).map(x =>
    Math.abs(x) < 0.05 * magnitude ? x + Math.sign(x) * 0.05 * magnitude : x,
  )
  const q = values(2, 2 * batch, 5)
  const labels = labelsFor(logits, each)
  // Every other size trains q_continue too.
  const targets = cells % 2 ? values(5, batch).map(x => 1 / (1 + Math.exp(-3 * x))) : undefined
  const ours = await run(logits, q, labels, size, targets)
  const truth = oracle.supervision(logits, q, labels, size, targets)
  const name = `supervision_loss, ${stablemax ? 'stablemax' : 'softmax'} ${JSON.stringify(each)}`
  same(
    `${name}: predictions`,
    ours.predictions,
    truth.flatMap(slot => slot.predictions),
  )
  const column = (values: ArrayLike<number>, i: number) =>
    Array.from({ length: batch }, (_, slot) => values[slot * SLOT_RESULTS.length + i])
  for (const [i, result] of SLOT_RESULTS.entries()) {
    const expected = truth.map(slot => slot[result])
    // log and exp of WGSL are exact to a few units of 1; the losses also round once per class and cell.
    const scale = result === 'lmLoss' ? 1 + largest(expected) : /Loss/.test(result) ? 6 : 1
    if (/Loss/.test(result) || result === 'accuracy')
      close(`${name}: ${result}`, column(ours.results, i), expected, { scale, depth: vocabulary + cells, c: 4 })
    else same(`${name}: ${result}`, column(ours.results, i), expected)
  }

  // The halting target is no function of the logits: only the labels' loss counts, and each cell has its own.
  const unit = Math.min(1, magnitude)
  for (const [slot, { labelled }] of truth.slice(0, 4).entries()) {
    for (let cell = 0; cell < cells; cell++) {
      const label = labels.subarray(slot * cells + cell, slot * cells + cell + 1)
      const at = (slot * (prefix + cells) + prefix + cell) * vocabulary
      const lmLoss = (l: ArrayLike<number>) =>
        oracle.supervision(l, [0, 0], label, { ...size, batch: 1, cells: 1, prefix: 0 })[0].lmLoss
      const share = size.scale / Math.max(labelled, 1)
      const expected = differences(lmLoss, logits.subarray(at, at + vocabulary), 1e-3, unit)
      // The gradient of the label is d log s(label) / dx − d log Σ s / dx: near probability 1 these cancel.
      const x = Math.abs(logits[at + Math.max(label[0], 0)])
      const scale = share * largest(expected, stablemax ? 1 / (1 + x) : 1)
      close(
        `${name}: dLogits`,
        ours.dLogits.subarray(at, at + vocabulary),
        expected.map(slope => slope * share),
        { scale, depth: vocabulary, c: 8 },
      )
    }
  }
  const haltLoss = (halts: ArrayLike<number>) =>
    size.scale *
    oracle
      .supervision(logits, halts, labels, size, targets)
      .reduce((sum, slot) => sum + 0.5 * (slot.qHaltLoss + slot.qContinueLoss), 0)
  if (batch < 10) close(`${name}: dQ`, ours.dQ, differences(haltLoss, q), { scale: size.scale })
  for (let slot = 0; slot < batch; slot++) {
    const from = slot * (prefix + cells) * vocabulary
    same(
      `${name}: gradient of the prefix`,
      ours.dLogits.subarray(from, from + prefix * vocabulary),
      new Float64Array(prefix * vocabulary),
    )
    for (let cell = 0; cell < cells; cell++) {
      const at = from + (prefix + cell) * vocabulary
      if (labels[slot * cells + cell] < 0)
        same(
          `${name}: gradient of an ignored cell`,
          ours.dLogits.subarray(at, at + vocabulary),
          new Float64Array(vocabulary),
        )
    }
  }
}

const CASES: Omit<Case, 'magnitude'>[] = [
  { batch: 1, cells: 1, prefix: 0, vocabulary: 2 },
  { batch: 5, cells: 7, prefix: 2, vocabulary: 11 },
  { batch: 4, cells: 16, prefix: 0, vocabulary: 6 },
  { batch: 3, cells: 81, prefix: 3, vocabulary: 5 },
  { batch: 2, cells: 127, prefix: 1, vocabulary: 3 },
  { batch: 2, cells: 257, prefix: 0, vocabulary: 3 },
  { batch: 66, cells: 129, prefix: 16, vocabulary: 12 },
]

for (const stablemax of [true, false]) {
  test(stablemax ? 'stablemax' : 'softmax', async () => {
    for (const each of CASES) for (const magnitude of [1e-4, 1, 10]) await check(stablemax, { ...each, magnitude })
  })

  test(`${stablemax ? 'stablemax' : 'softmax'} of huge logits`, async () => {
    for (const magnitude of [100, 1e4]) {
      for (const each of CASES.slice(0, 4)) await check(stablemax, { ...each, magnitude })
    }
  })
}

test('stablemax where it bends', async () => {
  const logits = new Float32Array([0, 0, 0, 0])
  const { dLogits, results, predictions } = await run(logits, new Float32Array(2), new Int32Array([2]), {
    batch: 1,
    cells: 1,
    prefix: 0,
    vocabulary: 4,
    stablemax: true,
    scale: 1,
  })
  close('supervision_loss, bend', dLogits, [0.25, 0.25, -0.75, 0.25], { scale: 1 })
  close('supervision_loss, bend', [results[0], results[1]], [Math.log(4), Math.log(2)], { scale: 2 })
  assert.is(predictions[0], 0, 'of equal logits the first counts')
})

test('a slot without labels has no loss, gradient or accuracy, and is exact for the halting target', async () => {
  const logits = values(5, 2 * 9 * 4)
  const labels = new Int32Array(2 * 9).fill(IGNORED)
  const { dLogits, dQ, results } = await run(logits, new Float32Array([2, 9, -2, 9]), labels, {
    batch: 2,
    cells: 9,
    prefix: 0,
    vocabulary: 4,
    stablemax: true,
    scale: 1,
  })
  same('supervision_loss, no labels', dLogits, new Float64Array(logits.length))
  const halting = (q: number) => Math.log1p(Math.exp(-q))
  close('supervision_loss, no labels', results, [0, halting(2), 0, 0, 1, 1, 0, 0, halting(-2), 0, 0, 1, 0, 0], {
    scale: 3,
  })
  const sigmoid = (q: number) => 1 / (1 + Math.exp(-q))
  close('supervision_loss, no labels', dQ, [0.5 * (sigmoid(2) - 1), 0, 0.5 * (sigmoid(-2) - 1), 0], { scale: 1 })
})

test('huge halting logits stay finite', async () => {
  const q = new Float32Array([1e4, 0, -1e4, 0, 100, 0, -100, 0])
  const labels = new Int32Array([0, 0, 1, 1])
  const { dQ, results } = await run(new Float32Array([1, 0, 1, 0, 1, 0, 1, 0]), q, labels, {
    batch: 4,
    cells: 1,
    prefix: 0,
    vocabulary: 2,
    stablemax: true,
    scale: 1,
  })
  close(
    'supervision_loss, halting',
    Array.from({ length: 4 }, (_, i) => results[7 * i + 1]),
    [0, 1e4, 100, 0],
    { scale: [1, 1e4, 100, 1] },
  )
  close('supervision_loss, halting', dQ, [0, 0, -0.5, 0, 0.5, 0, 0, 0], { scale: 1 })
})

test.run()
