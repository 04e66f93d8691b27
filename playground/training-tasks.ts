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

/** Everything that one task fixes. */
export interface TrainingTask {
  title: string
  /** Undefined: the visitor brings a table. */
  data?: Extract<TrainingSetup['data'], { task: string }>
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
  {
    title: 'Sudoku 4×4',
    data: { task: 'sudoku', size: 4 },
    network: 'tiny',
    text: '3,000 puzzles with 5 clues, 500 held out.',
  },
  {
    title: 'Sudoku 6×6',
    data: { task: 'sudoku', size: 6 },
    network: 'small',
    text: '5,000 puzzles with 14 clues, 500 held out.',
  },
  {
    title: 'Sudoku 9×9',
    data: { task: 'sudoku', size: 9 },
    network: WIDE.name,
    text: '20,000 puzzles with 45 clues, 500 held out. It takes some seconds to make them.',
  },
  {
    title: 'Maze 7×7',
    data: { task: 'maze', size: 7 },
    network: 'small-attention',
    text: '2,000 mazes with one shortest path each, 200 held out.',
  },
  {
    title: 'Maze 11×11',
    data: { task: 'maze', size: 11 },
    network: 'small-attention',
    text: '2,000 mazes with one shortest path each, 200 held out.',
  },
  {
    title: 'Your own table',
    network: 'small',
    text: 'Sudokus or mazes; a tenth of the rows, 500 at most, is held out.',
  },
]
