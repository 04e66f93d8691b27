// The configuration of a model: its fields, their checks, and the sizes that follow from them.
import type { DatasetIndex } from '../data/dataset.js'
import { shown } from '../formats/shown.js'
import { type Architecture, netsOf, recursionOf } from './architectures.js'

/** Everything that shapes a Tiny Recursive Model or a relative. The published code's names are in parentheses. */
export interface TrmConfig {
  /** `trm`, or a relative of `architectures.ts` (`arch.name`). */
  architecture: Architecture
  /** Token ids, 0 … vocabulary − 1 (`vocab_size`). */
  vocabulary: number
  /** Cells of a puzzle (`seq_len`). */
  cells: number
  /** Rows of the puzzle embedding (`num_puzzle_identifiers`). */
  puzzles: number
  /** Width of a position (`hidden_size`). */
  hidden: number
  /** Attention heads (`num_heads`). */
  heads: number
  /** SwiGLU expansion. */
  expansion: number
  /** Layers of the network (`L_layers`). */
  layers: number
  /** Layers of the second network, where the architecture has one (`H_layers`). */
  highLayers: number
  /** Recursion cycles T per supervision step (`H_cycles`); the last one carries the gradient. */
  cycles: number
  /** Latent steps n per cycle (`L_cycles`). */
  latentSteps: number
  /** Largest number of supervision steps N_sup (`halt_max_steps`). */
  supervisionSteps: number
  /** Probability that a training slot must go on for a random number of steps (`halt_exploration_prob`). */
  exploration: number
  /** Position encoding (`pos_encodings`). */
  positions: 'rope' | 'learned' | 'none'
  /** Mixes tokens with a SwiGLU over the positions instead of attention (`mlp_t`). */
  tokenMixing: boolean
  /** Width of a puzzle's embedding; 0: none (`puzzle_emb_ndim`). */
  puzzleWidth: number
  /** Positions of the puzzle embedding in front of the cells; 0: as many as its width needs (`puzzle_emb_len`). */
  prefix: number
  /** Added to the mean square in norms (`rms_norm_eps`). */
  epsilon: number
  /** Base of the rotary frequencies (`rope_theta`). */
  ropeTheta: number
}

/** The paper's network for Sudoku, without the fields that depend on the data. */
export const DEFAULTS: Omit<TrmConfig, 'vocabulary' | 'cells' | 'puzzles'> = {
  architecture: 'trm',
  hidden: 512,
  heads: 8,
  expansion: 4,
  layers: 2,
  highLayers: 0,
  cycles: 3,
  latentSteps: 6,
  supervisionSteps: 16,
  exploration: 0.1,
  positions: 'rope',
  tokenMixing: false,
  puzzleWidth: 512,
  prefix: 16,
  epsilon: 1e-5,
  ropeTheta: 10000,
}

/** Smallest and largest values, of whole numbers unless `fraction` is set. */
const RANGES: Partial<Record<keyof TrmConfig, [least: number, most: number, fraction?: true]>> = {
  vocabulary: [2, 65536],
  cells: [1, 65536],
  puzzles: [1, 2 ** 31 - 1],
  hidden: [1, 8192],
  heads: [1, 256],
  expansion: [0.01, 64, true],
  layers: [1, 64],
  highLayers: [0, 64],
  cycles: [1, 1000],
  latentSteps: [1, 1000],
  supervisionSteps: [1, 100000],
  exploration: [0, 1, true],
  puzzleWidth: [0, 65536],
  prefix: [0, 4096],
  epsilon: [0, 1, true],
  ropeTheta: [1, 1e9, true],
}

export function isNumber(value: unknown, least: number, most: number, fraction?: boolean): value is number {
  return typeof value === 'number' && value >= least && value <= most && (fraction || Number.isInteger(value))
}

/**
 * Checks a configuration, and sets the fields that its architecture ignores to their fixed values.
 * @param named returns what messages call a field. Default: its name here
 * @throws naming the first field that has a wrong type, is out of range or does not fit the others
 */
export function checkConfig(given: TrmConfig, named: (field: keyof TrmConfig) => string = field => field): TrmConfig {
  const config: TrmConfig = { ...given, ...recursionOf(given.architecture).fixed }
  const { architecture, hidden, positions, tokenMixing, puzzleWidth } = config
  const refuse = (field: keyof TrmConfig, rule: string) => {
    throw new Error(`config: ${named(field)} is ${shown(config[field])}, ${rule}`)
  }
  for (const [name, [least, most, fraction]] of Object.entries(RANGES)) {
    const field = name as keyof TrmConfig
    if (!isNumber(config[field], least, most, fraction))
      refuse(field, `expected a ${fraction ? '' : 'whole '}number of ${least} … ${most}`)
  }
  for (const net of netsOf(architecture)) if (config[net] < 1) refuse(net, `${architecture} needs at least 1`)
  if (architecture === 'hier6' && config.latentSteps > 6) refuse('latentSteps', 'hier6 has 6 latents and takes 1 … 6')
  if (!['rope', 'learned', 'none'].includes(positions)) refuse('positions', 'expected rope, learned or none')
  if (typeof tokenMixing !== 'boolean') refuse('tokenMixing', 'expected true or false')
  const width = headWidth(config)
  const even = positions === 'rope'
  if (!tokenMixing && (width < 1 || (even && width % 2))) {
    refuse('heads', `${hidden} hidden values do not divide into heads${even ? ' of an even width' : ''}`)
  }
  const prefix = prefixOf(config)
  if (puzzleWidth > prefix * hidden) {
    const misfit = `a puzzle embedding of width ${puzzleWidth} does not fit a prefix of ${prefix} × ${hidden} values`
    throw new Error(`config: ${misfit} — raise ${named('prefix')} or set it to 0`)
  }
  return config
}

/**
 * Width of an attention head, rounded down as in the published code. All heads together may be narrower than `hidden`.
 */
export function headWidth({ hidden, heads }: Pick<TrmConfig, 'hidden' | 'heads'>): number {
  return Math.floor(hidden / heads)
}

/** P: positions of the puzzle embedding. */
export function prefixOf({ prefix, puzzleWidth, hidden }: TrmConfig): number {
  return prefix > 0 ? prefix : Math.ceil(puzzleWidth / hidden)
}

/** L = P + S: positions of the network. */
export function lengthOf(config: TrmConfig): number {
  return prefixOf(config) + config.cells
}

/** Inner width of a SwiGLU over `width` values: 2/3 of the expansion, rounded up to a multiple of 256. */
export function innerWidth(width: number, expansion: number): number {
  return 256 * Math.ceil(Math.round((expansion * width * 2) / 3) / 256)
}

/** @throws when the dataset does not fit the model */
export function checkFit({ config }: { readonly config: TrmConfig }, { metadata }: DatasetIndex): void {
  const pairs = [
    ['cells per puzzle', metadata.cells, config.cells, metadata.cells === config.cells],
    ['token ids', metadata.vocabulary, config.vocabulary, metadata.vocabulary === config.vocabulary],
    [
      'puzzle identifiers',
      metadata.puzzles,
      config.puzzles,
      config.puzzleWidth === 0 || metadata.puzzles <= config.puzzles,
    ],
  ] as const
  for (const [what, given, expected, fits] of pairs) {
    if (!fits)
      throw new Error(
        `data and model do not fit: the data has ${given} ${what}, the model ${expected}` +
          ' — use the data that the model was made for',
      )
  }
}
