// Whole applications of a network: every variant against the oracles of its parts, and the kernel with other workgroups than this adapter's own.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Engine, ropeTable, type Tensor, tune } from '../../src/engine/index.js'
import { Variants } from '../../src/engine/variants.js'
import { add } from '../../src/kernels/add.js'
import { network, type NetworkSize, planNetwork } from '../../src/kernels/network.js'
import { fusedNetwork, offerFusedNetwork } from '../../src/trm/fused-network.js'
import { layerShapes, type LayerSizes, networkFamily } from '../../src/trm/network.js'
import { close, printShares } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { values } from '../shapes.js'

offerFusedNetwork()
const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

const epsilon = 1e-5
const theta = 10000

interface Case extends LayerSizes {
  batch: number
  layers: number
  times: number
  hasInjection: boolean
  turns: boolean
}

const mixing = { heads: 0, turns: false }
const attentive = { mixInner: 0 }
const CASES: Record<string, Case> = {
  'mixing, as the bench has it': { ...mixing, batch: 3, length: 17, width: 64, inner: 256, mixInner: 256, layers: 2, times: 2, hasInjection: true },
  'mixing, one value': { ...mixing, batch: 2, length: 1, width: 1, inner: 1, mixInner: 1, layers: 1, times: 1, hasInjection: false },
  'mixing, nothing divides': { ...mixing, batch: 2, length: 7, width: 33, inner: 10, mixInner: 13, layers: 2, times: 3, hasInjection: true },
  'mixing, more columns than threads': { ...mixing, batch: 1, length: 5, width: 270, inner: 12, mixInner: 30, layers: 1, times: 1, hasInjection: true },
  'attention, turned': { ...attentive, batch: 3, length: 18, width: 32, heads: 2, inner: 256, layers: 2, times: 2, hasInjection: true, turns: true },
  'attention, one head': { ...attentive, batch: 2, length: 13, width: 16, heads: 1, inner: 20, layers: 1, times: 1, hasInjection: false, turns: false },
  'attention, nothing divides': { ...attentive, batch: 2, length: 11, width: 21, heads: 7, inner: 9, layers: 2, times: 2, hasInjection: true, turns: false },
  'attention, longer than a block of queries': { ...attentive, batch: 1, length: 70, width: 24, heads: 2, inner: 40, layers: 1, times: 1, hasInjection: true, turns: true },
}

/** Weights of standard deviation about 1 / √in side by side, with gaps between them as parameters have. */
function weightsOf(sizes: Case) {
  const weights = new Map<string, Float32Array>()
  const starts: number[] = []
  let stride = 0
  const flat: number[] = new Array<number>(64).fill(9)
  for (let k = 0; k < sizes.layers; k++) {
    if (k === 1) stride = flat.length - starts[0]
    for (const [i, [name, shape]] of Object.entries(layerShapes(sizes)).entries()) {
      if (k === 0) starts.push(flat.length)
      const drawn = values(100 * k + i, shape[0] * shape[1], Math.sqrt(3 / shape[1]))
      weights.set(`${k}.${name}`, drawn)
      flat.push(...drawn)
      while (flat.length % 64) flat.push(9)
    }
  }
  return { weights, flat: Float32Array.from(flat), starts, stride }
}

/** In float64, from the oracles of the parts. */
function truth(start: Float32Array, injection: Float32Array, sizes: Case, weights: ReadonlyMap<string, Float32Array>): Float64Array {
  const { batch, length, width, heads, inner, mixInner, layers, times, hasInjection, turns } = sizes
  const rows = batch * length
  let h: Float64Array = Float64Array.from(start)
  for (let time = 0; time < times; time++) {
    if (hasInjection) h = oracle.add(h, injection)
    for (let k = 0; k < layers; k++) {
      const weight = (name: string) => weights.get(`${k}.${name}`)!
      if (heads) {
        const shape = { batch, length, heads, headDim: width / heads }
        const qkv = oracle.matmul(h, weight('attention.qkv'), { m: rows, n: 3 * width, k: width, transposeB: true })
        const seen = oracle.attention(turns ? oracle.rope(qkv, shape, (position, i) => oracle.ropeAngle(position, i, shape.headDim, theta)) : qkv, shape)
        h = oracle.rmsnorm(oracle.matmul(seen, weight('attention.output'), { m: rows, n: width, k: width, transposeB: true }), h, { width, epsilon })
      } else {
        const gates = oracle.matmul(weight('mix.gateUp'), h, { m: 2 * mixInner, n: width, k: length, batch, sharedA: true })
        const mixed = oracle.matmul(weight('mix.down'), oracle.swiglu(gates, { half: mixInner, inner: width }), { m: length, n: width, k: mixInner, batch, sharedA: true })
        h = oracle.rmsnorm(mixed, h, { width: length, inner: width, epsilon })
      }
      const gates = oracle.matmul(h, weight('mlp.gateUp'), { m: rows, n: 2 * inner, k: width, transposeB: true })
      h = oracle.rmsnorm(oracle.matmul(oracle.swiglu(gates, { half: inner }), weight('mlp.down'), { m: rows, n: width, k: inner, transposeB: true }), h, { width, epsilon })
    }
  }
  return h
}

function prepare(sizes: Case) {
  const { batch, length, width, heads, turns } = sizes
  const [h, injection] = [1, 2].map(seed => values(seed, batch * length * width))
  const { weights, flat, starts, stride } = weightsOf(sizes)
  const size: NetworkSize = { ...sizes, epsilon, starts, stride }
  const headDim = width / heads
  const w = engine.from(flat)
  const state = engine.from(h, [batch, length, width])
  return { size, exact: truth(h, injection, sizes, weights), tensors: { h: state, y: state, injection: engine.from(injection, state.shape), weights: w, singles: w, table: turns ? engine.from(ropeTable(length, headDim, theta)) : w } }
}

/** Every application and every layer in it ends in values around one, and may double the error of what it was given. */
async function check(name: string, ours: Tensor, exact: Float64Array, { width, inner, layers, times }: Case): Promise<void> {
  close(name, await engine.read(ours), exact, { scale: 2 ** (layers * times - 1), depth: width + inner })
}

for (const { name, available } of networkFamily.variants) {
  test(`variant ${name}`, async () => {
    for (const [label, sizes] of Object.entries(CASES)) {
      const { size, exact, tensors } = prepare(sizes)
      assert.ok(available(engine.adapter, size))
      const run = networkFamily.variants.find(variant => variant.name === name)!.run
      // Into another tensor, which leaves the first as it is, then in place.
      const y = engine.zeros([exact.length])
      engine.scope(() => run(engine, { ...tensors, y: y.reshape(tensors.h.shape) }, size))
      await check(`network ${name}, ${label}`, y, exact, sizes)
      engine.scope(() => run(engine, tensors, size))
      assert.equal(await engine.read(tensors.h), await engine.read(y), label)
    }
  })
}

for (const [where, bytes, threads] of [['workgroup memory', 32768, 256], ['scratch', 16, 32]] as const) {
  test(`${threads} threads, sequences in ${where}`, async () => {
    for (const [label, sizes] of Object.entries(CASES)) {
      const { size, exact, tensors } = prepare(sizes)
      const plan = planNetwork(size, Math.min(bytes, engine.adapter.workgroupBytes), threads)
      assert.is(plan.local === 1, where === 'scratch', label)
      engine.run(network, { ...tensors, scratch: engine.zeros([sizes.batch * plan.area]) }, { ...size, ...plan })
      await check(`network by ${threads}, ${label}`, tensors.h, exact, sizes)
    }
  })
}

test('parts of a sum, in chunks of any size', async () => {
  for (const label of ['mixing, nothing divides', 'attention, nothing divides']) {
    const sizes = CASES[label]
    for (const [chunk, mixChunk, queries] of [[1, 1, 1], [3, 5, 4], [8, 12, 10]]) {
      const { size, exact, tensors } = prepare(sizes)
      const plan = planNetwork(size, 32768, 64)
      const parts = { chunk, mixChunk, queries: Math.min(queries, sizes.length) }
      const packed = sizes.heads ? 3 * sizes.width / sizes.heads * sizes.length + (sizes.length + 1) * parts.queries : mixChunk * sizes.width
      const area = 2 * sizes.length * plan.pitch + Math.max(packed, chunk * sizes.length)
      engine.run(network, { ...tensors, scratch: engine.zeros([1]) }, { ...size, ...plan, ...parts, area })
      await check(`network in chunks, ${label}`, tensors.h, exact, sizes)
    }
  }
})

test('tensors of float16: the kernel rounds its result alone', async () => {
  if (!engine.adapter.features.includes('shader-f16')) return console.log('skipped: float16, this adapter has no shader-f16')
  for (const label of ['mixing, as the bench has it', 'attention, turned']) {
    const sizes = CASES[label]
    const { size, tensors } = prepare(sizes)
    const half = (tensor: Tensor) => {
      const rounded = engine.tensor(tensor.shape, 'f16')
      engine.run(add, { a: tensor, b: tensor, y: rounded }, { count: tensor.size, countB: 0, accumulate: false })
      return rounded
    }
    const [h, injection, weights] = [tensors.h, tensors.injection, tensors.weights].map(half)
    const [start, added, flat] = await Promise.all([h, injection, weights].map(tensor => engine.read(tensor)))
    const named = new Map<string, Float32Array>()
    for (let k = 0; k < sizes.layers; k++) {
      for (const [i, [name, shape]] of Object.entries(layerShapes(sizes)).entries()) {
        const from = size.starts[i] + k * size.stride
        named.set(`${k}.${name}`, flat.slice(from, from + shape[0] * shape[1]))
      }
    }
    const exact = truth(start, added, sizes, named)
    fusedNetwork.run(engine, { h, y: h, injection, weights, table: sizes.turns ? tensors.table : weights }, { ...size, half: true })
    // A unit of rounding of float16 is 2^13 of float32's; the values are below 8.
    close(`network in float16, ${label}`, await engine.read(h), exact, { scale: 8, c: 2 ** 13 })
  }
})

test('on a GPU the tuner measures the kernel, and its choice runs', async () => {
  const adapter = { ...engine.adapter, isSoftware: false }
  const pretended = Object.assign(Object.create(engine) as Engine, { adapter, variants: new Variants(adapter) })
  const sizes = CASES['attention, one head']
  const { size, exact, tensors } = prepare(sizes)
  assert.equal(engine.variants.candidates(networkFamily, size).map(({ name }) => name), ['composed'])
  assert.is(pretended.variants.pick(networkFamily, size).name, 'composed')
  const asked = pretended.variants.asked
  const [{ key, variant, milliseconds }] = await tune(pretended, { asked, repeats: 1 })
  assert.equal(Object.keys(milliseconds), ['composed', 'fused'])
  assert.is(pretended.variants.pick(networkFamily, size).name, variant)
  pretended.variants.adopt({ [key]: 'fused' })
  engine.scope(() => pretended.variants.pick(networkFamily, size).run(pretended, tensors, size))
  assert.is(pretended.variants.used[key], 'fused')
  await check('network fused, adopted', tensors.h, exact, sizes)
})

test.run()
