// The model's parameters: their number, initial values and seeds; and invalid configurations.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkConfig, innerWidth, lengthOf, prefixOf, type TrmConfig } from '../../src/trm/config.js'
import { parameterShapes, Trm } from '../../src/trm/model.js'
import { close, same } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { values } from '../shapes.js'
import { ATTENTION, BARE, LEARNED, OFFICIAL, TOKEN_MIXING } from './samples.js'

const engine = await openEngine()
test.after(() => engine.close())

const count = (config: TrmConfig) =>
  Object.values(parameterShapes(config)).reduce((sum, shape) => sum + shape.reduce((n, d) => n * d, 1), 0)

test('the official Sudoku networks have as many parameters as published', () => {
  assert.is(count(OFFICIAL['TRM-MLP']), 5_028_866)
  assert.is(count(OFFICIAL['TRM-Att']), 6_828_034)
})

test('sizes that follow from a configuration', () => {
  assert.equal(
    [512, 97, 32, 1].map(width => innerWidth(width, 4)),
    [1536, 512, 256, 256],
  )
  assert.equal([prefixOf(ATTENTION), prefixOf(LEARNED), prefixOf(BARE), lengthOf(OFFICIAL['TRM-MLP'])], [2, 2, 0, 97])
})

test('the width of a head is rounded down, as in the published code', () => {
  const of = (hidden: number, heads: number) =>
    parameterShapes({ ...ATTENTION, hidden, heads, puzzleWidth: 0, prefix: 0 })
  const shapesOf = (shapes: ReturnType<typeof of>) => [
    shapes['layers.0.attention.qkv'],
    shapes['layers.0.attention.output'],
  ]
  assert.equal(shapesOf(of(128, 12)), [
    [360, 128],
    [128, 120],
  ])
  assert.equal(shapesOf(of(512, 12)), [
    [1512, 512],
    [512, 504],
  ])
  assert.equal(shapesOf(of(16, 2)), [
    [48, 16],
    [16, 16],
  ])
})

test('a layer whose heads together are narrower than the layer', async () => {
  const config = { ...ATTENTION, hidden: 32, heads: 3, layers: 1, puzzleWidth: 0, prefix: 0 }
  const model = Trm.create(engine, config, { seed: 5 })
  const weights = await model.parameters.read()
  const [batch, length, width, headDim, inner] = [2, config.cells, 32, 10, innerWidth(32, 1)]
  const rows = batch * length
  const h = values(1, rows * width)
  const times = (x: ArrayLike<number>, name: string, n: number, k: number) =>
    oracle.matmul(x, weights.get(`layers.0.${name}`)!, { m: rows, n, k, transposeB: true })
  const heads = { batch, length, heads: 3, headDim }
  const turned = oracle.rope(times(h, 'attention.qkv', 90, width), heads, (position, i) =>
    oracle.ropeAngle(position, i, headDim, config.ropeTheta),
  )
  const seen = oracle.rmsnorm(times(oracle.attention(turned, heads), 'attention.output', width, 30), h, {
    width,
    epsilon: config.epsilon,
  })
  const truth = oracle.rmsnorm(
    times(oracle.swiglu(times(seen, 'mlp.gateUp', 2 * inner, width), { half: inner }), 'mlp.down', width, inner),
    seen,
    { width, epsilon: config.epsilon },
  )
  close('a layer', await engine.read(model.network(engine.from(h, [batch, length, width]))), truth, {
    scale: 4,
    depth: 4 * inner,
  })
})

test('initial σ: weights 1 / √in, embeddings 1 / √hidden, start states 1; the halting head begins at −5', async () => {
  for (const config of [
    { ...TOKEN_MIXING, hidden: 96, vocabulary: 50 },
    { ...LEARNED, hidden: 96, heads: 3, vocabulary: 50, cells: 40 },
  ]) {
    const model = Trm.create(engine, config, { seed: 3 })
    for (const [name, drawn] of await model.parameters.read()) {
      const shape = model.parameters.shapes[name]
      if (name === 'haltHead.weight') same(name, drawn, new Float32Array(2 * config.hidden))
      else if (name === 'haltHead.bias') same(name, drawn, [-5, -5])
      else deviates(name, drawn, 1 / Math.sqrt(shape[1]))
    }
    for (const start of [model.starts.y, model.starts.z]) deviates('start state', await engine.read(start), 1)
    same(
      'puzzle embedding',
      await engine.read(model.puzzleTable!),
      new Float32Array(config.puzzles * config.puzzleWidth),
    )
  }
})

/** Mean 0 and the expected deviation within four standard errors, and no value outside of the cut at ±2. */
function deviates(name: string, drawn: Float32Array, sigma: number): void {
  const n = drawn.length
  const mean = drawn.reduce((sum, x) => sum + x, 0) / n
  const deviation = Math.sqrt(drawn.reduce((sum, x) => sum + x * x, 0) / n)
  assert.ok(Math.abs(mean) < (4 * sigma) / Math.sqrt(n), `${name}: mean ${mean}`)
  assert.ok(
    Math.abs(deviation / sigma - 1) < 4 / Math.sqrt(2 * n),
    `${name}: deviation ${deviation}, expected ${sigma}`,
  )
  assert.ok(
    drawn.every(x => Math.abs(x) < 2.28 * sigma),
    `${name}: outside the cut`,
  )
}

test('the same seed gives the same values, another one different ones', async () => {
  const draw = async (seed?: number) => {
    const model = Trm.create(engine, ATTENTION, { seed })
    return {
      values: await engine.read(model.parameters.flat),
      y: await engine.read(model.starts.y),
      z: await engine.read(model.starts.z),
    }
  }
  const [a, b, c] = [await draw(7), await draw(7), await draw(8)]
  assert.equal(a, b)
  assert.not.equal(a.values, c.values)
  assert.not.equal(a.y, a.z)
  assert.equal(await draw(), await draw(0))
})

test('invalid configurations are refused, naming the field', () => {
  const cases: [Partial<TrmConfig>, RegExp][] = [
    [{ hidden: 0 }, /^config: hidden is 0, expected a whole number of 1 … 8192$/],
    [{ cells: 2.5 }, /^config: cells is 2.5/],
    [{ vocabulary: undefined }, /^config: vocabulary is undefined/],
    [{ exploration: 1.5 }, /^config: exploration is 1.5, expected a number of 0 … 1$/],
    [{ positions: 'sine' as 'rope' }, /^config: positions is "sine", expected rope, learned or none$/],
    [{ tokenMixing: 'maybe' as unknown as boolean }, /^config: tokenMixing is "maybe", expected true or false$/],
    [{ heads: [1] as unknown as number }, /^config: heads is \[1\], expected a whole number of 1 … 256$/],
    [{ heads: 3 }, /^config: heads is 3, 16 hidden values do not divide into heads of an even width$/],
    [{ heads: 16 }, /^config: heads is 16, 16 hidden values do not divide into heads of an even width$/],
    [{ heads: 17, positions: 'learned' }, /^config: heads is 17, 16 hidden values do not divide into heads$/],
    [
      { puzzleWidth: 100 },
      /^config: a puzzle embedding of width 100 does not fit a prefix of 2 × 16 values — raise prefix or set it to 0$/,
    ],
  ]
  for (const [change, message] of cases) assert.throws(() => checkConfig({ ...ATTENTION, ...change }), message)
  checkConfig({ ...TOKEN_MIXING, heads: 3 })
})

test.run()
