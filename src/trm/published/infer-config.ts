// The configuration of a model that comes without one, from the names and shapes of its tensors.
import type { StoredTensor } from '../../formats/safetensors.js'
import { shown } from '../../formats/shown.js'
import type { CheckpointOptions } from './checkpoint.js'
import { checkConfig, DEFAULTS, innerWidth, prefixOf, type TrmConfig } from '../config.js'
import { architectureOfTensors, OFFICIAL_FIELDS, officialName, officialTensor, PUZZLE_TABLE } from './names.js'
import { netsOf, recursionOf } from '../architectures.js'

/**
 * The configuration that tensors of official names belong to. Their names and shapes tell the architecture, the widths, the layers, the kind of mixing, the puzzle
 * table, learned positions and an expansion that gives the same widths; with token mixing or learned positions also the length
 * P + S, so that of puzzle slots and cells one is enough. The rest must come from `config` or `fallback`.
 * @throws naming all fields that are missing, or the first that contradicts the tensors
 */
export function inferConfig(
  tensors: ReadonlyMap<string, StoredTensor>,
  { config: given = {}, fallback = {} }: Pick<CheckpointOptions, 'config' | 'fallback'> = {},
  name = 'checkpoint',
): TrmConfig {
  const shapeOf = (tensor: string): readonly number[] | undefined => {
    const shape = tensors.get(tensor)?.shape
    if (shape && shape.length !== 2)
      throw new Error(`${name}: tensor "${tensor}" has shape [${shape}], expected two axes`)
    return shape
  }
  const parameter = (ours: string) => shapeOf(officialTensor(ours))
  const tokens = parameter('tokens')
  if (!tokens)
    throw new Error(
      `${name}: tensor "${officialTensor('tokens')}" is missing, expected a checkpoint of a Tiny Recursive Model — found ${
        [...tensors.keys()]
          .slice(0, 4)
          .map(tensor => shown(tensor))
          .join(', ') || 'no tensors'
      }`,
    )
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
  const length = mixing?.[0] ?? learned?.[0]
  const told: Partial<TrmConfig> = {
    architecture,
    vocabulary,
    hidden,
    ...Object.fromEntries(layers),
    tokenMixing: mixing !== undefined,
    puzzleWidth: table?.[1] ?? 0,
    ...(learned ? { positions: 'learned' } : {}),
  }
  const contradiction = (field: keyof TrmConfig, tensorsSay: unknown): never => {
    throw new Error(
      `${name}: the configuration says ${officialName(field)} is ${given[field]}, the tensors say ${tensorsSay} — leave it out, or take the file's own`,
    )
  }
  for (const [field, value] of Object.entries(told) as [keyof TrmConfig, unknown][])
    if (given[field] !== undefined && given[field] !== value) contradiction(field, value)
  if (given.positions === 'learned' && !learned) contradiction('positions', 'rope or none')

  const config: Partial<TrmConfig> = {
    ...fallback,
    ...given,
    ...told,
    ...recursionOf(architecture).fixed,
    puzzles: given.puzzles ?? table?.[0] ?? fallback.puzzles ?? 1,
  }
  if (mixing) config.positions ??= 'none'
  else if (config.positions === 'learned' && !learned) delete config.positions
  if (
    length !== undefined &&
    given.cells !== undefined &&
    given.prefix === undefined &&
    !('prefix' in recursionOf(architecture).fixed)
  )
    config.prefix = length - given.cells
  if (length !== undefined && config.cells === undefined && config.prefix !== undefined)
    config.cells = length - prefixOf(config as TrmConfig)
  const all =
    config.cells !== undefined && config.prefix !== undefined ? config.cells + prefixOf(config as TrmConfig) : undefined
  if (length !== undefined && all !== undefined && (all !== length || config.cells! < 1)) {
    throw new Error(
      `${name}: the tensors are for ${length} positions, the configuration has ${prefixOf(config as TrmConfig)} puzzle slots and ${config.cells} cells — check ${officialName('prefix')} and ${officialName('cells')}`,
    )
  }
  const inner = parameter(`${nets[0]}.0.mlp.down`)?.[1] ?? 0
  const fits = (expansion: number) =>
    innerWidth(hidden, expansion) === inner && (!mixing || innerWidth(mixing[0], expansion) === mixing[1])
  // Any expansion that gives these widths computes the same: the usual ones first.
  config.expansion =
    given.expansion ??
    [
      fallback.expansion,
      DEFAULTS.expansion,
      1,
      2,
      3,
      8,
      (1.5 * inner) / hidden,
      mixing && (1.5 * mixing[1]) / mixing[0],
    ].find(e => e !== undefined && fits(e))
  const { heads, ...rest } = DEFAULTS
  if (mixing) config.heads ??= heads
  for (const field of ['exploration', 'epsilon', 'ropeTheta'] as const) config[field] ??= rest[field]
  // Where the sum of slots and cells is known, the slots tell the cells.
  const missing = [...OFFICIAL_FIELDS]
    .filter(([field]) => config[field] === undefined && !(field === 'cells' && length !== undefined))
    .map(([, official]) => official)
  if (missing.length)
    throw new Error(
      `${name}: it holds no configuration, and its tensors do not tell ${missing.join(', ')} — give them, e.g. trm import --from … --config PRESET|F.yaml ${missing[0]}=…`,
    )
  return checkConfig(config as TrmConfig, officialName)
}
