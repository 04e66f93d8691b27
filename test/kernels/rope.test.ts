// Rotary positions: the table of angles, the turn of queries and keys, and the turn back.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { rope, ropeTable } from '../../src/engine/index.js'
import { close, printShares } from '../close.js'
import { checkGradients } from '../differences.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { MAGNITUDES, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

const theta = 10000
const SIZES = [
  { batch: 1, length: 1, heads: 1, headDim: 2 },
  { batch: 2, length: 7, heads: 3, headDim: 4 },
  { batch: 3, length: 33, heads: 1, headDim: 6 },
  { batch: 1, length: 97, heads: 2, headDim: 64 },
]
const count = ({ batch, length, heads, headDim }: (typeof SIZES)[number]) => batch * length * 3 * heads * headDim
const shape = (size: (typeof SIZES)[number]) => [size.batch, size.length, 3 * size.heads * size.headDim]

test('table', () => {
  for (const [length, headDim] of [
    [1, 2],
    [97, 64],
    [916, 64],
    [33, 6],
  ]) {
    const table = ropeTable(length, headDim, theta)
    const truth: number[] = []
    const scale: number[] = []
    for (let position = 0; position < length; position++) {
      for (let i = 0; i < headDim / 2; i++) {
        const angle = oracle.ropeAngle(position, i, headDim, theta)
        truth.push(Math.cos(angle), Math.sin(angle))
        // Frequency and angle are rounded to float32, as the published code does.
        scale.push(1 + angle, 1 + angle)
      }
    }
    close('rope table', table, truth, { scale })
  }
})

test('turns queries and keys, leaves values', async () => {
  for (const size of SIZES) {
    const table = ropeTable(size.length, size.headDim, theta)
    for (const magnitude of MAGNITUDES) {
      const x = values(1, count(size), magnitude)
      const ours = await engine.read(rope(engine.from(x, shape(size)), engine.from(table), size.heads))
      const angle = (position: number, i: number) => oracle.ropeAngle(position, i, size.headDim, theta)
      close('rope', ours, oracle.rope(x, size, angle), { scale: magnitude * (1 + size.length) })
      // The table's own angles are exact here, so the error of the angle is gone.
      const turn = (position: number, i: number) =>
        Math.atan2(table[position * size.headDim + 2 * i + 1], table[position * size.headDim + 2 * i])
      close('rope', ours, oracle.rope(x, size, turn), { scale: 2 * magnitude })
    }
  }
})

test('gradients', async () => {
  for (const size of SIZES) {
    const table = engine.from(ropeTable(size.length, size.headDim, theta))
    const angle = (position: number, i: number) => oracle.ropeAngle(position, i, size.headDim, theta)
    const inputs = [{ data: values(2, count(size)), shape: shape(size) }]
    await checkGradients(engine, 'rope', {
      inputs,
      ours: x => rope(x, table, size.heads),
      truth: x => oracle.rope(x, size, angle),
      depth: 1,
      c: 4 * (1 + size.length),
    })
  }
})

test('heads of odd width are refused', () => {
  assert.throws(
    () => rope(engine.zeros([1, 2, 18]), engine.zeros([2, 1, 2]), 2),
    /^rope: width 18 is not 3 × 2 heads of an even width/,
  )
})

test.run()
