// The network's input: puzzle embedding slots, token embeddings and learned positions in one tensor; and the puzzle rows' gradient.
import forward from '../../shaders/input_embedding.wgsl'
import prefixSource from '../../shaders/prefix_gradient.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

export interface InputEmbeddingSize {
  batch: number
  /** Puzzle cells. */
  cells: number
  /** Slots of the puzzle embedding in front of the cells. */
  prefix: number
  width: number
  vocabulary: number
  /** Width of a puzzle's row; 0 where there is none. */
  puzzleWidth: number
  hasPositions: boolean
  factor: number
}

const count = ({ batch, cells: length, prefix, width }: InputEmbeddingSize) => batch * (prefix + length) * width

export const inputEmbedding = defineKernel<InputEmbeddingSize>({
  name: 'input_embedding',
  source: forward,
  bindings: { ids: 'read', tokens: 'read', puzzles: 'read', positions: 'read', x: 'write' },
  constants: size => ({
    THREADS,
    COUNT: count(size),
    LENGTH: size.cells,
    PREFIX: size.prefix,
    WIDTH: size.width,
    VOCABULARY: size.vocabulary,
    PUZZLE_WIDTH: size.puzzleWidth,
    HAS_POSITIONS: Number(size.hasPositions),
    FACTOR: size.factor,
  }),
  workgroups: size => grid(divideUp(count(size), THREADS)),
})

export const prefixGradient = defineKernel<InputEmbeddingSize & { accumulate: boolean }>({
  name: 'prefix_gradient',
  source: prefixSource,
  bindings: { dx: 'read', dPuzzles: 'write' },
  constants: ({ batch, puzzleWidth, prefix, cells: length, width, factor, accumulate }) => ({
    THREADS,
    COUNT: batch * puzzleWidth,
    PUZZLE_WIDTH: puzzleWidth,
    LENGTH: (prefix + length) * width,
    FACTOR: factor,
    ACCUMULATE: Number(accumulate),
  }),
  workgroups: ({ batch, puzzleWidth }) => grid(divideUp(batch * puzzleWidth, THREADS)),
})
