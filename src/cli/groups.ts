// The published groups of fields that `arch=NAME` and `defaults: [arch: NAME]` choose, from config/arch/NAME.yaml.
import { isRecord } from '../formats/json.js'
import { printable, shown } from '../formats/shown.js'
import { type RunSettings } from '../trm/published/settings.js'

/** Fields that all groups share. */
const SHARED = {
  loss: { name: 'losses@ACTLossHead', loss_type: 'stablemax_cross_entropy' },
  halt_exploration_prob: 0.1,
  halt_max_steps: 16,
  hidden_size: 512,
  num_heads: 8,
  expansion: 4,
  puzzle_emb_ndim: '${.hidden_size}',
  pos_encodings: 'rope',
  // Not in the published file: it is the default of the class.
  forward_dtype: 'bfloat16',
}

const recursive = (module: string) => ({
  name: `recursive_reasoning.${module}@TinyRecursiveReasoningModel_ACTV1`,
  ...SHARED,
  H_cycles: 3,
  L_cycles: 6,
  H_layers: 0,
  L_layers: 2,
  mlp_t: false,
  puzzle_emb_len: 16,
  no_ACT_continue: true,
})

const HIERARCHICAL = { ...SHARED, H_cycles: 2, L_cycles: 2, H_layers: 4, L_layers: 4 }

/** The groups of TinyRecursiveModels by name, and `hrm_v1` of HRM. */
export const GROUPS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  trm: recursive('trm'),
  trm_singlez: recursive('trm_singlez'),
  trm_hier6: recursive('trm_hier6'),
  hrm: { name: 'recursive_reasoning.hrm@HierarchicalReasoningModel_ACTV1', ...HIERARCHICAL, mlp_t: false },
  transformers_baseline: {
    name: 'recursive_reasoning.transformers_baseline@Model_ACTV2',
    ...SHARED,
    H_cycles: 1,
    H_layers: 8,
    num_heads: 12,
  },
  hrm_v1: { name: 'hrm.hrm_act_v1@HierarchicalReasoningModel_ACTV1', ...HIERARCHICAL },
}

/** An entry of a file's defaults list: a group by name, or the file's own fields. */
export type Layer = { group: string } | 'self'

/**
 * The defaults list of a file, as hydra reads it: without `_self_`, the file's own fields come last.
 * @throws on entries that cannot be read here; the message says what to write instead
 */
export function defaultsList(given: unknown): Layer[] {
  if (given === undefined || given === null) return ['self']
  const refuse = (what: string): never => {
    throw new Error(`defaults ${what}`)
  }
  if (!Array.isArray(given)) return refuse(`is ${shown(given)}, expected a list such as [arch: trm, _self_]`)
  const layers = given.flatMap((entry): Layer[] => {
    if (entry === '_self_') return ['self']
    const pairs = isRecord(entry) ? Object.entries(entry) : []
    const [key, value] = pairs.length === 1 ? pairs[0] : [undefined, entry]
    const group = key?.replace(/^(?:optional|override) +/, '').replace(/^\//, '')
    // These configure hydra's own logging and launching.
    if (group?.startsWith('hydra/')) return []
    const remedy = 'copy its fields into this file'
    if (group === undefined) return refuse(`names ${shown(value)}, and files beside this one are not read — ${remedy}`)
    if (group !== 'arch')
      return refuse(`chooses ${shown(key)}: ${shown(value)}, and the only group known here is arch — ${remedy}`)
    if (value === null) return []
    if (value === '???') return refuse('leaves arch open (???) — choose it on the command line, e.g. arch=trm')
    return typeof value === 'string' ? [{ group: value }] : refuse(`chooses arch: ${shown(value)}, expected one name`)
  })
  const count = (test: (layer: Layer) => boolean) => layers.filter(test).length
  if (count(layer => layer === 'self') > 1) refuse('has _self_ twice, expected it once')
  if (count(layer => layer !== 'self') > 1) refuse('chooses arch twice, expected one group')
  return layers.includes('self') ? layers : [...layers, 'self']
}

/** The fields of a group as settings. @throws for an unknown name */
export function groupSettings(name: string): Partial<RunSettings> {
  if (!Object.hasOwn(GROUPS, name)) {
    const remedy = 'values of another group can stand in a file for --config, as fields under arch'
    throw new Error(`no group arch/${printable(name)}, expected ${Object.keys(GROUPS).join(', ')} — ${remedy}`)
  }
  return { arch: GROUPS[name] }
}
