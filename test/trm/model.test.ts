// The model's parameters: their number, their initial values and their seeds; and configurations that cannot be.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkConfig, innerWidth, lengthOf, slotCount, type TrmConfig } from '../../src/trm/config.js'
import { parameterShapes, Trm } from '../../src/trm/model.js'
import { same } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import { ATTENTION, BARE, LEARNED, OFFICIAL, TOKEN_MIXING } from './samples.js'

const engine = await openEngine()
test.after(() => engine.close())

const count = (config: TrmConfig) => Object.values(parameterShapes(config)).reduce((sum, shape) => sum + shape.reduce((n, d) => n * d, 1), 0)

test('the official Sudoku networks have as many parameters as published', () => {
  assert.is(count(OFFICIAL['TRM-MLP']), 5_028_866)
  assert.is(count(OFFICIAL['TRM-Att']), 6_828_034)
})

test('sizes that follow from a configuration', () => {
  assert.equal([512, 97, 32, 1].map(width => innerWidth(width, 4)), [1536, 512, 256, 256])
  assert.equal([slotCount(ATTENTION), slotCount(LEARNED), slotCount(BARE), lengthOf(OFFICIAL['TRM-MLP'])], [2, 2, 0, 97])
})

test('initial deviations: 1 / √in for weights, 1 / √hidden for embeddings, the halting head at −5, start states 1', async () => {
  for (const config of [{ ...TOKEN_MIXING, hidden: 96, vocabulary: 50 }, { ...LEARNED, hidden: 96, heads: 3, vocabulary: 50, cells: 40 }]) {
    const model = Trm.create(engine, config, { seed: 3 })
    for (const [name, drawn] of await model.parameters.read()) {
      const shape = model.parameters.shapes[name]
      if (name === 'haltHead.weight') same(name, drawn, new Float32Array(2 * config.hidden))
      else if (name === 'haltHead.bias') same(name, drawn, [-5, -5])
      else deviates(name, drawn, 1 / Math.sqrt(shape[1]))
    }
    for (const start of [model.starts.y, model.starts.z]) deviates('start state', await engine.read(start), 1)
    same('puzzle embedding', await engine.read(model.puzzleTable!), new Float32Array(config.puzzles * config.puzzleWidth))
  }
})

/** Mean 0 and the asked deviation, within four standard errors; nothing beyond the cut at ±2. */
function deviates(name: string, drawn: Float32Array, sigma: number): void {
  const n = drawn.length
  const mean = drawn.reduce((sum, x) => sum + x, 0) / n
  const deviation = Math.sqrt(drawn.reduce((sum, x) => sum + x * x, 0) / n)
  assert.ok(Math.abs(mean) < (4 * sigma) / Math.sqrt(n), `${name}: mean ${mean}`)
  assert.ok(Math.abs(deviation / sigma - 1) < 4 / Math.sqrt(2 * n), `${name}: deviation ${deviation}, expected ${sigma}`)
  assert.ok(drawn.every(x => Math.abs(x) < 2.28 * sigma), `${name}: beyond the cut`)
}

test('the same seed gives the same values, another one others', async () => {
  const draw = async (seed?: number) => {
    const model = Trm.create(engine, ATTENTION, { seed })
    return { values: await engine.read(model.parameters.flat), y: await engine.read(model.starts.y), z: await engine.read(model.starts.z) }
  }
  const [a, b, c] = [await draw(7), await draw(7), await draw(8)]
  assert.equal(a, b)
  assert.not.equal(a.values, c.values)
  assert.not.equal(a.y, a.z)
  assert.equal(await draw(), await draw(0))
})

test('configurations that cannot be are refused, naming the field', () => {
  const cases: [Partial<TrmConfig>, RegExp][] = [
    [{ hidden: 0 }, /^config: hidden is 0, expected a whole number of 1 … 8192$/],
    [{ cells: 2.5 }, /^config: cells is 2.5/],
    [{ vocabulary: undefined }, /^config: vocabulary is undefined/],
    [{ exploration: 1.5 }, /^config: exploration is 1.5, expected a number of 0 … 1$/],
    [{ positions: 'sine' as 'rope' }, /^config: positions is "sine", expected rope, learned or none$/],
    [{ heads: 3 }, /^config: 16 hidden values do not divide into 3 heads of an even width$/],
    [{ heads: 16 }, /^config: 16 hidden values do not divide into 16 heads of an even width$/],
    [{ puzzleWidth: 100 }, /^config: a puzzle embedding of width 100 does not fit 2 slots of 16/],
  ]
  for (const [change, message] of cases) assert.throws(() => checkConfig({ ...ATTENTION, ...change }), message)
  checkConfig({ ...TOKEN_MIXING, heads: 3 })
})

test.run()
