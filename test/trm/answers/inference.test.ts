// Inference: more steps, early halting that refills its slots, and noisy rollouts, the same for any batch size.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Batch, testBatches } from '../../../src/data/batches.js'
import { type Dataset, IGNORE_LABEL } from '../../../src/data/dataset.js'
import { generateSudoku } from '../../../src/data/sudoku.js'
import { SLOT_RESULTS } from '../../../src/kernels/supervision-loss.js'
import { Slots } from '../../../src/trm/slots.js'
import { DEFAULTS, type TrmConfig } from '../../../src/trm/config.js'
import { evaluate } from '../../../src/trm/answers/evaluate.js'
import { Trm } from '../../../src/trm/model.js'
import {
  checkInference,
  choose,
  countVotes,
  type SlotResult,
  infer,
  type InferenceOptions,
} from '../../../src/trm/answers/rollouts.js'
import { solve, type SolveOptions, type SolveStep } from '../../../src/trm/answers/solve.js'
import { train } from '../../../src/trm/training/train.js'
import { openEngine } from '../../engine-under-test.js'

const engine = await openEngine()
test.after(() => engine.close())

const { train: learned, test: data } = generateSudoku({ size: 4, train: 40, test: 13, clues: 9, seed: 1 })
const { vocabulary, cells, puzzles: identifiers } = data.metadata
const CONFIG: TrmConfig = {
  ...DEFAULTS,
  vocabulary,
  cells,
  puzzles: identifiers,
  hidden: 16,
  heads: 2,
  expansion: 1,
  cycles: 1,
  latentSteps: 2,
  supervisionSteps: 3,
  layers: 1,
  tokenMixing: true,
  positions: 'none',
  puzzleWidth: 16,
  prefix: 1,
}

/** A model after a short training: its answers differ between steps and puzzles, and half of the puzzles halt early. */
async function learner(config = CONFIG): Promise<Trm> {
  const model = Trm.create(engine, config, { seed: 2 })
  for await (const _ of train(model, learned, {
    batchSize: 16,
    steps: 36,
    logInterval: 36,
    learningRate: 4e-3,
    warmupSteps: 5,
    weightDecay: 0.1,
    emaRate: 0,
  }));
  return model
}
const model = await learner()

/** Each example of the data as a batch of its own. */
const rows: Batch[] = []
for await (const batch of testBatches(data, 1)) rows.push(batch)

/** Results of each puzzle of the data in `steps` steps, from one rollout without noise. */
async function resultsOf(of: Trm, steps: number): Promise<SlotResult[][]> {
  async function* tasks() {
    for (const [puzzle, { inputs, labels, puzzleIds }] of rows.entries())
      yield { inputs, labels, puzzleId: puzzleIds[0], puzzle, rollout: 0 }
  }
  const all: SlotResult[][] = []
  for await (const { task, results } of infer(of, tasks(), {
    count: 13,
    steps,
    halt: false,
    confidence: 0.5,
    noise: 0,
    seed: 0,
  }))
    all[task.puzzle] = results
  return all
}

/** Moves the halting head so that `share` of the puzzles halt after the first step. */
async function haltingFor(of: Trm, share: number): Promise<void> {
  const q = (await resultsOf(of, 1)).map(([{ q }]) => q).sort((a, b) => b - a)
  const at = Math.round(share * q.length)
  const bias = (await of.parameters.read()).get('haltHead.bias')!
  bias[0] -= (q[at - 1] + q[at]) / 2
  of.parameters.write('haltHead.bias', bias)
}
await haltingFor(model, 0.5)

const near = (a: number | null, b: number | null) => assert.ok(Math.abs(a! - b!) < 1e-6, `${a} is not ${b}`)

test('without options: every step of every puzzle, as computed by hand', async () => {
  const { supervisionSteps, cycles } = CONFIG
  const result = await evaluate(model, data, { batchSize: 5 })
  const sums = Array.from({ length: supervisionSteps }, () => new Array<number>(SLOT_RESULTS.length).fill(0))
  const slots = new Slots(model, 5)
  for await (const batch of testBatches(data, 5)) {
    slots.offer(batch)
    slots.haltAll()
    slots.restart()
    for (const sum of sums) {
      const results = await engine.read(
        engine.scope(() => {
          model.withoutGradient(slots.carry, model.embed(slots.inputs, slots.puzzleRows()), cycles)
          const { results } = slots.loss(model.heads(slots.carry.y), 'stablemax', 1)
          const kept = engine.lasting(results.shape)
          engine.copy(results, kept)
          return kept
        }),
      )
      for (let i = 0; i < batch.count * SLOT_RESULTS.length; i++) sum[i % SLOT_RESULTS.length] += results[i]
    }
  }
  slots.release()
  const column = (name: (typeof SLOT_RESULTS)[number]) => SLOT_RESULTS.indexOf(name)
  assert.equal(
    result.steps,
    sums.map((sum, k) => ({
      step: k + 1,
      exactAccuracy: sum[column('exact')] / 13,
      cellAccuracy: sum[column('accuracy')] / 13,
      qHaltAccuracy: sum[column('qHaltCorrect')] / 13,
      lmLoss: sum[column('lmLoss')] / 13,
    })),
  )
  assert.equal([result.examples, result.meanSteps, result.savedSteps], [13, 3, 0])
  assert.equal(
    [result.exactAccuracy, result.cellAccuracy],
    [result.steps[2].exactAccuracy, result.steps[2].cellAccuracy],
  )
})

/** The data with the labels of those rows alone. */
const labelling = (isLabelled: (row: number) => boolean): Dataset => ({
  ...data,
  labels: data.labels.map((label, i) => (isLabelled(Math.floor(i / cells)) ? label : IGNORE_LABEL)),
})

test('means are over the rows with labels; without labels there is no number', async () => {
  const ways: InferenceOptions[] = [
    {},
    { halt: true, steps: 5 },
    { rollouts: 2, noise: 0.4 },
    { rollouts: 3, noise: 0.4, vote: true, halt: true },
  ]
  const last = (row: number) => row === 12
  for (const options of ways) {
    const [all, head, half, one, none] = [
      await evaluate(model, data, options),
      await evaluate(model, data, { ...options, limit: 6 }),
      await evaluate(
        model,
        labelling(row => row < 6),
        options,
      ),
      await evaluate(model, labelling(last), { ...options, batchSize: 5 }),
      await evaluate(
        model,
        labelling(() => false),
        options,
      ),
    ]
    assert.equal(
      [all, head, half, one, none].map(({ examples, labelled }) => [examples, labelled]),
      [
        [13, 13],
        [6, 6],
        [13, 6],
        [13, 1],
        [13, 0],
      ],
    )
    // The rows with labels are the first six, and count as if there were no others.
    near(half.meanSteps, head.meanSteps)
    near(half.savedSteps, head.savedSteps)
    for (const [k, row] of half.steps.entries())
      for (const [name, value] of Object.entries(row)) near(value, head.steps[k][name as keyof typeof row])
    assert.ok([0, 1].includes(one.exactAccuracy!))
    assert.equal(none.steps.at(-1), {
      step: none.steps.length,
      exactAccuracy: null,
      cellAccuracy: null,
      qHaltAccuracy: null,
      lmLoss: null,
    })
    assert.equal([none.exactAccuracy, none.cellAccuracy, none.meanSteps, none.savedSteps], [null, null, null, null])
  }
})

test('a report of a training in which no puzzle with labels ended has no accuracy', async () => {
  const options = { batchSize: 4, steps: 3, logInterval: 3, warmupSteps: 1 }
  for await (const { count, accuracy, exactAccuracy, qHaltAccuracy, steps, lmLoss } of train(
    Trm.create(engine, CONFIG),
    labelling(() => false),
    options,
  )) {
    assert.equal([count, accuracy, exactAccuracy, qHaltAccuracy, steps, lmLoss], [0, null, null, null, null, 0])
  }
  for await (const { count, exactAccuracy } of train(Trm.create(engine, CONFIG), data, options))
    assert.ok(count > 0 && exactAccuracy! >= 0)
})

test('more steps begin with the same ones', async () => {
  const few = await evaluate(model, data)
  const many = await evaluate(model, data, { steps: 7 })
  assert.equal(many.steps.slice(0, 3), few.steps)
  assert.is(many.steps.length, 7)
  assert.is(many.meanSteps, 7)
})

test('early halting: each puzzle ends after its first q_halt that is sure enough, in any batch size', async () => {
  const steps = 5
  const all = await resultsOf(model, steps)
  const first = all.map(([{ q }]) => q).sort((a, b) => b - a)
  // 0.5 is the threshold of training; the other one lets only the surest puzzles halt.
  let least = 1
  for (const threshold of [0, (first[2] + first[3]) / 2]) {
    const lasts = all.map(results => {
      const first = results.findIndex(({ q }) => q > threshold)
      return first < 0 ? steps : first + 1
    })
    const mean = lasts.reduce((a, b) => a + b) / 13
    assert.ok(mean > least && mean < steps, `mean ${mean}`)
    least = mean
    for (const batchSize of [1, 4, 13, 64]) {
      const result = await evaluate(model, data, {
        steps,
        halt: true,
        ...(threshold ? { confidence: 1 / (1 + Math.exp(-threshold)) } : {}),
        batchSize,
      })
      near(result.meanSteps, mean)
      near(result.savedSteps, 1 - mean / steps)
      for (const [k, row] of result.steps.entries()) {
        const counted = all.map((results, puzzle) => results[Math.min(k + 1, lasts[puzzle]) - 1].scores)
        const share = (name: (typeof SLOT_RESULTS)[number]) =>
          counted.reduce((sum, results) => sum + results[SLOT_RESULTS.indexOf(name)], 0) / 13
        near(row.exactAccuracy, share('exact'))
        near(row.cellAccuracy, share('accuracy'))
        near(row.qHaltAccuracy, share('qHaltCorrect'))
        near(row.lmLoss, share('lmLoss'))
      }
    }
  }
})

test('slots never idle while puzzles wait: no more steps are dispatched than needed', async () => {
  const measured = async (options: InferenceOptions) => {
    await evaluate(model, data, { ...options, batchSize: 3 })
    const before = engine.stats.reads
    const { meanSteps } = await evaluate(model, data, { ...options, batchSize: 3 })
    // Three reads per step of the batch.
    return { steps: (engine.stats.reads - before) / 3, puzzleSteps: Math.round(13 * meanSteps!) }
  }
  const { steps, puzzleSteps } = await measured({ steps: 5, halt: true })
  assert.ok(
    steps >= puzzleSteps / 3 && steps <= puzzleSteps / 3 + 5,
    `${steps} steps of 3 slots for ${puzzleSteps} steps of puzzles`,
  )
})

test('rollouts: the same for any batch size, different for another seed; noise of 0 changes nothing', async () => {
  const options = { steps: 4, rollouts: 3, noise: 0.5, seed: 1, limit: 5 }
  const base = await evaluate(model, data, options)
  for (const batchSize of [1, 7, 15]) {
    const other = await evaluate(model, data, { ...options, batchSize })
    for (const [k, row] of other.steps.entries())
      for (const [name, value] of Object.entries(row)) near(value, base.steps[k][name as keyof typeof row])
  }
  assert.equal(await evaluate(model, data, options), base)
  assert.not.equal((await evaluate(model, data, { ...options, seed: 2 })).steps, base.steps)
  assert.not.equal((await evaluate(model, data, { ...options, noise: 0.4 })).steps, base.steps)
  assert.is(base.meanSteps, 4)
  const halting = await evaluate(model, data, { ...options, halt: true })
  assert.ok(halting.meanSteps! < 4 && halting.savedSteps! > 0)
  const voted = await evaluate(model, data, { ...options, vote: true })
  assert.is(voted.examples, 5)
})

const OTHERS: Record<string, TrmConfig> = {
  attention: { ...CONFIG, tokenMixing: false, positions: 'rope' },
  'the Hierarchical Reasoning Model': {
    ...CONFIG,
    architecture: 'hrm',
    highLayers: 1,
    tokenMixing: false,
    positions: 'rope',
    prefix: 0,
  },
  'one state': { ...CONFIG, architecture: 'single-z', latentSteps: 1 },
}

for (const [name, config] of Object.entries(OTHERS)) {
  test(`${name}: rollouts that halt early do not depend on the batch size either`, async () => {
    const other = Trm.create(engine, config, { seed: 4 })
    // q_halt depends on the answer, q_continue is a constant.
    const weight = Float32Array.from({ length: 2 * 16 }, (_, i) => (i < 16 ? Math.sin(i) : 0))
    other.parameters.write('haltHead.weight', weight)
    other.parameters.write('haltHead.bias', new Float32Array([0, config.architecture === 'hrm' ? 0.5 : 100]))
    const options = { rollouts: 2, noise: 0.3, halt: true, steps: 4, limit: 6 }
    const [one, many] = [
      await evaluate(other, data, { ...options, batchSize: 1 }),
      await evaluate(other, data, { ...options, batchSize: 12 }),
    ]
    near(one.meanSteps, many.meanSteps)
    for (const [k, row] of one.steps.entries())
      for (const [name, value] of Object.entries(row)) near(value, many.steps[k][name as keyof typeof row])
    const calm = await evaluate(other, data, { ...options, rollouts: 1, noise: 0 })
    assert.not.equal(
      calm.steps.map(({ lmLoss }) => lmLoss),
      one.steps.map(({ lmLoss }) => lmLoss),
    )
    for (const { q, halts } of (await resultsOf(other, 2)).flat())
      assert.is(halts, q > (config.architecture === 'hrm' ? 0.5 : 0))
  })
}

const resultOf = (q: number, ...answer: number[]): SlotResult => ({
  q,
  halts: q > 0,
  answer: Int32Array.from(answer),
  scores: new Float32Array(6),
})

test('the chosen rollout: the highest q or the most frequent answer, then the highest q, then the first', () => {
  const rollouts = [
    resultOf(1, 1, 2),
    resultOf(3, 9, 9),
    resultOf(0, 1, 2),
    resultOf(2, 1, 2),
    resultOf(2.5, 4, 4),
    resultOf(-1, 4, 4),
  ]
  assert.is(choose(rollouts, false), 1)
  assert.is(choose(rollouts, true), 3)
  assert.equal(countVotes(rollouts), [3, 1, 3, 3, 2, 2])
  assert.is(choose(rollouts.slice(3), true), 1)
  assert.is(choose([resultOf(1, 1), resultOf(1, 2)], true), 0)
  assert.is(choose([resultOf(1, 1), resultOf(1, 2)], false), 0)
})

async function steps(options: SolveOptions = {}, puzzle = data.inputs.slice(0, cells)): Promise<SolveStep[]> {
  const all: SolveStep[] = []
  for await (const step of solve(model, puzzle, options)) all.push(step)
  return all
}

test('solve: the same answers as infer', async () => {
  const all = await resultsOf(model, 5)
  for (const puzzle of [0, 7]) {
    const plain = await steps({ steps: 5 }, data.inputs.slice(puzzle * cells, (puzzle + 1) * cells))
    assert.equal(
      plain.map(({ answer }) => answer),
      all[puzzle].map(({ answer }) => answer.slice()),
    )
    for (const [k, { halt, rollout, votes, running }] of plain.entries()) {
      assert.ok(Math.abs(halt - 1 / (1 + Math.exp(-all[puzzle][k].q))) < 1e-5)
      assert.equal([rollout, votes, running], [0, 1, 1])
    }
    const halting = await steps({ steps: 5, halt: true }, data.inputs.slice(puzzle * cells, (puzzle + 1) * cells))
    const first = all[puzzle].findIndex(({ q }) => q > 0)
    assert.is(halting.length, first < 0 ? 5 : first + 1)
  }
})

test('solve: rollouts, their votes, and those that halt', async () => {
  const options = { steps: 4, rollouts: 8, noise: 0.6, seed: 3 }
  const base = await steps(options)
  assert.equal(await steps(options), base)
  assert.is(base.length, 4)
  for (const { rollout, votes, running } of base) assert.ok(rollout < 8 && votes >= 1 && votes <= 8 && running === 8)
  const voted = await steps({ ...options, vote: true })
  for (const [k, { votes }] of voted.entries()) assert.ok(votes >= base[k].votes)
  const halting = await steps({ ...options, steps: 30, halt: true })
  for (let k = 1; k < halting.length; k++) assert.ok(halting[k].running <= halting[k - 1].running)
  assert.ok(halting.at(-1)!.running === 0 || halting.length === 30)
  // The first rollouts do not change when there are more.
  const single = await steps({ ...options, rollouts: 1 })
  const of = async (rollouts: number) =>
    (await steps({ ...options, rollouts })).map(({ rollout, answer, halt }) =>
      rollout === 0 ? [answer, halt] : undefined,
    )
  for (const [k, found] of (await of(2)).entries()) if (found) assert.equal(found[0], single[k].answer)
})

test('invalid options', () => {
  const refused = (options: InferenceOptions) => {
    try {
      checkInference(model, options, 'evaluate')
    } catch (error) {
      return (error as Error).message
    }
    return 'nothing'
  }
  assert.is(refused({ steps: 0 }), 'evaluate: steps is 0, expected a whole number of 1 … 2147483647')
  assert.match(refused({ rollouts: 1.5, noise: 1 }), /rollouts is 1\.5, expected a whole number/)
  assert.match(refused({ seed: -1 }), /seed is -1/)
  assert.match(refused({ noise: -1 }), /noise is -1, expected a standard deviation of 0 or more/)
  assert.match(refused({ noise: NaN }), /noise is NaN/)
  assert.match(refused({ rollouts: 4 }), /4 rollouts without noise are the same 4 times — give noise, e\.g\. 0\.3/)
  assert.match(refused({ halt: true, confidence: 1 }), /confidence is 1, expected a share above 0 and below 1/)
  assert.match(
    refused({ confidence: 0.9 }),
    /confidence 0\.9 decides when a puzzle halts, and none halts — give halt too/,
  )
  assert.match(refused({ vote: true }), /a vote of 1 rollout is none — give rollouts/)
})

test('no memory is left, however inference ends', async () => {
  const all = { rollouts: 4, noise: 0.5, halt: true, steps: 6 }
  const once = async () => {
    await evaluate(model, data, { ...all, batchSize: 8 })
    await steps(all)
    for await (const _ of solve(model, data.inputs.slice(0, cells), all)) break
  }
  await once()
  const { bytes, buffers } = engine.stats
  await once()
  assert.equal([engine.stats.bytes, engine.stats.buffers], [bytes, buffers])
})

test('onAnswers: the last answer to each example once, without padding', async () => {
  const expected = await resultsOf(model, 3)
  const ways: [string, Parameters<typeof evaluate>[2]][] = [
    ['in step', { batchSize: 5 }],
    ['one by one', { batchSize: 5, halt: true, confidence: 1 - 1e-9 }],
    ['some', { batchSize: 5, limit: 7 }],
  ]
  for (const [name, options] of ways) {
    const seen = new Map<string, { predictions: Int32Array; q: number; id: number }>()
    const { exactAccuracy, examples } = await evaluate(model, data, {
      ...options,
      onAnswers({ inputs, predictions, puzzleIds, qHaltLogits }) {
        assert.equal([inputs.length, predictions.length], Array(2).fill(puzzleIds.length * cells))
        for (let i = 0; i < puzzleIds.length; i++) {
          const key = inputs.slice(i * cells, (i + 1) * cells).join()
          assert.not.ok(seen.has(key), `${name}: twice`)
          seen.set(key, {
            predictions: predictions.slice(i * cells, (i + 1) * cells),
            q: qHaltLogits[i],
            id: puzzleIds[i],
          })
        }
      },
    })
    assert.is(seen.size, examples, name)
    let exact = 0
    for (const [puzzle, { inputs, labels, puzzleIds }] of rows.slice(0, examples).entries()) {
      const { predictions, q, id } = seen.get(inputs.join())!
      const last = expected[puzzle].at(-1)!
      assert.equal([id, [...predictions]], [puzzleIds[0], [...last.answer]], name)
      assert.ok(Math.abs(q - last.q) < 1e-4, name)
      exact += Number(labels.every((label, cell) => label < 0 || label === predictions[cell]))
    }
    assert.ok(Math.abs(exact / examples - exactAccuracy!) < 1e-6, name)
  }
})

test.run()
