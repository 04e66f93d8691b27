// The ARC score: votes, ties, passes and submissions, and the score of the published evaluator.
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { applyArcAugmentation, parseArcName } from '../../src/data/arc-augment.js'
import { ARC_CELLS, encodeArcGrid } from '../../src/data/arc-square.js'
import { parseArcTasks, type ArcTask } from '../../src/data/arc-tasks.js'
import { ArcScorer, type ArcPredictions } from '../../src/data/arc-score.js'
import { readIdentifiers } from '../../src/data/directory.js'
import type { Grid } from '../../src/data/dihedral.js'
import { parseSafetensors } from '../../src/formats/safetensors.js'
import { sharedPath } from './shared.js'

const cell = (...colours: number[]): Grid => ({ cells: Uint8Array.from(colours), rows: 1, columns: colours.length })
const asked = (name: string, ...pairs: [Grid, Grid][]): ArcTask => ({
  name,
  pairs: pairs.map(([input, output]) => ({ part: 'test', input, output })),
})
const names = ['<blank>', 'x', 'x|||t1|||0213456789', 'x|||t6|||0918273645', 'y']
/** x asks twice, y once; the right answers are colours 1, 2 and 3. */
const tasks = [asked('x', [cell(7), cell(1, 1)], [cell(8), cell(2, 2)]), asked('y', [cell(9), cell(3)])]

/** Rows [identifier, input, answer, logit] of original grids, augmented as the name says. */
function batchOf(...rows: [number, Grid, Grid, number][]): ArcPredictions {
  const tokens = (which: 1 | 2) =>
    Uint8Array.from(
      rows.flatMap(row => [
        ...encodeArcGrid(applyArcAugmentation(row[which], parseArcName(names[row[0]]).augmentation)),
      ]),
    )
  return {
    inputs: tokens(1),
    predictions: tokens(2),
    puzzleIds: rows.map(row => row[0]),
    qHaltLogits: rows.map(row => row[3]),
  }
}

function scoreOf(...rows: [number, Grid, Grid, number][]) {
  const scorer = new ArcScorer({ names, tasks })
  if (rows.length) scorer.add(batchOf(...rows))
  return scorer.finish()
}

test('the published predictions get the published score and submission', async () => {
  const folder = sharedPath('goldens/arc')
  if (!existsSync(folder)) return console.log(`skipped: ${folder} is absent`)
  const file = (path: string) => new Uint8Array(readFileSync(`${folder}/${path}`))
  const json = (path: string) => JSON.parse(readFileSync(`${folder}/expected/${path}`, 'utf8'))
  const { tensors } = parseSafetensors(file('predictions.safetensors'))
  const data = (name: string) => tensors.get(name)!.data as Uint8Array
  const rows = data('puzzle_identifiers').length
  for (const size of [rows, 7]) {
    const scorer = new ArcScorer({
      names: await readIdentifiers(async path => file(`data/${path}`)),
      tasks: parseArcTasks({ bytes: file('data/test_puzzles.json'), name: 'test_puzzles.json' }),
    })
    for (let start = 0; start < rows; start += size) {
      const end = Math.min(start + size, rows)
      scorer.add({
        inputs: data('inputs').subarray(start * ARC_CELLS, end * ARC_CELLS),
        predictions: data('preds').subarray(start * ARC_CELLS, end * ARC_CELLS),
        puzzleIds: data('puzzle_identifiers').subarray(start, end),
        qHaltLogits: data('q_halt_logits').subarray(start, end),
      })
    }
    const { metrics, submission, testInputs, unanswered, strangers } = scorer.finish()
    assert.equal(metrics, json('metrics.json'))
    const expected = json('submission.json')
    assert.equal(Object.keys(submission), Object.keys(expected))
    for (const name of Object.keys(expected)) assert.equal(submission[name], expected[name], name)
    assert.equal([testInputs, unanswered, strangers], [41, 0, 0])
  }
})

test('votes count across augmentations, then confidence, then first sight', () => {
  const [wrong, right] = [cell(5), cell(1, 1)]
  const attempts = (...rows: [number, Grid, number][]) => {
    const [{ attempt_1, attempt_2 }] = scoreOf(
      ...rows.map(([id, answer, logit]): [number, Grid, Grid, number] => [id, cell(7), answer, logit]),
    ).submission.x
    return [attempt_1, attempt_2]
  }
  assert.equal(attempts([1, wrong, 9], [2, right, -9], [3, right, -9]), [[[1, 1]], [[5]]])
  assert.equal(attempts([1, wrong, -1], [2, right, 1]), [[[1, 1]], [[5]]])
  assert.equal(attempts([1, wrong, 1], [2, right, 1]), [[[5]], [[1, 1]]])
  assert.equal(attempts([1, right, 1], [2, wrong, 1], [3, cell(6), 1]), [[[1, 1]], [[5]]])
  // The mean counts, not the sum: two votes each, (0.5, 0.5) against (0.9, 0.2).
  const logit = (p: number) => Math.log(p / (1 - p))
  assert.equal(attempts([1, wrong, 0], [2, wrong, 0], [1, right, logit(0.9)], [2, right, logit(0.2)]), [
    [[1, 1]],
    [[5]],
  ])
  assert.equal(attempts([1, right, 0]), [[[1, 1]], [[1, 1]]])
})

test('the score is the mean over tasks of the share of solved test inputs', () => {
  const { metrics, testInputs, unanswered } = scoreOf(
    [1, cell(7), cell(1, 1), 0],
    [1, cell(8), cell(5), 0],
    [2, cell(8), cell(2, 2), -1],
    [4, cell(9), cell(4), 0],
  )
  assert.equal(metrics, {
    'ARC/pass@1': 0.25,
    'ARC/pass@2': 0.5,
    'ARC/pass@5': 0.5,
    'ARC/pass@10': 0.5,
    'ARC/pass@100': 0.5,
    'ARC/pass@1000': 0.5,
  })
  assert.equal([testInputs, unanswered], [3, 0])
})

test('missing, strange and padding rows', () => {
  const nothing = scoreOf()
  assert.is(nothing.unanswered, 3)
  assert.is(nothing.metrics['ARC/pass@1000'], 0)
  assert.equal(nothing.submission.x, Array(2).fill({ attempt_1: [[0]], attempt_2: [[0]] }))
  // The second test input keeps its place when the first has no prediction.
  assert.equal(
    scoreOf([1, cell(8), cell(2, 2), 0]).submission.x.map(({ attempt_1 }) => attempt_1),
    [[[0]], [[2, 2]]],
  )
  assert.is(scoreOf([1, cell(6), cell(1, 1), 0]).strangers, 1)
  const padded = batchOf([1, cell(7), cell(1, 1), 0])
  const scorer = new ArcScorer({ names, tasks })
  scorer.add({ ...padded, puzzleIds: [0], qHaltLogits: [NaN] })
  assert.equal([scorer.finish().unanswered, scorer.finish().strangers], [3, 0])
  // A prediction without any colour is an empty grid.
  scorer.add({ ...padded, predictions: new Uint8Array(ARC_CELLS) })
  assert.equal(scorer.finish().submission.x[0], { attempt_1: [], attempt_2: [] })
})

test('an instance keeps its votes to itself', () => {
  assert.is(scoreOf([1, cell(7), cell(1, 1), 0]).unanswered, 2)
  assert.is(scoreOf().unanswered, 3)
})

test('wrong batches are refused', () => {
  const scorer = new ArcScorer({ names, tasks })
  const batch = batchOf([1, cell(7), cell(1, 1), 0])
  assert.throws(() => scorer.add({ ...batch, inputs: new Uint8Array(5) }), /expected 900 inputs for 1 rows, got 5/)
  assert.throws(() => scorer.add({ ...batch, qHaltLogits: [] }), /expected 1 qHaltLogits for 1 rows, got 0/)
  assert.throws(() => scorer.add({ ...batch, puzzleIds: [5] }), /row 0: expected a puzzle identifier of 0 … 4, got 5/)
  assert.throws(
    () => scorer.add({ ...batch, qHaltLogits: [NaN] }),
    /row 0: expected a number as halting logit, got NaN/,
  )
  assert.throws(() => new ArcScorer({ names, tasks: [] }), /expected tasks to score, got none/)
})

test.run()
