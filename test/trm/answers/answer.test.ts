// Answers to many puzzles at once: those of `solve` one by one, whatever the batch, with halting and rollouts too.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { generateSudoku } from '../../../src/data/sudoku.js'
import { answer, type AnswerOptions, type PuzzleAnswer } from '../../../src/trm/answers/answer.js'
import { solve, type SolveOptions, type SolveStep } from '../../../src/trm/answers/solve.js'
import { DEFAULTS } from '../../../src/trm/config.js'
import { Trm } from '../../../src/trm/model.js'
import { openEngine } from '../../engine-under-test.js'

const engine = await openEngine()
test.after(() => engine.close())

const { test: data } = generateSudoku({ size: 4, train: 2, test: 7, clues: 9, seed: 1 })
const { vocabulary, cells } = data.metadata
const model = Trm.create(
  engine,
  {
    ...DEFAULTS,
    vocabulary,
    cells,
    puzzles: 3,
    hidden: 16,
    heads: 2,
    expansion: 1,
    cycles: 1,
    latentSteps: 1,
    supervisionSteps: 3,
    tokenMixing: true,
    positions: 'none',
    puzzleWidth: 16,
    prefix: 1,
  },
  { seed: 2 },
)
engine.write(
  model.puzzleTable!,
  Float32Array.from({ length: 48 }, (_, i) => Math.sin(i)),
)
// The head's bias lets some rollouts halt at the first step, others later; the weights make it depend on the puzzle.
model.parameters.write(
  'haltHead.weight',
  Float32Array.from({ length: 32 }, (_, i) => 3 * Math.cos(7 * i)),
)
model.parameters.write('haltHead.bias', new Float32Array(2))

const rows = Array.from({ length: 7 }, (_, i) => data.inputs.slice(i * cells, (i + 1) * cells))
const ids = [0, 1, 2, 0, 1, 2, 1]

/** The last step of `solve`, and how many there were. */
async function solved(puzzle: ArrayLike<number>, options: SolveOptions): Promise<SolveStep> {
  let last: SolveStep | undefined
  for await (last of solve(model, puzzle, options));
  return last!
}

const plain = ({ answer, halt, ...rest }: PuzzleAnswer) => ({ answer: [...answer], halt, ...rest })

test('the answers are those of solve, whatever the batch and however the tokens come', async () => {
  const expected: ReturnType<typeof plain>[] = []
  for (const [i, puzzle] of rows.entries()) {
    const { answer, halt, step, rollout, votes } = await solved(puzzle, { puzzleId: ids[i] })
    expected.push({ answer: [...answer], halt, steps: step, rollout, votes })
  }
  assert.ok(new Set(expected.map(({ answer }) => answer.join())).size > 3, 'the answers differ')
  for (const puzzles of [rows, rows.map(row => [...row]), data.inputs, Uint8Array.from(data.inputs)])
    for (const batchSize of puzzles === rows ? [undefined, 1, 3] : [4])
      assert.equal((await answer(model, puzzles, { puzzleIds: ids, batchSize })).map(plain), expected)
})

test('with halting the slots take the next puzzle, and every answer keeps its own number of steps', async () => {
  const options = { halt: true, puzzleIds: ids }
  const answers = await answer(model, rows, { ...options, batchSize: 2 })
  for (const [i, puzzle] of rows.entries()) {
    const { step, halt } = await solved(puzzle, { halt: true, puzzleId: ids[i] })
    assert.equal([answers[i].steps, answers[i].halt], [step, halt], `${i}`)
  }
  assert.ok(new Set(answers.map(({ steps }) => steps)).size > 1, 'some halt earlier than others')
})

test('rollouts: the noise of a puzzle depends on its place alone', async () => {
  const options: AnswerOptions = { rollouts: 3, noise: 0.5, vote: true, puzzleIds: 2 }
  const all = (await answer(model, rows, options)).map(plain)
  assert.equal((await answer(model, rows, { ...options, batchSize: 4 })).map(plain), all)
  const { answer: first, votes, rollout } = await solved(rows[0], { rollouts: 3, noise: 0.5, vote: true, puzzleId: 2 })
  assert.equal([all[0].answer, all[0].votes, all[0].rollout], [[...first], votes, rollout])
})

test('no puzzles, progress, and what the answers leave behind', async () => {
  assert.equal(await answer(model, []), [])
  engine.trim()
  const { bytes } = engine
  const progress: number[][] = []
  await answer(model, rows, { batchSize: 3, onProgress: (...counts) => progress.push(counts) })
  assert.equal(progress.at(-1), [7, 7])
  assert.is(progress.length, 7)
  engine.trim()
  assert.is(engine.bytes, bytes)
})

test('what does not fit is refused with the puzzle and the cell', async () => {
  const wrong = (i: number, cell: number, token: number) =>
    rows.map((row, k) => row.map((id, at) => (k === i && at === cell ? token : id)))
  for (const [puzzles, options, message] of [
    [data.inputs.slice(1), {}, /^answer: 111 values are no whole puzzles, the model takes 16 cells each$/],
    [[rows[0], rows[1].slice(2)], {}, /^answer: puzzle 2: the puzzle has 14 cells, the model takes 16$/],
    [wrong(4, 2, 6), {}, /^answer: puzzle 5: token 6 at cell 3, the model knows 0 … 5$/],
    [[[...rows[0]].map((id, i) => (i ? id : 1.5))], {}, /^answer: puzzle 1: token 1.5 at cell 1/],
    [rows, { puzzleIds: [0, 1] }, /^answer: 2 puzzle ids for 7 puzzles, expected one for each, or one number$/],
    [rows, { puzzleIds: 3 }, /^answer: puzzle 1: puzzle id 3, the model knows 0 … 2$/],
    [rows, { batchSize: 0 }, /^answer: batchSize is 0, expected a whole number of at least 1$/],
    [rows, { noise: -1 }, /^answer: noise is -1/],
  ] as const) {
    const problem = await answer(model, puzzles, options).catch(error => error as Error)
    assert.match((problem as Error).message, message)
  }
})

test.run()
