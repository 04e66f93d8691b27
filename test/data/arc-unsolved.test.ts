// ARC tasks without known answers: placeholders from the collection through the dataset and the votes to the
// submission.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { arcDataset, arcFiles, planArc } from '../../src/data/arc.js'
import { parseArcName } from '../../src/data/arc-augment.js'
import { ArcScorer, arcSubmissionJson } from '../../src/data/arc-score.js'
import { ARC_CELLS, encodeArcGrid } from '../../src/data/arc-square.js'
import {
  arcGridRows,
  arcTasksJson,
  ArcTaskError,
  parseArcTask,
  parseArcTasks,
  parseArcTestPuzzles,
} from '../../src/data/arc-tasks.js'
import { IGNORE_LABEL } from '../../src/data/dataset.js'

const source = (value: unknown, name = 'c.json') => ({
  bytes: new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value)),
  name,
})
const train = [{ input: [[1, 2]], output: [[2, 1]] }]
const asked = (...inputs: number[][][]) => ({ train, test: inputs.map(input => ({ input })) })
/** The text of a collection: an object would put the last name first. */
const [askedB, askedA, askedNumber] = [asked([[3, 4]], [[5]]), asked([[6]]), asked([[7]])].map(task =>
  JSON.stringify(task),
)
const text = `{"b": ${askedB}, "a": ${askedA}, "12345678" : ${askedNumber}}`
const unsolved = () => parseArcTasks(source(text), undefined, { placeholders: true })
const outputs = (tasks: ReturnType<typeof unsolved>) =>
  tasks.map(({ name, pairs }) => [
    name,
    ...pairs.filter(({ part }) => part === 'test').map(({ output, placeholder }) => [arcGridRows(output), placeholder]),
  ])

test('test pairs without an output get a placeholder where that is wanted, and stay in the order of their file', () => {
  assert.equal(outputs(unsolved()), [
    ['b', [[[0]], true], [[[0]], true]],
    ['a', [[[0]], true]],
    ['12345678', [[[0]], true]],
  ])
  assert.throws(
    () => parseArcTasks(source(text)),
    (error: Error) =>
      error instanceof ArcTaskError &&
      error.unsolved &&
      error.task === '12345678' &&
      /test 1: expected an output, got nothing/.test(error.message),
  )
  // Known outputs stay; a demonstration must have one.
  const half = {
    train,
    test: [
      { input: [[1]], output: [[9]] },
      { input: [[2]], output: null },
    ],
  }
  assert.equal(outputs([parseArcTask(source(half), 'x', { placeholders: true })]), [
    ['x', [[[9]], undefined], [[[0]], true]],
  ])
  assert.throws(
    () => parseArcTask(source({ ...half, train: [{ input: [[1]] }] }), 'x', { placeholders: true }),
    /train 1: expected an output, got nothing$/,
  )
  // Solutions count, also where placeholders may be.
  const solutions = { b: [[[1]], [[2]]], a: [[[3]]], 12345678: [[[0]]] }
  assert.not.ok(
    parseArcTasks(source(text), source(solutions), { placeholders: true }).some(({ pairs }) =>
      pairs.some(({ placeholder }) => placeholder),
    ),
  )
})

test('solutions that are missing are named, all of them; tasks can be left out by name', () => {
  assert.throws(
    () => parseArcTasks(source(text), source({ a: [[[1]]] }, 's.json')),
    new RegExp(
      '^s\\.json: expected the outputs of all 3 tasks, got nothing for 2 of them: "12345678", "b" — ' +
        'do both files belong together\\?$',
    ),
  )
  assert.throws(
    () => parseArcTasks(source(text), source({ a: [[[1]]] }, 's.json'), { keep: name => name !== 'b' }),
    /s\.json: task "12345678": expected the outputs of its test pairs, got nothing/,
  )
  assert.equal(
    parseArcTasks(source(text), source({ a: [[[1]]] }), { keep: name => name === 'a' }).map(({ name }) => name),
    ['a'],
  )
  const broken = {
    ...JSON.parse(text),
    large: { ...asked([[1]]), train: [{ input: Array(31).fill([1]), output: [[1]] }] },
  }
  assert.throws(
    () => parseArcTasks(source(broken), undefined, { placeholders: true }),
    (error: Error) => error instanceof ArcTaskError && error.task === 'large' && /got 31/.test(error.message),
  )
  assert.is(parseArcTasks(source(broken), undefined, { placeholders: true, keep: name => name !== 'large' }).length, 3)
})

test('a name that occurs twice in a file is an error', () => {
  const task = JSON.stringify(asked([[1]]))
  for (const twice of [`{"x":${task},"y":${task},"x":${task}}`, `{"x":${task}, "\\u0078" :${task}}`])
    assert.throws(
      () => parseArcTasks(source(twice), undefined, { placeholders: true }),
      /^c\.json: expected every name once, got "x" twice/,
    )
  assert.throws(
    () => parseArcTasks(source({ x: asked([[1]]) }), source('{"x": [[[1]]], "x": [[[2]]]}', 's.json')),
    /^s\.json: expected every name once, got "x" twice/,
  )
  // Names within tasks, and quotes and braces in names, are no matter.
  assert.is(
    parseArcTasks(source({ 'a"{': asked([[1]]), 'a\\': asked([[1]]) }), undefined, { placeholders: true }).length,
    2,
  )
})

test('the dataset asks them and scores nothing; the demonstrations are trained on', () => {
  const plan = planArc(
    [
      { name: 's', tasks: parseArcTasks(source({ t: { train, test: train } })), heldOut: false },
      { name: 'test', tasks: unsolved(), heldOut: true },
    ],
    { augment: 2 },
  )
  const [learnt, held] = [arcDataset(plan, 'train'), arcDataset(plan, 'test')]
  assert.is(held.labels.length, 4 * 3 * ARC_CELLS)
  assert.ok(held.labels.every(label => label === IGNORE_LABEL))
  assert.ok(held.inputs.some(token => token > 1))
  assert.is(learnt.metadata.totalGroups, 4)
  assert.ok(
    Array.from({ length: learnt.labels.length / ARC_CELLS }, (_, row) =>
      learnt.labels.subarray(row * ARC_CELLS, (row + 1) * ARC_CELLS),
    ).every(row => row.some(label => label > 1)),
  )
  // Where nothing is held out, a test pair without an output is no training data either.
  const plain = { name: 'x', tasks: unsolved(), heldOut: false }
  assert.is(
    arcDataset(
      planArc([plain, { name: 'y', tasks: parseArcTasks(source({ t: { train, test: train } })), heldOut: true }], {
        augment: 0,
      }),
      'train',
    ).labels.length,
    (3 + 1) * ARC_CELLS,
  )
  // The file tells which outputs are none, in the order of the collection.
  const written = new TextDecoder().decode(arcFiles(plan).get('test_puzzles.json') as Uint8Array)
  assert.is(
    written.indexOf('"b"') < written.indexOf('"a"') && written.indexOf('"a"') < written.indexOf('"12345678"'),
    true,
  )
  assert.equal(JSON.parse(written).a.test, [{ input: [[6]], output: [[0]], placeholder: true }])
  assert.equal(outputs(parseArcTestPuzzles(source(written))), outputs(unsolved()))
})

test('placeholders of the published builder are known by their form, answers that look so by a word', () => {
  const zero = { ...asked([[3, 4]]), test: [{ input: [[3, 4]], output: [[0]] }] }
  const cell = { train: [{ input: [[1]], output: [[5]] }], test: [{ input: [[3]], output: [[0]] }] }
  const mixed = {
    train,
    test: [
      { input: [[3]], output: [[0]] },
      { input: [[4]], output: [[1]] },
    ],
  }
  const marks = (value: unknown) =>
    parseArcTestPuzzles(source(value)).map(({ pairs }) =>
      pairs.filter(({ part }) => part === 'test').map(({ placeholder }) => placeholder === true),
    )
  assert.equal(marks({ zero, cell, mixed }), [[true], [false], [false, false]])
  const solved = parseArcTasks(source({ zero, cell }))
  assert.equal(JSON.parse(arcTasksJson(solved)).zero.test[0], { input: [[3, 4]], output: [[0]], placeholder: false })
  assert.equal(JSON.parse(arcTasksJson(solved)).cell.test[0], { input: [[3]], output: [[0]] })
  assert.equal(marks(arcTasksJson(solved)), [[false], [false]])
})

const names = ['<blank>', 'b', 'a', '12345678', 'known', 'known|||t2|||0213456789']

function scorerOf(
  tasks = [...unsolved(), ...parseArcTasks(source({ known: { train, test: [{ input: [[1]], output: [[2]] }] } }))],
): ArcScorer {
  return new ArcScorer({ names, tasks })
}

/** Counts answers [identifier, input, answer], grids of one row. */
function add(scorer: ArcScorer, ...rows: [number, number[], number[]][]): void {
  const tokens = (which: 1 | 2) =>
    Uint8Array.from(
      rows.flatMap(row =>
        row[which].length
          ? [...encodeArcGrid({ cells: Uint8Array.from(row[which]), rows: 1, columns: row[which].length })]
          : Array(ARC_CELLS).fill(0),
      ),
    )
  scorer.add({
    inputs: tokens(1),
    predictions: tokens(2),
    puzzleIds: rows.map(row => row[0]),
    qHaltLogits: rows.map(() => 0),
  })
}

test('an unknown output counts as neither right nor wrong', () => {
  const scorer = scorerOf()
  add(scorer, [4, [1], [2]], [1, [3, 4], [0]], [2, [6], []])
  const { metrics, testInputs, unsolved: unknown, unanswered } = scorer.finish()
  assert.is(metrics['ARC/pass@1'], 1)
  assert.equal([testInputs, unknown, unanswered], [5, 4, 2])
  // Nothing known: no number.
  const none = scorerOf(unsolved()).finish()
  assert.ok(Object.values(none.metrics).every(Number.isNaN))
  assert.is(JSON.parse(JSON.stringify(none.metrics))['ARC/pass@2'], null)
  // Of a task with one known output that one counts.
  const half = parseArcTask(source({ train, test: [{ input: [[1]], output: [[2]] }, { input: [[3]] }] }), 'known', {
    placeholders: true,
  })
  const other = scorerOf([half])
  add(other, [4, [1], [2]], [4, [3], [0]])
  assert.is(other.finish().metrics['ARC/pass@1'], 1)
})

test('the submission has every test input in order, and a grid for every attempt', () => {
  const scorer = scorerOf()
  add(scorer, [1, [5], [8, 8]], [1, [3, 4], [7]], [1, [3, 4], [9]], [2, [6], []])
  const score = scorer.finish()
  const { text: written, empty } = arcSubmissionJson(score)
  assert.is(empty, 2)
  assert.is(
    written,
    '{"b":[{"attempt_1":[[7]],"attempt_2":[[9]]},{"attempt_1":[[8,8]],"attempt_2":[[8,8]]}],' +
      '"a":[{"attempt_1":[[0]],"attempt_2":[[0]]}],"12345678":[{"attempt_1":[[0]],"attempt_2":[[0]]}],' +
      '"known":[{"attempt_1":[[0]],"attempt_2":[[0]]}]}',
  )
  // Where every answer is known the file is that of the published evaluator, with its empty grids.
  const known = scorerOf(parseArcTasks(source({ known: { train, test: [{ input: [[1]], output: [[2]] }] } })))
  add(known, [4, [1], []])
  assert.equal(arcSubmissionJson(known.finish()), { text: '{"known":[{"attempt_1":[],"attempt_2":[]}]}', empty: 0 })
})

test('rows of the test split that are missing or come again are counted', () => {
  const scorer = scorerOf()
  add(scorer, [1, [5], [8]], [1, [3, 4], [7]], [4, [1], [2]], [4, [1], [2]], [5, [2], [1]])
  const { rows, missing, repeated, strangers } = scorer.finish()
  assert.equal([rows, missing, repeated, strangers], [6, 2, 1, 0])
})

test("names of HRM's builder are augmentations too", () => {
  assert.equal(parseArcName('0a1b2c3d_t3_0537628914'), parseArcName('0a1b2c3d|||t3|||0537628914'))
  assert.equal(parseArcName('my_task_t0_0123456789').task, 'my_task')
  for (const plain of ['my_task', 'my_task_t3', 'x_t9_0537628914', 'x_t3_123'])
    assert.is(parseArcName(plain).task, plain)
  assert.throws(() => parseArcName('x_t3_0000000000'), /expected a name like/)
})

test.run()
