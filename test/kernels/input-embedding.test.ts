// The input of the network: puzzle rows with padding, tokens and learned positions; the gradient of the puzzle rows.
import { test } from 'uvu'
import { inputEmbedding, prefixGradient } from '../../src/kernels/input-embedding.js'
import { close, printShares, same } from '../close.js'
import { openEngine } from '../engine-under-test.js'
import * as oracle from '../oracle.js'
import { integers, MAGNITUDES, values } from '../shapes.js'

const engine = await openEngine()
test.after(() => {
  engine.close()
  printShares()
})

const vocabulary = 11
/** batch, cells, prefix, width, width of a puzzle's row: none, narrower than its slots, as wide. */
const SIZES = [
  [1, 1, 0, 1, 0],
  [2, 5, 0, 7, 0],
  [3, 16, 2, 32, 48],
  [2, 81, 3, 33, 99],
  [1, 9, 1, 65, 3],
  [5, 7, 4, 31, 1],
]

test('input', async () => {
  for (const [batch, cells, prefix, width, puzzleWidth] of SIZES) {
    for (const learned of [false, true]) {
      for (const magnitude of MAGNITUDES) {
        const factor = Math.sqrt(width) * (learned ? 0.707106781 : 1)
        const ids = integers(1, batch * cells, vocabulary)
        const tokens = values(2, vocabulary * width, magnitude)
        const puzzles = puzzleWidth ? values(3, batch * puzzleWidth, magnitude) : undefined
        const positions = learned ? values(4, (prefix + cells) * width, magnitude) : undefined
        const table = engine.from(tokens)
        const x = engine.lasting([batch, prefix + cells, width])
        const bound = {
          ids: engine.from(ids),
          tokens: table,
          puzzles: puzzles ? engine.from(puzzles) : table,
          positions: positions ? engine.from(positions) : table,
          x,
        }
        engine.dispatch(inputEmbedding, bound, {
          batch,
          cells,
          prefix,
          width,
          vocabulary,
          puzzleWidth,
          hasPositions: learned,
          factor,
        })
        const truth = oracle.inputEmbedding(ids, tokens, puzzles, positions, {
          batch,
          cells,
          prefix,
          width,
          puzzleWidth,
          factor,
        })
        close('input_embedding', await engine.read(x), truth, { scale: 2 * factor * magnitude })
      }
    }
  }
})

test('gradient of the puzzle rows', async () => {
  for (const [batch, cells, prefix, width, puzzleWidth] of SIZES) {
    if (!puzzleWidth) continue
    const size = { batch, cells, prefix, width, vocabulary, puzzleWidth, hasPositions: false, factor: 3 }
    const dx = values(5, batch * (prefix + cells) * width)
    const before = values(6, batch * puzzleWidth)
    const truth = Float64Array.from(
      before,
      (_, i) => 3 * dx[Math.floor(i / puzzleWidth) * (prefix + cells) * width + (i % puzzleWidth)],
    )
    const tensors = { dx: engine.from(dx), dPuzzles: engine.from(before) }
    engine.dispatch(prefixGradient, tensors, { ...size, accumulate: true })
    close(
      'prefix_gradient',
      await engine.read(tensors.dPuzzles),
      truth.map((v, i) => v + before[i]),
      { scale: 4 },
    )
    engine.dispatch(prefixGradient, tensors, { ...size, accumulate: false })
    same('prefix_gradient', await engine.read(tensors.dPuzzles), truth.map(Math.fround))
  }
})

test.run()
