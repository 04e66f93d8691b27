// Adaptive computation time: which slots halt, how exploration is spread, the sums; and the restart of halted slots.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { continueTarget, halt, type HaltSize, METRICS, resetState, swapData } from '../../src/kernels/slots.js'
import { SLOT_RESULTS } from '../../src/kernels/supervision-loss.js'
import { close, printShares, same } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { integers, uniform, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

interface Slots {
  /** Supervision steps of each slot so far. */
  steps: Uint32Array<ArrayBuffer>
  /** q_halt of each slot. */
  q: ArrayLike<number>
  /** q_continue of each slot. */
  qContinue?: ArrayLike<number>
  results?: Float32Array<ArrayBuffer>
  numbers?: Uint32Array<ArrayBuffer>
  metrics?: Float32Array<ArrayBuffer>
}

async function run(
  { steps, q, qContinue, results, numbers, metrics }: Slots,
  options: Omit<HaltSize, 'slots' | 'aboveContinue'> & { aboveContinue?: boolean },
  clock: [seed: number, step: number] = [0, 0],
) {
  const slots = steps.length
  const tensors = {
    q: engine.from(
      Float32Array.from({ length: 2 * slots }, (_, i) => (i % 2 ? (qContinue?.[(i - 1) / 2] ?? 7) : q[i / 2])),
    ),
    results: engine.from(results ?? new Float32Array(SLOT_RESULTS.length * slots)),
    clock: engine.from(new Uint32Array(clock)),
    numbers: engine.from(numbers ?? Uint32Array.from(steps, (_, i) => i)),
    steps: engine.from(steps),
    halted: engine.from(new Uint32Array(slots).fill(9)),
    metrics: engine.from(metrics ?? new Float32Array(METRICS.length)),
  }
  engine.dispatch(halt, tensors, { slots, aboveContinue: false, ...options })
  const all = {
    halted: await engine.readInt32(tensors.halted),
    steps: await engine.readInt32(tensors.steps),
    metrics: await engine.read(tensors.metrics),
  }
  engine.release(...Object.values(tensors))
  return all
}

const always = (count: number) => new Float32Array(count).fill(1)

/**
 * The least number of steps that exploration asks of each slot; 1 if it asks nothing.
 * It is the first count at which a slot with a positive q_halt halts.
 */
async function leastSteps(
  slots: number,
  maxSteps: number,
  exploration: number,
  clock: [number, number],
  numbers?: Uint32Array<ArrayBuffer>,
): Promise<number[]> {
  const least = new Array<number>(slots).fill(0)
  for (let done = 1; done <= maxSteps; done++) {
    const { halted } = await run(
      { steps: new Uint32Array(slots).fill(done - 1), q: always(slots), numbers },
      { maxSteps, exploration, training: true },
      clock,
    )
    halted.forEach((halts, i) => {
      if (halts && !least[i]) least[i] = done
      if (!halts && least[i]) throw new Error(`slot ${i} halts after ${least[i]} steps and not after ${done}`)
    })
  }
  return least
}

/** Each is a kernel of its own. */
const HALTING: readonly (readonly [slots: number, maxSteps: number, training: boolean])[] = [
  ...[1, 5, 63, 64, 65, 200].map(slots => [slots, 4, true] as const),
  [65, 1, true],
  [65, 1, false],
  [5, 4, false],
  [200, 4, false],
  [65, 16, true],
]

test('who halts, without exploration', async () => {
  for (const [slots, maxSteps, training] of HALTING) {
    const next = uniform(slots)
    const steps = Uint32Array.from({ length: slots }, () => Math.floor(next() * maxSteps))
    const q = values(slots, slots)
    const ours = await run({ steps, q }, { maxSteps, exploration: 0, training })
    same(
      'halt',
      ours.steps,
      steps.map(s => s + 1),
    )
    same(
      'halt',
      ours.halted,
      Array.from(steps, (s, i) => Number(oracle.halts({ steps: s + 1, qHalt: q[i], maxSteps, training, minSteps: 0 }))),
    )
  }
  const { halted } = await run(
    { steps: new Uint32Array(5), q: [0, -0, 1e-30, 1, -1] },
    { maxSteps: 4, exploration: 0, training: true },
  )
  same('halt, q = 0 goes on', halted.subarray(0, 2), [0, 0])
})

test('who halts where q_continue decides', async () => {
  const [slots, maxSteps] = [70, 4]
  const steps = Uint32Array.from(integers(5, slots, maxSteps))
  const [q, qContinue] = [values(6, slots), values(7, slots)]
  for (const training of [true, false]) {
    const { halted } = await run({ steps, q, qContinue }, { maxSteps, exploration: 0, training, aboveContinue: true })
    same(
      'halt, above q_continue',
      halted,
      Array.from(steps, (s, i) =>
        Number(oracle.halts({ steps: s + 1, qHalt: q[i], above: qContinue[i], maxSteps, training, minSteps: 0 })),
      ),
    )
  }
  const equal = await run(
    { steps: new Uint32Array(2), q: [2, -3], qContinue: [2, -3] },
    { maxSteps, exploration: 0, training: true, aboveContinue: true },
  )
  same('halt, equals go on', equal.halted, [0, 0])
})

test('what q_continue is to predict', async () => {
  for (const slots of [1, 64, 131]) {
    const maxSteps = 3
    const steps = Uint32Array.from(integers(8, slots, maxSteps))
    const q = values(9, 2 * slots, 6)
    q.set([1e4, -1e4].slice(0, 2))
    const targets = engine.zeros([slots])
    engine.dispatch(continueTarget, { nextQ: engine.from(q), steps: engine.from(steps), targets }, { slots, maxSteps })
    close(
      'continue_target',
      await engine.read(targets),
      Array.from(steps, (done, i) => oracle.continueTarget([q[2 * i], q[2 * i + 1]], { steps: done + 1, maxSteps })),
      { scale: 1 },
    )
  }
})

test('evaluation never explores, nor halts early', async () => {
  const { halted } = await run(
    { steps: Uint32Array.from([0, 1, 2, 3]), q: always(4) },
    { maxSteps: 4, exploration: 1, training: false },
  )
  same('halt', halted, [0, 0, 0, 1])
})

test('exploration: its share of the slots, least steps spread evenly over 2 … N', async () => {
  const [slots, maxSteps, exploration] = [6000, 8, 0.4]
  const least = await leastSteps(slots, maxSteps, exploration, [3, 11])
  const exploring = least.filter(n => n > 1)
  const sigma = Math.sqrt(slots * exploration * (1 - exploration))
  assert.ok(
    Math.abs(exploring.length - slots * exploration) < 4 * sigma,
    `${exploring.length} of ${slots} slots explore`,
  )
  const expected = exploring.length / (maxSteps - 1)
  let chi = 0
  for (let n = 2; n <= maxSteps; n++) chi += (exploring.filter(least => least === n).length - expected) ** 2 / expected
  // Six degrees of freedom: a share of 1e-4 lies beyond 27.9.
  assert.ok(chi < 27.9, `least steps are uneven: χ² = ${chi}`)
})

test('exploration: 0 is none, 1 is all, and each step, seed and slot draws anew', async () => {
  const slots = 2000
  assert.ok((await leastSteps(slots, 4, 0, [0, 0])).every(n => n === 1))
  assert.ok((await leastSteps(slots, 4, 1, [0, 0])).every(n => n >= 2))
  const explores = async (clock: [number, number]) =>
    (
      await run(
        { steps: new Uint32Array(slots), q: always(slots) },
        { maxSteps: 16, exploration: 0.3, training: true },
        clock,
      )
    ).halted.map(halts => 1 - halts)
  const base = await explores([7, 5])
  same('halt, again', await explores([7, 5]), base)
  const others = [await explores([7, 6]), await explores([8, 5]), base.map((_, i) => base[(i + 1) % slots])]
  const sigma = Math.sqrt(slots * 0.09 * 0.91)
  for (const other of others) {
    const both = base.reduce((sum, e, i) => sum + e * other[i], 0)
    assert.ok(
      Math.abs(both - slots * 0.09) < 4 * sigma,
      `${both} slots explore both times, ${slots * 0.09} would by chance`,
    )
  }
})

test('slots 4 … 7 in a chunk of their own behave as in the whole batch', async () => {
  const whole = await leastSteps(8, 16, 0.7, [1, 2])
  const chunks = [
    await leastSteps(4, 16, 0.7, [1, 2]),
    await leastSteps(4, 16, 0.7, [1, 2], Uint32Array.from([4, 5, 6, 7])),
  ]
  assert.equal(chunks.flat(), whole)
  assert.not.equal(chunks[0], chunks[1])
})

test('metrics are added up over the slots that halt and have labels, losses over all', async () => {
  for (const slots of [1, 5, 64, 200]) {
    const maxSteps = 4
    const steps = Uint32Array.from(integers(1, slots, maxSteps))
    const q = values(2, slots)
    const results = values(3, slots * SLOT_RESULTS.length).map((value, i) => {
      const name = SLOT_RESULTS[i % SLOT_RESULTS.length]
      if (name === 'labelled') return Math.floor(i / SLOT_RESULTS.length) % 3 ? 5 : 0
      return name === 'exact' || name === 'qHaltCorrect' ? Number(value > 0) : Math.abs(value)
    })
    const before = values(4, METRICS.length)
    const ours = await run({ steps, q, results, metrics: before }, { maxSteps, exploration: 0, training: true })
    const truth = Float64Array.from(before)
    for (let slot = 0; slot < slots; slot++) {
      const [lmLoss, qHaltLoss, labelled, accuracy, exact, qHaltCorrect, qContinueLoss] = results.subarray(
        7 * slot,
        7 * slot + 7,
      )
      if (
        labelled > 0 &&
        oracle.halts({ steps: steps[slot] + 1, qHalt: q[slot], maxSteps, training: true, minSteps: 0 })
      ) {
        for (const [i, value] of [1, accuracy, exact, qHaltCorrect, steps[slot] + 1].entries()) truth[i] += value
      }
      truth[5] += lmLoss
      truth[6] += qHaltLoss
      truth[7] += qContinueLoss
    }
    close('halt, metrics', ours.metrics, truth, { scale: 3 * slots, depth: slots })
  }
})

test('halted slots take the start state and the offered row; others keep theirs', async () => {
  for (const [slots, cells, width] of [
    [1, 1, 1],
    [5, 7, 3],
    [9, 81, 33],
    [66, 16, 5],
  ]) {
    const halted = integers(5, slots, 2)
    const mark = engine.from(Uint32Array.from(halted))
    const [start, state] = [values(6, width), values(7, slots * cells * width)]
    const carry = engine.from(state)
    engine.dispatch(
      resetState,
      { halted: mark, start: engine.from(start), state: carry },
      { slots, length: cells, width },
    )
    same(
      'reset_state',
      await engine.read(carry),
      state.map((value, i) => (halted[Math.floor(i / cells / width)] ? start[i % width] : value)),
    )

    const row = 2 * cells + 1
    const offered = integers(8, slots * row, 100)
    const old = {
      inputs: integers(9, slots * cells, 100),
      labels: integers(10, slots * cells, 100),
      puzzleIds: integers(11, slots, 100),
      steps: integers(12, slots, 16),
    }
    const tensors = {
      inputs: engine.from(old.inputs),
      labels: engine.from(old.labels),
      puzzleIds: engine.from(old.puzzleIds),
      steps: engine.from(Uint32Array.from(old.steps)),
    }
    engine.dispatch(swapData, { halted: mark, offered: engine.from(offered), ...tensors }, { slots, cells })
    same(
      'swap_data',
      await engine.readInt32(tensors.inputs),
      old.inputs.map((value, i) =>
        halted[Math.floor(i / cells)] ? offered[Math.floor(i / cells) * row + (i % cells)] : value,
      ),
    )
    same(
      'swap_data',
      await engine.readInt32(tensors.labels),
      old.labels.map((value, i) =>
        halted[Math.floor(i / cells)] ? offered[Math.floor(i / cells) * row + cells + (i % cells)] : value,
      ),
    )
    same(
      'swap_data',
      await engine.readInt32(tensors.puzzleIds),
      old.puzzleIds.map((value, i) => (halted[i] ? offered[i * row + 2 * cells] : value)),
    )
    same(
      'swap_data',
      await engine.readInt32(tensors.steps),
      old.steps.map((value, i) => (halted[i] ? 0 : value)),
    )
  }
})

test.run()
