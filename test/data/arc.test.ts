// ARC tasks: JSON, augmentations, places in the square, and the dataset against that of the published builder.
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { arcDataset, arcFiles, planArc, type ArcPlan } from '../../src/data/arc.js'
import {
  applyArcAugmentation,
  arcAugmentedName,
  parseArcName,
  undoArcAugmentation,
} from '../../src/data/arc-augment.js'
import { ARC_CELLS, cropArcGrid, encodeArcGrid } from '../../src/data/arc-square.js'
import {
  arcGridRows,
  ARC_SIDE,
  parseArcTask,
  parseArcTasks,
  type ArcPair,
  type ArcTask,
} from '../../src/data/arc-tasks.js'
import { checkDataset, exampleCount, writeDataset, type Dataset, type Split } from '../../src/data/dataset.js'
import { readDataset, readIdentifiers } from '../../src/data/directory.js'
import type { Grid } from '../../src/data/dihedral.js'
import { Random } from '../../src/data/random.js'
import { sharedPath } from './shared.js'

const source = (text: string, name = 'c.json') => ({ bytes: new TextEncoder().encode(text), name })
const grid = (...rows: number[][]): Grid => ({
  cells: Uint8Array.from(rows.flat()),
  rows: rows.length,
  columns: rows[0].length,
})
const filled = (rows: number, columns: number, colour = 3): Grid => ({
  cells: new Uint8Array(rows * columns).fill(colour),
  rows,
  columns,
})
const task = (name: string, ...pairs: ArcPair[]): ArcTask => ({ name, pairs })
const pair = (part: Split, input: Grid, output: Grid): ArcPair => ({ part, input, output })
const same = (a: ArrayLike<number> | undefined, b: ArrayLike<number>) =>
  a !== undefined && a.length === b.length && Array.prototype.every.call(a, (value, i) => value === b[i])
const rowOf = (table: Dataset['inputs'] | Dataset['labels'], row: number) =>
  Uint8Array.from(table.subarray(row * ARC_CELLS, (row + 1) * ARC_CELLS), token => (token < 0 ? 0 : token))

/** Grids of random sizes and colours. */
function randomTask(name: string, random: Random): ArcTask {
  const drawn = () => filled(1 + random.below(30), 1 + random.below(30))
  const coloured = (plain: Grid) => ({ ...plain, cells: plain.cells.map(() => random.below(10)) })
  return task(
    name,
    ...(['test', 'train', 'train', 'train'] as const).map(part => pair(part, coloured(drawn()), coloured(drawn()))),
  )
}

/** Where the grid of a row begins: at its first colour. */
function cornerOf(row: Uint8Array): { row: number; column: number } {
  const first = row.findIndex(token => token > 1)
  return { row: Math.floor(first / ARC_SIDE), column: first % ARC_SIDE }
}

/** Every example of a split with its puzzle's name and its pair of the original task. */
function* examplesOf(dataset: Dataset, split: Split, names: string[], tasks: Map<string, ArcTask>) {
  for (let puzzle = 0; puzzle < dataset.metadata.totalPuzzles; puzzle++) {
    const name = names[dataset.puzzleIds[puzzle]]
    const parsed = parseArcName(name)
    const pairs = tasks.get(parsed.task)!.pairs.filter(({ part }) => part === split)
    const start = dataset.puzzleIndices[puzzle]
    assert.is(dataset.puzzleIndices[puzzle + 1] - start, pairs.length)
    yield {
      name,
      ...parsed,
      pairs: pairs.map((original, i) => ({
        original,
        input: rowOf(dataset.inputs, start + i),
        label: rowOf(dataset.labels, start + i),
      })),
    }
  }
}

/**
 * Undoes everything: each row is the augmented grid at one place for both sides, and at least one pair lies in the
 * corner.
 */
function checkRows(dataset: Dataset, split: Split, names: string[], tasks: Map<string, ArcTask>): void {
  let [moved, elsewhere] = [0, 0]
  for (const { augmentation, pairs } of examplesOf(dataset, split, names, tasks)) {
    let cornered = 0
    for (const { original, input, label } of pairs) {
      const { row, column } = cornerOf(input)
      assert.ok(same(input, encodeArcGrid(applyArcAugmentation(original.input, augmentation), row, column)))
      assert.ok(same(label, encodeArcGrid(applyArcAugmentation(original.output, augmentation), row, column)))
      if (row === 0 && column === 0) {
        cornered++
        assert.equal(undoArcAugmentation(cropArcGrid(input), augmentation), original.input)
        assert.equal(undoArcAugmentation(cropArcGrid(label), augmentation), original.output)
      } else elsewhere++
      moved++
    }
    assert.ok(cornered >= 1)
  }
  if (split === 'test') assert.is(elsewhere, 0)
  else assert.ok(elsewhere > moved / 3)
}

const golden = sharedPath('goldens/arc')
const absent = existsSync(golden) ? '' : `skipped: ${golden} is absent`
const file = (path: string) => new Uint8Array(readFileSync(`${golden}/${path}`))
const goldenTasks = () =>
  parseArcTasks(
    { bytes: file('arc-agi_evaluation_challenges.json'), name: 'challenges' },
    { bytes: file('arc-agi_evaluation_solutions.json'), name: 'solutions' },
  )
const goldenData = (split: Split) => readDataset(async path => file(`data/${path}`), split)
const goldenNames = () => readIdentifiers(async path => file(`data/${path}`))

test('the published augmentations give the published test split in bytes, its training rows up to places', async () => {
  if (absent) return console.log(absent)
  const names = await goldenNames()
  const tasks = new Map(goldenTasks().map(entry => [entry.name, entry]))
  const ids = new Map<string, number[]>()
  for (const [id, name] of names.entries())
    if (id > 0) ids.set(parseArcName(name).task, [...(ids.get(parseArcName(name).task) ?? []), id])
  const plan: ArcPlan = {
    names,
    groups: [...ids].map(([name, identifiers]) => ({
      task: tasks.get(name)!,
      heldOut: true,
      identifiers: Int32Array.from(identifiers),
    })),
    places: new Random(0).state,
  }
  const files = arcFiles(plan)
  for (const [path, content] of files) {
    const bytes = Buffer.concat(content instanceof Uint8Array ? [content] : [...content])
    const expected = file(`data/${path}`)
    if (path.endsWith('.json'))
      assert.equal(JSON.parse(bytes.toString()), JSON.parse(new TextDecoder().decode(expected)), path)
    else if (path.startsWith('train/') && /inputs|labels/.test(path))
      assert.ok(same(bytes.subarray(0, 128), expected.subarray(0, 128)), path)
    else assert.is(Buffer.compare(bytes, expected), 0, path)
  }
  assert.is(files.size, 14)
  checkRows(await goldenData('test'), 'test', names, tasks)
  checkRows(await goldenData('train'), 'train', names, tasks)
  checkRows(arcDataset(plan, 'train'), 'train', names, tasks)
})

test('own augmentations: unaugmented test puzzles equal the published rows, the others undo to them', async () => {
  if (absent) return console.log(absent)
  const tasks = new Map(goldenTasks().map(entry => [entry.name, entry]))
  const plan = planArc([{ name: 'evaluation', tasks: [...tasks.values()], heldOut: true }], { augment: 4, seed: 7 })
  const published = new Map<string, Uint8Array[]>()
  const names = await goldenNames()
  for (const { name, pairs } of examplesOf(await goldenData('test'), 'test', names, tasks))
    published.set(
      name,
      pairs.flatMap(({ input, label }) => [input, label]),
    )
  let plain = 0
  for (const { name, task, pairs } of examplesOf(arcDataset(plan, 'test'), 'test', plan.names, tasks)) {
    if (name !== task) continue
    plain++
    assert.ok(pairs.flatMap(({ input, label }) => [input, label]).every((row, i) => same(row, published.get(name)![i])))
  }
  assert.is(plain, 40)
  for (const split of ['train', 'test'] as const) {
    const [ours, theirs] = [arcDataset(plan, split), await goldenData(split)]
    checkDataset(ours)
    checkRows(ours, split, plan.names, tasks)
    assert.equal(ours.metadata, theirs.metadata)
    for (const name of ['puzzleIds', 'groupIndices'] as const) assert.equal(ours[name], theirs[name])
    assert.is(exampleCount(ours), exampleCount(theirs))
  }
})

test('files and memory hold the same, the same seed the same bytes', () => {
  const random = new Random(5)
  const subsets = [
    { name: 'a', tasks: Array.from({ length: 6 }, (_, i) => randomTask(`a${i}`, random)), heldOut: false },
    { name: 'b', tasks: Array.from({ length: 4 }, (_, i) => randomTask(`b${i}`, random)), heldOut: true },
  ]
  const build = (seed: number) => {
    const plan = planArc(subsets, { augment: 60, seed })
    return {
      plan,
      files: new Map(
        [...arcFiles(plan)].map(([path, content]) => [
          path,
          Buffer.concat(content instanceof Uint8Array ? [content] : [...content]),
        ]),
      ),
    }
  }
  const { plan, files } = build(1)
  for (const split of ['train', 'test'] as const) {
    for (const [path, bytes] of writeDataset(arcDataset(plan, split), split))
      assert.is(Buffer.compare(bytes, files.get(path)!), 0, path)
  }
  assert.equal([...build(1).files], [...files])
  assert.is(
    Buffer.compare(build(2).files.get('train/all__inputs.npy')!, files.get('train/all__inputs.npy')!) === 0,
    false,
  )
  // Of a training task all pairs are trained on, of a held-out one the demonstrations.
  const [train, held] = [arcDataset(plan, 'train'), arcDataset(plan, 'test')]
  assert.equal(
    [train, held].map(({ metadata }) => [metadata.totalGroups, metadata.totalPuzzles]),
    [
      [10, 610],
      [4, 244],
    ],
  )
  assert.equal([exampleCount(train), exampleCount(held)], [61 * (6 * 4 + 4 * 3), 61 * 4])
  assert.equal(Object.keys(JSON.parse(files.get('test_puzzles.json')!.toString())).sort(), ['b0', 'b1', 'b2', 'b3'])
  assert.is(plan.names.length, 611)
})

test('augmentations keep colour 0, reach all transforms and differ from each other; undoing restores', () => {
  const random = new Random(3)
  const original = randomTask('x', random)
  const { names, groups } = planArc([{ name: 's', tasks: [original], heldOut: true }], { augment: 300 })
  assert.is(names.length, 302)
  assert.equal(
    [...groups[0].identifiers],
    Array.from({ length: 301 }, (_, i) => i + 1),
  )
  const seen = new Set<string>()
  const transforms = new Set<number>()
  const colours = new Set<string>()
  for (const name of names.slice(1)) {
    const { task, augmentation } = parseArcName(name)
    assert.is(task, 'x')
    assert.is(augmentation.colours[0], 0)
    transforms.add(augmentation.transform)
    for (const [from, to] of Array.from(augmentation.colours).entries()) colours.add(`${from} to ${to}`)
    const grids = original.pairs.flatMap(({ input, output }) => [input, output])
    const changed = grids.map(plain => applyArcAugmentation(plain, augmentation))
    assert.equal(
      changed.map(other => undoArcAugmentation(other, augmentation)),
      grids,
    )
    seen.add(JSON.stringify(changed.map(arcGridRows)))
    if (name !== 'x') assert.is(arcAugmentedName(task, augmentation), name)
  }
  assert.is(transforms.size, 8)
  // 0 stays, and each of the nine others becomes each of them.
  assert.is(colours.size, 1 + 81)
  assert.is(seen.size, 301)
  assert.equal(
    arcGridRows(applyArcAugmentation(grid([0, 1, 2]), { transform: 1, colours: [0, 3, 5, 1, 2, 4, 6, 7, 8, 9] })),
    [[5], [3], [0]],
  )
})

test('a task gets as many augmentations as there are', () => {
  const counts = [
    [filled(1, 1, 0), 0],
    [filled(1, 1, 4), 8],
    [grid([0, 4]), 4 * 9 - 1],
  ] as const
  for (const [plain, count] of counts) {
    const { names } = planArc(
      [{ name: 's', tasks: [task('x', pair('train', plain, plain), pair('test', plain, plain))], heldOut: true }],
      { augment: 1000 },
    )
    assert.is(names.length, 2 + count)
  }
})

test('the order of pairs does not make a task another one', () => {
  // Colours 1 and 2 swapped give the same pairs in another order.
  // So of the 72 ways to colour two pairs, half are the same task.
  const pairs = [1, 2].map(colour => pair('train', filled(1, 1, colour), filled(1, 1, 0)))
  const { names } = planArc(
    [{ name: 's', tasks: [task('x', ...pairs, pair('test', filled(1, 1, 0), filled(1, 1, 0)))], heldOut: true }],
    { augment: 1000 },
  )
  assert.is(names.length, 2 + 35)
})

test('the square: colours + 2, EOS along the grid only, PAD elsewhere', () => {
  const lines = (tokens: Uint8Array) =>
    Array.from({ length: ARC_SIDE }, (_, row) => tokens.subarray(row * ARC_SIDE, (row + 1) * ARC_SIDE))
  const [first, second, third, fourth] = lines(encodeArcGrid(grid([0, 9, 1], [2, 3, 4]), 1, 2))
  assert.equal(
    [first, second, third, fourth].map(line => [...line.subarray(0, 7)]),
    [
      [0, 0, 0, 0, 0, 0, 0],
      [0, 0, 2, 11, 3, 1, 0],
      [0, 0, 4, 5, 6, 1, 0],
      [0, 0, 1, 1, 1, 0, 0],
    ],
  )
  const count = (tokens: Uint8Array, wanted: number) => tokens.filter(token => token === wanted).length
  for (const [rows, columns] of [
    [30, 30],
    [30, 5],
    [5, 30],
    [29, 29],
    [1, 1],
  ]) {
    const tokens = encodeArcGrid(filled(rows, columns))
    assert.is(count(tokens, 1), (rows < 30 ? columns : 0) + (columns < 30 ? rows : 0))
    assert.is(count(tokens, 5), rows * columns)
    assert.equal(cropArcGrid(tokens), filled(rows, columns))
    const last = encodeArcGrid(filled(rows, columns), 30 - rows, 30 - columns)
    assert.is(count(last, 1), 0)
    assert.is(last[899], 5)
  }
  assert.throws(
    () => encodeArcGrid(filled(3, 3), 28, 0),
    /expected a grid within 30 × 30, got 3 × 3 at row 28 column 0/,
  )
})

test('the crop is the largest rectangle of colours at the top left', () => {
  const crop = (...rows: number[][]) => {
    const tokens = new Uint8Array(ARC_CELLS)
    for (const [i, row] of rows.entries()) tokens.set(row, i * ARC_SIDE)
    return arcGridRows(cropArcGrid(tokens))
  }
  assert.equal(cropArcGrid(new Uint8Array(ARC_CELLS)), { cells: new Uint8Array(0), rows: 0, columns: 0 })
  assert.equal(crop([1, 5, 5], [5, 5, 5]), [])
  assert.equal(crop([12, 5]), [])
  assert.equal(crop([2, 11], [3, 1]), [[0, 9]])
  // 1 × 3 and 3 × 1 are as large: the one with fewer rows.
  assert.equal(crop([2, 3, 4], [5, 1], [6]), [[0, 1, 2]])
  assert.equal(crop([2, 3, 4], [5, 1], [6], [7]), [[0], [3], [4], [5]])
  assert.equal(crop([2, 3, 4, 5], [2, 3, 4], [2, 3]), [
    [0, 1, 2],
    [0, 1, 2],
  ])
  // A colour beyond a gap, or below a line without any, does not count.
  assert.equal(crop([2, 0, 4], [0], [2, 2, 2]), [[0]])
  assert.equal(cropArcGrid(encodeArcGrid(filled(2, 2), 1, 1)).rows, 0)
  const two = new Uint8Array(2 * ARC_CELLS)
  two.set(encodeArcGrid(grid([7])), ARC_CELLS)
  assert.equal(arcGridRows(cropArcGrid(two, ARC_CELLS)), [[7]])
})

test('names', () => {
  assert.equal(parseArcName('a|||t3|||0537628914'), {
    task: 'a',
    augmentation: { transform: 3, colours: Uint8Array.from([0, 5, 3, 7, 6, 2, 8, 9, 1, 4]) },
  })
  assert.equal([...(parseArcName('a').augmentation.colours as Uint8Array)], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  for (const name of [
    'a|||t3',
    'a|||t8|||0537628914',
    'a|||t3|||0537628913',
    'a|||t3|||053762891',
    'a|||x3|||0537628914',
  ])
    assert.throws(() => parseArcName(name), /expected a name like TASK/)
})

const challenges = {
  x: {
    train: [
      { input: [[1, 2]], output: [[0]] },
      { input: [[3]], output: [[4], [5]] },
    ],
    test: [{ input: [[6]] }],
  },
  y: { test: [{ input: [[9]] }, { input: [[8]] }], train: [{ input: [[7]], output: [[7]] }] },
}
const solutions = { x: [[[1]]], y: [[[2]], [[3, 3]]] }

test('tasks of both forms', () => {
  const tasks = parseArcTasks(source(JSON.stringify(challenges)), source(JSON.stringify(solutions), 's.json'))
  assert.equal(
    tasks.map(({ name, pairs }) => [
      name,
      ...pairs.map(({ part, input, output }) => `${part} ${JSON.stringify([arcGridRows(input), arcGridRows(output)])}`),
    ]),
    [
      ['x', 'train [[[1,2]],[[0]]]', 'train [[[3]],[[4],[5]]]', 'test [[[6]],[[1]]]'],
      ['y', 'test [[[9]],[[2]]]', 'test [[[8]],[[3,3]]]', 'train [[[7]],[[7]]]'],
    ],
  )
  const single = { ...challenges.x, test: [{ input: [[6]], output: [[1]] }], name: 'ignored' }
  assert.equal(parseArcTask(source(JSON.stringify(single)), 'x'), tasks[0])
})

test('what is wrong with a file is said in one line', () => {
  const refuse = (change: (json: any, answers: any) => unknown, pattern: RegExp, plain = false) => {
    const [json, answers] = [structuredClone(challenges), structuredClone(solutions)]
    const text = change(json, answers)
    assert.throws(
      () =>
        parseArcTasks(
          source(typeof text === 'string' ? text : JSON.stringify(json)),
          plain ? undefined : source(JSON.stringify(answers), 's.json'),
        ),
      (error: Error) => {
        assert.match(error.message, pattern)
        assert.not.match(error.message, /\n/)
        return true
      },
    )
  }
  refuse(() => '{"x": \n', /^c\.json: expected JSON, got something else/)
  refuse(() => '[1]', /^c\.json: expected an object of tasks by name, got \[1\]/)
  refuse(
    json => void (json.x.train[0].input[0][1] = 10),
    /^c\.json: task "x": train 1 input: row 1 column 2: expected a colour of 0 … 9, got 10/,
  )
  refuse(json => void (json.x.train[0].input[0][1] = 0.5), /expected a colour of 0 … 9, got 0\.5/)
  refuse(json => void (json.x.train[0].input[0][1] = '1'), /expected a colour of 0 … 9, got "1"/)
  refuse(json => void json.x.train[1].output[1].push(1), /train 2 output: row 2: expected 1 colours as in row 1, got 2/)
  refuse(json => void (json.x.train[1].output[1] = 5), /train 2 output: row 2: expected 1 … 30 colours, got 5/)
  refuse(
    json => void (json.y.test[1].input = Array(31).fill([1])),
    /test 2 input: expected a grid of 1 … 30 rows, got 31/,
  )
  refuse(
    json => void (json.y.test[1].input = [Array(31).fill(1)]),
    /test 2 input: row 1: expected 1 … 30 colours, got 31/,
  )
  refuse(json => void (json.y.test[1].input = []), /1 … 30 rows, got 0/)
  refuse(json => void delete json.y.test[1].input, /1 … 30 rows, got nothing/)
  refuse(json => void delete json.x.train[0].output, /train 1: expected an output, got nothing$/)
  refuse(json => void delete json.x.train, /expected train to be a list of pairs, at least one, got nothing/)
  refuse(json => void (json.x.test = []), /expected test to be a list of pairs, at least one, got \[\]/)
  refuse(json => void (json.x.train[0] = null), /train 1: expected an input and an output, got null/)
  refuse(json => void (json.x = 3), /task "x": expected lists train and test, got 3/)
  refuse(
    json => void (json['x|||t0'] = json.x),
    /^s\.json: task "x\|\|\|t0": expected the outputs of its test pairs, got nothing/,
  )
  refuse(
    (json, answers) => void ([json['x|||t0'], answers['x|||t0']] = [json.x, answers.x]),
    /expected a task name without "\|\|\|"/,
  )
  refuse((_, answers) => void delete answers.y, /^s\.json: task "y": expected the outputs/)
  refuse((_, answers) => void answers.y.pop(), /as many test pairs as solutions, got 2 and 1/)
  refuse((_, answers) => void (answers.y = 1), /expected a list of grids, got 1/)
  refuse(
    (_, answers) => void (answers.y[1] = [[11]]),
    /^s\.json: task "y": output 2: row 1 column 1: expected a colour of 0 … 9, got 11/,
  )
  refuse(
    () => undefined,
    /test 1: expected an output, got nothing — put the solutions file next to the challenges file/,
    true,
  )
})

test('what cannot be planned is refused', () => {
  const plain = (name: string) =>
    task(name, pair('train', filled(1, 1), filled(1, 1)), pair('test', filled(1, 1), filled(1, 1)))
  const subset = (name: string, heldOut: boolean, ...names: string[]) => ({ name, heldOut, tasks: names.map(plain) })
  assert.throws(() => planArc([subset('a', false, 'x')]), /expected a subset to test on, got none of a/)
  assert.throws(() => planArc([subset('a', false), subset('b', true, 'x')]), /expected tasks in subset a, got none/)
  assert.throws(
    () => planArc([subset('a', false, 'x'), subset('b', true, 'x')]),
    /tasks of b to occur once, since they are tested on, got "x" in a and b/,
  )
  assert.throws(() => planArc([subset('b', true, 'x')], { augment: 1001 }), /augment to be 0 … 1000, got 1001/)
  // Two training subsets may share a task; it has one identifier.
  const { names, groups } = planArc([subset('a', false, 'x'), subset('b', false, 'x'), subset('c', true, 'y')], {
    augment: 0,
  })
  assert.equal(
    [names, groups.map(({ identifiers }) => identifiers[0])],
    [
      ['<blank>', 'x', 'y'],
      [1, 1, 2],
    ],
  )
})

test('200 damaged files give a clear error or valid tasks', () => {
  const random = new Random(11)
  const text = JSON.stringify(challenges)
  const pieces = ['[', ']', '{', '}', ',', '"', '-', 'null', ' ', 'é', '[[1]]', '"test"', '1e9']
  let [errors, valid] = [0, 0]
  for (let i = 0; i < 200; i++) {
    let damaged = text
    for (let n = 1 + random.below(2); n > 0; n--) {
      const at = random.below(damaged.length)
      // Half of the changes are other numbers, the others tear the structure.
      if (random.below(2)) damaged = damaged.slice(0, at) + damaged.slice(at).replace(/\d/, String(random.below(12)))
      else damaged = damaged.slice(0, at) + pieces[random.below(pieces.length)] + damaged.slice(at + random.below(3))
    }
    try {
      const tasks = parseArcTasks(
        source(damaged),
        random.below(2) ? source(JSON.stringify(solutions), 's.json') : undefined,
      )
      if (tasks.length > 0)
        checkDataset(arcDataset(planArc([{ name: 's', tasks, heldOut: true }], { augment: 2 }), 'test'))
      valid++
    } catch (error) {
      assert.match((error as Error).message, /^[cs]\.json: .*expected .*, got [^\n]*$/)
      errors++
    }
  }
  assert.is(errors + valid, 200)
  assert.ok(errors > 50 && valid > 20, `${errors} errors, ${valid} valid`)
})

test.run()
