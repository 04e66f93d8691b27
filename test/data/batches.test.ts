// The order of examples: fair in training, resumable bit for bit, complete and padded in testing.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TrainingBatches, testBatches, type Batch } from '../../src/data/batches.js'
import { IGNORE_LABEL, type Dataset } from '../../src/data/dataset.js'

/**
 * One cell per example, whose token is the number of the example. Puzzle p has identifier p + 1. `groups[g]` lists the
 * sizes of its puzzles.
 */
function numbered(groups: number[][]): Dataset {
  const sizes = groups.flat()
  const total = sizes.reduce((a, b) => a + b, 0)
  const runs = (counts: number[]) =>
    Int32Array.from([
      0,
      ...counts.map(
        (
          sum => count =>
            (sum += count)
        )(0),
      ),
    ])
  return {
    metadata: {
      padId: 7,
      ignoreLabelId: 0,
      blankPuzzleId: 0,
      vocabulary: 2000,
      cells: 1,
      puzzles: sizes.length + 1,
      totalGroups: groups.length,
      meanPuzzleExamples: total / sizes.length,
      totalPuzzles: sizes.length,
      sets: ['all'],
    },
    inputs: Int32Array.from({ length: total }, (_, i) => i),
    labels: Int32Array.from({ length: total }, (_, i) => i + 1),
    puzzleIds: Int32Array.from(sizes, (_, i) => i + 1),
    puzzleIndices: runs(sizes),
    groupIndices: runs(groups.map(group => group.length)),
  }
}

const take = (batches: TrainingBatches, count: number): Promise<Batch[]> =>
  Promise.all(Array.from({ length: count }, () => batches.next()))

async function all(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const found: Batch[] = []
  for await (const batch of batches) found.push(batch)
  return found
}

test('training: full batches; labels and identifiers belong to the inputs', async () => {
  const dataset = numbered([[3, 1], [2], [5, 5, 1], [1], [4]])
  for (const { inputs, labels, puzzleIds, count } of await take(
    new TrainingBatches(dataset, { batchSize: 4, seed: 1 }),
    200,
  )) {
    assert.is(count, 4)
    inputs.forEach((example, row) => {
      assert.is(labels[row], example + 1)
      const puzzle = puzzleIds[row] - 1
      assert.ok(example >= dataset.puzzleIndices[puzzle] && example < dataset.puzzleIndices[puzzle + 1])
    })
    // A puzzle's examples are drawn without replacement.
    assert.is(new Set(inputs).size, 4)
  }
})

test('training: each epoch has every group at most once and drops the short batch', async () => {
  const batches = new TrainingBatches(numbered(new Array(10).fill([1])), { batchSize: 4, seed: 2 })
  for (let epoch = 1; epoch <= 50; epoch++) {
    const seen = (await take(batches, 2)).flatMap(batch => [...batch.inputs])
    assert.is(new Set(seen).size, 8)
    assert.is(batches.state.epoch, epoch)
  }
})

test('training: a pass of several epochs drops only its last short batch', async () => {
  const batches = new TrainingBatches(numbered(new Array(10).fill([1])), { batchSize: 4, seed: 2, epochsPerPass: 3 })
  for (let pass = 1; pass <= 20; pass++) {
    const seen = (await take(batches, 7)).flatMap(batch => [...batch.inputs])
    assert.is(batches.state.epoch, pass * 3)
    assert.is(new Set(seen.slice(0, 10)).size, 10)
    assert.is(new Set(seen.slice(10, 20)).size, 10)
  }
})

test('training: groups and puzzles are drawn fairly', async () => {
  // Puzzles of one group are equally likely whatever their sizes; which groups miss the last batch is random.
  const batches = new TrainingBatches(numbered([[1, 1, 1, 1], [1], [1]]), { batchSize: 2, seed: 3 })
  const counts = new Float64Array(7)
  for (const { puzzleIds } of await take(batches, 12_000)) puzzleIds.forEach(id => counts[id]++)
  for (const id of [1, 2, 3, 4]) assert.ok(Math.abs(counts[id] - 2000) < 220, `${counts}`)
  for (const id of [5, 6]) assert.ok(Math.abs(counts[id] - 8000) < 350, `${counts}`)
})

test('training: the examples of a long puzzle are drawn fairly and without replacement', async () => {
  const batches = new TrainingBatches(numbered([[10]]), { batchSize: 3, seed: 4 })
  const counts = new Float64Array(10)
  for (const { inputs } of await take(batches, 10_000)) {
    assert.is(new Set(inputs).size, 3)
    inputs.forEach(example => counts[example]++)
  }
  for (const count of counts) assert.ok(Math.abs(count - 3000) < 250, `${counts}`)
})

test('training: fewer examples than a batch go on across epochs', async () => {
  const batches = new TrainingBatches(numbered([[1], [1], [1]]), { batchSize: 8, seed: 5 })
  const { inputs, count } = await batches.next()
  assert.is(count, 8)
  assert.is(batches.state.epoch, 3)
  assert.equal([...inputs.slice(0, 3)].sort(), [0, 1, 2])
  assert.equal([...inputs.slice(3, 6)].sort(), [0, 1, 2])
})

test('training: the seed decides everything', async () => {
  const dataset = numbered([[3, 1], [2], [5, 5, 1], [1], [4]])
  const run = (seed: number) => take(new TrainingBatches(dataset, { batchSize: 4, seed }), 30)
  assert.equal(await run(1), await run(1))
  assert.not.equal(await run(1), await run(2))
})

test('training: a restored state goes on bit for bit, wherever it was taken', async () => {
  const cases: [Dataset, number, number][] = [
    [numbered([[3, 1], [2], [5, 5, 1], [1], [4]]), 4, 1],
    [numbered(new Array(10).fill([1])), 4, 3],
    [numbered([[1], [1], [2]]), 8, 1],
    [numbered([[1], [1], [2]]), 1, 2],
  ]
  for (const [dataset, batchSize, epochsPerPass] of cases) {
    for (let steps = 0; steps < 25; steps++) {
      const batches = new TrainingBatches(dataset, { batchSize, seed: 6, epochsPerPass })
      await take(batches, steps)
      const again = TrainingBatches.restore(dataset, JSON.parse(JSON.stringify(batches.state)))
      assert.equal(again.state, batches.state)
      assert.equal(await take(again, 25), await take(batches, 25))
      assert.equal(again.state, batches.state)
    }
  }
})

test('testing: all examples in order, the last batch padded', async () => {
  const dataset = numbered([[3, 1], [2], [1]])
  const batches = await all(testBatches(dataset, 4))
  assert.equal(batches, [
    {
      inputs: Int32Array.of(0, 1, 2, 3),
      labels: Int32Array.of(1, 2, 3, 4),
      puzzleIds: Int32Array.of(1, 1, 1, 2),
      count: 4,
    },
    {
      inputs: Int32Array.of(4, 5, 6, 7),
      labels: Int32Array.of(5, 6, 7, IGNORE_LABEL),
      puzzleIds: Int32Array.of(3, 3, 4, 0),
      count: 3,
    },
  ])
  assert.is((await all(testBatches(dataset, 7))).length, 1)
  assert.equal(await all(testBatches(dataset, 4, 4)), batches.slice(0, 1))
  assert.equal(
    (await all(testBatches(dataset, 4, 5))).map(({ inputs, count }) => [...inputs, count]),
    [
      [0, 1, 2, 3, 4],
      [4, 7, 7, 7, 1],
    ],
  )
  assert.equal((await all(testBatches(numbered([[0, 2]]), 2)))[0].puzzleIds, Int32Array.of(2, 2))
})

test('wrong sizes and states are refused', async () => {
  const dataset = numbered([[1], [1]])
  for (const batchSize of [0, -1, 1.5]) {
    assert.throws(() => new TrainingBatches(dataset, { batchSize, seed: 0 }), /batches: expected a batch size/)
    await testBatches(dataset, batchSize)
      .next()
      .then(
        () => assert.unreachable(),
        ({ message }) => assert.match(message, /batches: expected a batch size/),
      )
  }
  assert.throws(() => new TrainingBatches(dataset, { batchSize: 1, seed: 0, epochsPerPass: 0 }), /epochsPerPass/)
  assert.throws(
    () => new TrainingBatches(numbered([[0]]), { batchSize: 1, seed: 0 }),
    /expected a dataset with examples/,
  )
  const { state } = new TrainingBatches(dataset, { batchSize: 1, seed: 0 })
  assert.throws(() => TrainingBatches.restore(numbered([[1]]), state), /dataset of 1 groups, got one of 2/)
  assert.throws(() => TrainingBatches.restore(dataset, { ...state, position: 1 }), /the state is damaged/)
  assert.throws(() => TrainingBatches.restore(dataset, { ...state, epoch: 1, position: 3 }), /the state is damaged/)
  assert.throws(() => TrainingBatches.restore(dataset, { ...state, random: [0, 0, 0, 0] }), /random: expected a state/)
})

test.run()
