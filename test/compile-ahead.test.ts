// Training, evaluation, solving and the bench compile their kernels in parallel, ahead of the first step.
// This runs on the null backend, because a software adapter takes minutes to compile kernels for GPUs.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { generateSudoku } from '../src/data/index.js'
import { DEFAULTS, type TrmConfig } from '../src/trm/config.js'
import { evaluate } from '../src/trm/answers/evaluate.js'
import { planMemory } from '../src/trm/training/memory.js'
import { Trm } from '../src/trm/model.js'
import { solve } from '../src/trm/answers/solve.js'
import { compareVariants } from '../bench/variants.js'
import { train } from '../src/trm/training/train.js'
import { openGpu } from '../src/node.js'
import { openAsHardware } from './engine-under-test.js'

const config: TrmConfig = {
  ...DEFAULTS,
  vocabulary: 6,
  cells: 16,
  puzzles: 1,
  hidden: 16,
  heads: 2,
  expansion: 1,
  layers: 1,
  cycles: 2,
  latentSteps: 1,
  supervisionSteps: 2,
  puzzleWidth: 16,
  prefix: 1,
}
const { train: examples, test: exam } = generateSudoku({ size: 4, train: 16, test: 10, clues: 8, seed: 0 })

test('evaluation and solving', async () => {
  for (const noise of [0, 0.1]) {
    const { engine, asked } = await openAsHardware(await openGpu({ adapter: 'null' }))
    const model = Trm.create(engine, config, { seed: 1 })
    const { sync } = asked
    const first = await evaluate(model, exam, { batchSize: 4, noise })
    assert.ok(asked.async > 5)
    assert.is(asked.sync, sync, 'nothing is left to compile')
    const made = asked.async
    assert.equal(await evaluate(model, exam, { batchSize: 4, noise }), first)
    assert.is(asked.async, made)
    for await (const { answer } of solve(model, exam.inputs.slice(0, 16), { noise })) assert.is(answer.length, 16)
    assert.is(asked.sync, sync)
    engine.close()
  }
})

test('training: nothing is left to compile but what a report asks for', async () => {
  const { engine, asked } = await openAsHardware(await openGpu({ adapter: 'null' }))
  const model = Trm.create(engine, config, { seed: 1 })
  const { sync } = asked
  // A report refuses the numbers of a backend that computes nothing.
  const told = await train(model, examples, { batchSize: 8, steps: 2 })
    .next()
    .then(
      () => '',
      ({ message }) => message as string,
    )
  assert.match(told, /^(train: .*not finite.*)?$/)
  assert.ok(asked.async > 15)
  // A dry run evaluates too, but compiles nothing.
  const { async } = asked
  const planned = planMemory(engine, config, { batchSize: 8 }).trainer.averaged
  assert.is((await evaluate(planned, exam, { batchSize: 4 })).examples, 10)
  assert.is(asked.async, async)
  assert.ok(asked.sync - sync <= 1, `${asked.sync - sync} pipelines were compiled while training`)
  engine.close()
})

test('the bench of variants', async () => {
  const opened: Awaited<ReturnType<typeof openAsHardware>>[] = []
  const open = async () => {
    opened.push(await openAsHardware(await openGpu({ adapter: 'null' })))
    return opened.at(-1)!.engine
  }
  const rows = await compareVariants({ open, only: ['matmul forward NT 1088×64×256'], sizes: ['small'], repeats: 1 })
  const [{ milliseconds }] = rows
  assert.ok(rows.length === 1 && Object.keys(milliseconds).length > 1)
  // One engine keeps the GPU warm, one measures. The case itself compiles at once, all other candidates in parallel.
  const [warming, measuring] = opened.map(({ asked }) => asked)
  assert.equal([opened.length, warming], [2, { sync: 1, async: 0 }])
  assert.ok(measuring.sync < measuring.async, `${measuring.sync} at once, ${measuring.async} in parallel`)
})

test.run()
