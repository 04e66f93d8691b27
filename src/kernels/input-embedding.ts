// The input of the network, from puzzle embeddings, token embeddings and learned positions.
import forward from '../../shaders/input_embedding.wgsl'
import prefixSource from '../../shaders/prefix_gradient.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

const THREADS = 64

export interface InputEmbeddingSize {
  batch: number
  /** Puzzle cells. */
  cells: number
  /** Positions of the puzzle embedding in front of the cells. */
  prefix: number
  width: number
  vocabulary: number
  /** Width of the embedding of a puzzle; 0: there is none. */
  puzzleWidth: number
  hasPositions: boolean
  factor: number
}

const count = ({ batch, cells, prefix, width }: InputEmbeddingSize) => batch * (prefix + cells) * width

/** x, shape (batch, prefix + cells, width). */
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

/** The gradient of the puzzle embeddings, shape (batch, puzzleWidth). */
export const prefixGradient = defineKernel<InputEmbeddingSize & { accumulate: boolean }>({
  name: 'prefix_gradient',
  source: prefixSource,
  bindings: { dx: 'read', dPuzzles: 'write' },
  constants: ({ batch, puzzleWidth, prefix, cells, width, factor, accumulate }) => ({
    THREADS,
    COUNT: batch * puzzleWidth,
    PUZZLE_WIDTH: puzzleWidth,
    LENGTH: (prefix + cells) * width,
    FACTOR: factor,
    ACCUMULATE: Number(accumulate),
  }),
  workgroups: ({ batch, puzzleWidth }) => grid(divideUp(batch * puzzleWidth, THREADS)),
})
