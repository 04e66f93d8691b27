// What page and worker say to each other: calls by name with argument, progress and result, and notices.
import type { Size } from '../bench/models.js'
import type { SuiteResult } from '../bench/suite.js'
import type { AdapterSummary } from '../src/engine/index.js'
import type { SolveOptions, SolveStep, TrmConfig, Verification } from '../src/index.js'
import type { RunSettings } from '../src/trm/published/settings.js'

/** Seconds between two states of a training that are kept in the browser. */
export const KEEP_SECONDS = 10

export interface GpuReport {
  adapter: AdapterSummary
  limits: Record<string, number>
}

/** A checkpoint to load; the fields are needed for files that hold no configuration. */
export interface ModelRequest {
  file: Blob
  name: string
  /** A preset of `trm/published/settings.ts` that it was trained with. */
  preset?: string
  /** Fields by official names. */
  fields?: Record<string, unknown>
}

export interface ModelSummary {
  name: string
  config: TrmConfig
  parameters: number
  metadata: Record<string, string>
}

/** A puzzle as token ids, and how to solve it. */
export interface SolveRequest {
  puzzle: number[]
  options: SolveOptions & { steps: number }
}

/** A new puzzle of `size` × `size` cells. */
export interface PuzzleRequest {
  task: 'sudoku' | 'maze'
  size: number
  /** Givens of a Sudoku. Default: as in the page's trainings. */
  clues?: number
  /** A maze of rooms between walls. Default false. */
  rooms?: boolean
  seed: number
}

/** What a training is about. */
export interface TrainingSetup {
  /** Words for people, e.g. "Sudoku 4×4". */
  title: string
  data: { task: 'sudoku' | 'maze'; size: number } | { file: string }
  /** A preset of `trm/published/settings.ts`, and the settings that differ from it. */
  preset: string
  settings: Partial<RunSettings>
  seed: number
}

/** A report of a training, as the curves show it. */
export interface TrainingPoint {
  step: number
  loss: number
  /** Share of the puzzles with labels that ended since the last report; null where none did. */
  exact: number | null
  /** Share of the held-out puzzles with labels; null in a report without evaluation. */
  heldOut: number | null
}

export type TrainingProgress =
  /** The training begins or goes on after `points`, whatever was reported before. */
  | {
      kind: 'began'
      setup: TrainingSetup
      parameters: number
      totalSteps: number
      step: number
      points: TrainingPoint[]
    }
  | { kind: 'report'; point: TrainingPoint; stepsPerSecond: number }
  | { kind: 'kept'; step: number }
  | { kind: 'state'; state: 'running' | 'paused' }

export interface TrainingEnd {
  step: number
  totalSteps: number
}

/** What is known of a kept training without reading all of it. */
export interface StoredSummary {
  setup: TrainingSetup
  step: number
  totalSteps: number
  /** Milliseconds since 1970. */
  savedAt: number
  points: TrainingPoint[]
}

export interface BenchRequest {
  /** Parts of the names of cases; all without any. */
  only: string[]
  sizes: Size[]
}

/** Everything that can be asked: argument, progress while it runs, result. */
export interface Calls {
  open: { argument: undefined; progress: never; result: GpuReport }
  load: {
    argument: ModelRequest
    progress: { received: number; total: number | undefined }
    result: ModelSummary | { needsConfig: string }
  }
  solve: { argument: SolveRequest; progress: SolveStep; result: { stopped: boolean } }
  /** More supervision steps of the last puzzle, after those that were computed. */
  solveFurther: { argument: { steps: number }; progress: SolveStep; result: { stopped: boolean } }
  stopSolving: { argument: undefined; progress: never; result: void }
  newPuzzle: { argument: PuzzleRequest; progress: never; result: number[] }
  train: { argument: { setup: TrainingSetup; file?: File }; progress: TrainingProgress; result: TrainingEnd }
  /** Seconds that a step of such a training takes; undefined when a training began meanwhile. */
  measureStep: { argument: { setup: TrainingSetup; file?: File }; progress: never; result: number | undefined }
  resumeTraining: { argument: undefined; progress: TrainingProgress; result: TrainingEnd }
  pauseTraining: { argument: { pause: boolean }; progress: never; result: void }
  stopTraining: { argument: undefined; progress: never; result: void }
  /** The trained model with averaged parameters: of the training that runs or ran last, else of the kept one. */
  checkpoint: { argument: undefined; progress: never; result: Uint8Array<ArrayBuffer> }
  stored: { argument: undefined; progress: never; result: StoredSummary | undefined }
  deleteStored: { argument: undefined; progress: never; result: void }
  verify: { argument: undefined; progress: { verification: Verification; total: number }; result: void }
  benchCases: { argument: undefined; progress: never; result: { name: string; size: Size }[] }
  bench: {
    argument: BenchRequest
    progress: { done: number; total: number; text: string }
    result: SuiteResult | undefined
  }
  stopBench: { argument: undefined; progress: never; result: void }
  /** Destroys the devices of model and training. */
  lose: { argument: undefined; progress: never; result: void }
}

export type CallName = keyof Calls

/** From the page. */
export interface Request<Name extends CallName = CallName> {
  id: number
  call: Name
  argument: Calls[Name]['argument']
}

/** From the worker. A notice is text for people about something that belongs to no call. */
export type Reply =
  | { id: number; progress: unknown }
  | { id: number; result: unknown }
  | { id: number; error: string }
  | { notice: string; isTrouble: boolean }
