// The configuration of a model without one, from the names and shapes of its tensors.
import type { StoredTensor } from '../../formats/safetensors.js'
import { shown } from '../../formats/shown.js'
import type { CheckpointOptions } from './checkpoint.js'
import { checkConfig, DEFAULTS, innerWidth, prefixOf, type TrmConfig } from '../config.js'
import { architectureOfTensors, OFFICIAL_FIELDS, officialName, officialTensor, PUZZLE_TABLE } from './names.js'
import { netsOf, recursionOf } from '../architectures.js'

type Tensors = ReadonlyMap<string, StoredTensor>
type Fields = Partial<TrmConfig>

/**
 * The configuration that tensors of official names belong to. Their names and shapes tell the architecture, the widths,
 * the layers, the kind of mixing, the puzzle table, learned positions, and an expansion that gives the same widths.
 * With token mixing or learned positions they also tell the length P + S, so that either prefix or cells is enough.
 * The rest must come from `config` or `fallback`.
 * @throws naming all fields that are missing, or the first that contradicts the tensors
 */
export function inferConfig(
  tensors: Tensors,
  { config: given = {}, fallback = {} }: Pick<CheckpointOptions, 'config' | 'fallback'> = {},
  name = 'checkpoint',
): TrmConfig {
  const facts = factsOf(tensors, name)
  const { told, length, puzzles, mixing } = facts
  checkContradictions(told, given, name)
  const { fixed } = recursionOf(told.architecture)
  const config: Fields = {
    ...fallback,
    ...given,
    ...told,
    ...fixed,
    puzzles: given.puzzles ?? puzzles ?? fallback.puzzles ?? 1,
  }
  if (mixing) config.positions ??= 'none'
  else if (config.positions === 'learned' && told.positions !== 'learned') delete config.positions
  if (length !== undefined) {
    if (given.cells !== undefined && given.prefix === undefined && !('prefix' in fixed))
      config.prefix = length - given.cells
    fitLength(config, length, name)
  }
  config.expansion = given.expansion ?? expansionOf(facts, fallback.expansion)
  const { heads, ...rest } = DEFAULTS
  if (mixing) config.heads ??= heads
  for (const field of ['exploration', 'epsilon', 'ropeTheta'] as const) config[field] ??= rest[field]
  // Where P + S is known, cells follows from the prefix.
  const missing = [...OFFICIAL_FIELDS]
    .filter(([field]) => config[field] === undefined && !(field === 'cells' && length !== undefined))
    .map(([, official]) => official)
  if (missing.length)
    throw new Error(
      `${name}: it holds no configuration, and its tensors do not tell ${missing.join(', ')}` +
        ` — give them, e.g. trm import --from … --config PRESET|F.yaml ${missing[0]}=…`,
    )
  return checkConfig(config as TrmConfig, officialName)
}

/** What the tensors of a model tell about its configuration. */
function factsOf(tensors: Tensors, name: string) {
  const shapeOf = (tensor: string): readonly number[] | undefined => {
    const shape = tensors.get(tensor)?.shape
    if (shape && shape.length !== 2)
      throw new Error(`${name}: tensor "${tensor}" has shape [${shape}], expected two axes`)
    return shape
  }
  const parameter = (ours: string) => shapeOf(officialTensor(ours))
  const tokens = parameter('tokens')
  if (!tokens) {
    const found = [...tensors.keys()].slice(0, 4).map(tensor => shown(tensor))
    throw new Error(
      `${name}: tensor "${officialTensor('tokens')}" is missing, ` +
        `expected a checkpoint of a Tiny Recursive Model — found ${found.join(', ') || 'no tensors'}`,
    )
  }
  const [vocabulary, hidden] = tokens
  const architecture = architectureOfTensors(tensors)
  const nets = netsOf(architecture)
  const layers = nets.map(net => {
    let count = 0
    while (parameter(`${net}.${count}.mlp.down`)) count++
    return [net, count] as const
  })
  const mixing = parameter(`${nets[0]}.0.mix.down`)
  const learned = parameter('positions')
  const table = shapeOf(PUZZLE_TABLE)
  return {
    /** Fields that the tensors tell. */
    told: {
      architecture,
      vocabulary,
      hidden,
      ...Object.fromEntries(layers),
      tokenMixing: mixing !== undefined,
      puzzleWidth: table?.[1] ?? 0,
      ...(learned ? { positions: 'learned' as const } : {}),
    },
    /** P + S, where a shape depends on it. */
    length: mixing?.[0] ?? learned?.[0],
    /** Rows of the puzzle table. */
    puzzles: table?.[0],
    hidden,
    /** Inner width of a SwiGLU over the values of a position. */
    inner: parameter(`${nets[0]}.0.mlp.down`)?.[1] ?? 0,
    /** (length, inner width) of a SwiGLU over the positions, with token mixing. */
    mixing,
  }
}

/** @throws naming the first given field that contradicts the tensors */
function checkContradictions(told: Fields, given: Fields, name: string): void {
  const contradiction = (field: keyof TrmConfig, tensorsSay: unknown): never => {
    const says = `the configuration says ${officialName(field)} is ${given[field]}, the tensors say ${tensorsSay}`
    throw new Error(`${name}: ${says} — leave it out, or take the file's own`)
  }
  for (const [field, value] of Object.entries(told) as [keyof TrmConfig, unknown][])
    if (given[field] !== undefined && given[field] !== value) contradiction(field, value)
  if (given.positions === 'learned' && told.positions !== 'learned') contradiction('positions', 'rope or none')
}

/** Fills in the cells of a known P + S. @throws when prefix and cells do not add up to it */
function fitLength(config: Fields, length: number, name: string): void {
  if (config.prefix === undefined) return
  const prefix = prefixOf(config as TrmConfig)
  config.cells ??= length - prefix
  const { cells } = config
  if (prefix + cells === length && cells >= 1) return
  throw new Error(
    `${name}: the tensors are for ${length} positions, the configuration has a prefix of ${prefix} and ${cells} cells` +
      ` — check ${officialName('prefix')} and ${officialName('cells')}`,
  )
}

/** An expansion that gives the inner widths of the tensors: any of them computes the same. Usual ones come first. */
function expansionOf(
  { hidden, inner, mixing }: Pick<ReturnType<typeof factsOf>, 'hidden' | 'inner' | 'mixing'>,
  fallback: number | undefined,
): number | undefined {
  const fits = (expansion: number) =>
    innerWidth(hidden, expansion) === inner && (!mixing || innerWidth(mixing[0], expansion) === mixing[1])
  const exact = [(1.5 * inner) / hidden, mixing && (1.5 * mixing[1]) / mixing[0]]
  return [fallback, DEFAULTS.expansion, 1, 2, 3, 8, ...exact].find(
    expansion => expansion !== undefined && fits(expansion),
  )
}
