// What can be learned in the page, and the networks that can learn it.
import { presets, type RunSettings } from '../src/trm/published/settings.js'
import type { TrainingSetup } from './protocol.js'

/** A network to choose, as a preset and the settings that differ from it. */
export interface Network {
  name: string
  about: string
  preset: string
  settings: Partial<RunSettings>
}

/** Puzzles that the page makes. */
type MadePuzzles = Extract<TrainingSetup['data'], { task: string }>

/** Puzzles to make: to learn from, held out, and clues where there are any. */
interface PuzzleCounts {
  train: number
  test: number
  clues?: number
}

const SUDOKUS: Record<number, PuzzleCounts> = {
  4: { train: 3000, test: 500, clues: 5 },
  6: { train: 5000, test: 500, clues: 14 },
  9: { train: 20_000, test: 500, clues: 45 },
}
const MAZES: PuzzleCounts = { train: 2000, test: 200 }

/** How many puzzles of a kind a training makes. */
export const puzzlesOf = ({ task, size }: MadePuzzles): PuzzleCounts => (task === 'sudoku' ? SUDOKUS[size] : MAZES)

/** Everything that one task fixes. */
export interface TrainingTask {
  title: string
  /** Undefined: the visitor brings a table. */
  data?: MadePuzzles
  /** Name of the network that suits it. */
  network: string
  /** About the puzzles. */
  text: string
}

/** Sudoku 9×9 needs more width than the presets for machines without a GPU have. */
const WIDE: Network = {
  name: 'wide',
  about: 'token-mixing MLP of width 128, e.g. for Sudoku 9×9',
  preset: 'small',
  settings: {
    steps: 1500,
    lr: 3e-3,
    lr_warmup_steps: 100,
    arch: { hidden_size: 128, puzzle_emb_ndim: 0, puzzle_emb_len: 0 },
  },
}

export const NETWORKS: readonly Network[] = [
  ...Object.entries(presets)
    .filter(([name]) => !name.startsWith('arc'))
    .map(([name, { about }]) => ({ name, about, preset: name, settings: {} })),
  WIDE,
]

export const TRAINING_TASKS: readonly TrainingTask[] = [
  sudokuTask(4, 'tiny'),
  sudokuTask(6, 'small'),
  sudokuTask(9, WIDE.name, ' It takes some seconds to make them.'),
  mazeTask(7),
  mazeTask(11),
  {
    title: 'Your own table',
    network: 'small',
    text: 'Sudokus or mazes; a tenth of the rows, 500 at most, is held out.',
  },
]

function sudokuTask(size: number, network: string, more = ''): TrainingTask {
  const data: MadePuzzles = { task: 'sudoku', size }
  const { train, test, clues } = puzzlesOf(data)
  const text = `${train.toLocaleString('en')} puzzles with ${clues} clues, ${test} held out.${more}`
  return { title: `Sudoku ${size}×${size}`, data, network, text }
}

function mazeTask(size: number): TrainingTask {
  const data: MadePuzzles = { task: 'maze', size }
  const { train, test } = puzzlesOf(data)
  const text = `${train.toLocaleString('en')} mazes with one shortest path each, ${test} held out.`
  return { title: `Maze ${size}×${size}`, data, network: 'small-attention', text }
}
