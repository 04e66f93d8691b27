// The published names of fields and tensors of a model, and their counterparts here. They are translated here alone.
import { shown } from '../../formats/shown.js'
import { checkConfig, DEFAULTS, type TrmConfig } from '../config.js'
import { type Architecture, type Net, RECURSIONS } from '../architectures.js'

/** Configuration fields, official name first. */
const FIELDS: readonly (readonly [official: string, ours: keyof TrmConfig])[] = [
  ['vocab_size', 'vocabulary'],
  ['seq_len', 'cells'],
  ['num_puzzle_identifiers', 'puzzles'],
  ['hidden_size', 'hidden'],
  ['num_heads', 'heads'],
  ['expansion', 'expansion'],
  ['L_layers', 'layers'],
  ['H_layers', 'highLayers'],
  ['H_cycles', 'cycles'],
  ['L_cycles', 'latentSteps'],
  ['halt_max_steps', 'supervisionSteps'],
  ['halt_exploration_prob', 'exploration'],
  ['pos_encodings', 'positions'],
  ['mlp_t', 'tokenMixing'],
  ['puzzle_emb_ndim', 'puzzleWidth'],
  ['puzzle_emb_len', 'prefix'],
  ['rms_norm_eps', 'epsilon'],
  ['rope_theta', 'ropeTheta'],
]

/** Modules and classes of the published code, as `arch.name` writes them. The module tells the architecture. */
const ARCHITECTURES: Record<Architecture, readonly [module: string, className: string]> = {
  trm: ['trm', 'TinyRecursiveReasoningModel_ACTV1'],
  'single-z': ['trm_singlez', 'TinyRecursiveReasoningModel_ACTV1'],
  hier6: ['trm_hier6', 'TinyRecursiveReasoningModel_ACTV1'],
  hrm: ['hrm', 'HierarchicalReasoningModel_ACTV1'],
  transformer: ['transformers_baseline', 'Model_ACTV2'],
}

/** Official fields that have no effect here, with the values that are accepted; undefined: all are. */
const IGNORED: Record<string, readonly unknown[] | undefined> = {
  loss: undefined,
  batch_size: undefined,
  no_ACT_continue: [true],
  causal: [false],
  forward_dtype: ['float32', 'bfloat16', 'float16'],
}

/**
 * A configuration from official field names. Missing fields take the published defaults.
 * @param prefix what messages put before the name of a field, e.g. `arch.`
 * @throws on an unknown field, or on a value that is not supported
 */
export function configFromOfficial(fields: Readonly<Record<string, unknown>>, prefix = ''): TrmConfig {
  const { name: arch, ...rest } = fields
  const config: Record<string, unknown> = {
    ...DEFAULTS,
    ...(arch !== undefined && { architecture: architectureOf(arch) }),
  }
  if ('hidden_size' in fields && !('puzzle_emb_ndim' in fields)) config.puzzleWidth = fields.hidden_size
  for (const [name, value] of Object.entries(rest)) {
    const ours = officialField(name)
    if (ours) {
      // The official YAML writes `${.hidden_size}` for "the same width".
      config[ours] = value === '${.hidden_size}' ? (fields.hidden_size ?? DEFAULTS.hidden) : value
    } else if (!Object.hasOwn(IGNORED, name)) {
      throw new Error(
        `config: unknown field ${shown(name)}, expected one of ${[...OFFICIAL_FIELDS.values()].join(', ')}`,
      )
    } else if (IGNORED[name] && !IGNORED[name].includes(value)) {
      throw new Error(`config: ${prefix}${name} is ${shown(value)}, expected ${IGNORED[name].join(' or ')}`)
    }
  }
  return checkConfig(config as unknown as TrmConfig, field => prefix + officialName(field))
}

/**
 * The fields that are given under official names, without defaults, for files without a configuration.
 * @throws on unknown fields and on values that are not supported
 */
export function partialFromOfficial(fields: Readonly<Record<string, unknown>>): Partial<TrmConfig> {
  const config: Record<string, unknown> = {}
  const others: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    const ours = officialField(name)
    // The official YAML writes `${.hidden_size}` for "the same width". Without it the tensors tell the width.
    const known = value === '${.hidden_size}' ? fields.hidden_size : value
    if (!ours) others[name] = value
    else if (known !== undefined) config[ours] = known
  }
  // Checks the other fields by the published rules, in a configuration that is valid otherwise.
  const { name, ...rest } = others
  configFromOfficial({ vocab_size: 2, seq_len: 1, num_puzzle_identifiers: 1, ...rest })
  if (name === undefined) return config
  checkClass(name)
  return { ...config, architecture: architectureOf(name) }
}

/**
 * The configuration under official names. Relatives of TRM get the field `name`.
 * Layers of a network that the architecture does not have are left out.
 */
export function configToOfficial(config: TrmConfig): Record<string, unknown> {
  const { fixed }: { fixed: Partial<TrmConfig> } = RECURSIONS[config.architecture]
  const [module, className] = ARCHITECTURES[config.architecture]
  const fields = FIELDS.filter(([, ours]) => !(/layers/i.test(ours) && ours in fixed)).map(([official, ours]) => [
    official,
    config[ours],
  ])
  return {
    ...(config.architecture === 'trm' ? {} : { name: `recursive_reasoning.${module}@${className}` }),
    ...Object.fromEntries(fields),
  }
}

/**
 * The architecture that an official name means, such as `recursive_reasoning.hrm@HierarchicalReasoningModel_ACTV1`,
 * `hrm.hrm_act_v1@…` of HRM's own code, or `hrm`. The class is ignored.
 * @throws on an unknown name
 */
export function architectureOf(name: unknown): Architecture {
  // The last part of a path, before the class.
  const module = /([\w-]+?)(_act_v1)?([@:]|$)/.exec(String(name))?.[1]
  const found = (Object.keys(ARCHITECTURES) as Architecture[]).find(
    ours => ours === module || ARCHITECTURES[ours][0] === module,
  )
  if (found) return found
  throw new Error(
    `config: architecture ${shown(name)}, expected ${Object.values(ARCHITECTURES)
      .map(([official]) => official)
      .join(', ')}`,
  )
}

/** @throws where a name has a class and it is not the published one: that is another model */
export function checkClass(name: unknown): void {
  const [, className] = /[@:](.*)/.exec(String(name)) ?? []
  const [, expected] = ARCHITECTURES[architectureOf(name)]
  if (className && className !== expected)
    throw new Error(`config: architecture ${shown(name)}, expected class ${expected}`)
}

/** The official name of each field here, except the architecture. */
export const OFFICIAL_FIELDS: ReadonlyMap<keyof TrmConfig, string> = new Map(
  FIELDS.map(([official, ours]) => [ours, official]),
)

/** The official name of a field here; the architecture keeps its name. */
export const officialName = (field: keyof TrmConfig): string => OFFICIAL_FIELDS.get(field) ?? field

/** The field here for an official name, e.g. `cycles` for `H_cycles`; undefined where there is none. */
export function officialField(name: string): keyof TrmConfig | undefined {
  return FIELDS.find(([official]) => official === name)?.[1]
}

/** Whether a configuration of the published code may have this field under `arch`. */
export const isOfficialField = (name: string): boolean =>
  name === 'name' || officialField(name) !== undefined || Object.hasOwn(IGNORED, name)

const TENSORS: readonly (readonly [official: string, ours: string])[] = [
  ['inner.embed_tokens.embedding_weight', 'tokens'],
  ['inner.embed_pos.embedding_weight', 'positions'],
  ['inner.lm_head.weight', 'head'],
  ['inner.q_head.weight', 'haltHead.weight'],
  ['inner.q_head.bias', 'haltHead.bias'],
]

/** NET in inner.NET.layers.K.PART.weight. */
const NETS: Record<Net, string> = { layers: 'L_level', highLayers: 'H_level' }

/** PART in inner.NET.layers.K.PART.weight. */
const PARTS: readonly (readonly [official: string, ours: string])[] = [
  ['mlp_t.gate_up_proj', 'mix.gateUp'],
  ['mlp_t.down_proj', 'mix.down'],
  ['self_attn.qkv_proj', 'attention.qkv'],
  ['self_attn.o_proj', 'attention.output'],
  ['mlp.gate_up_proj', 'mlp.gateUp'],
  ['mlp.down_proj', 'mlp.down'],
]

/** The puzzle table; an optimiser of its own trains it. */
export const PUZZLE_TABLE = 'inner.puzzle_emb.weights'

/** The level of a state of the carry: H, L, L1, … in the official names `z_H` and `inner.H_init`. */
function officialLevel(architecture: Architecture, state: string): string {
  // The only state of single-z is named as a latent.
  return state !== 'y' ? state.replace('z', 'L') : architecture === 'single-z' ? 'L' : 'H'
}

/** The official name of a state of the carry. */
export function officialState(architecture: Architecture, state: string): string {
  return `z_${officialLevel(architecture, state)}`
}

/** The official name of a state's start value. */
export function officialStart(architecture: Architecture, state: string): string {
  return `inner.${officialLevel(architecture, state)}_init`
}

/** The architecture of a model whose state dict holds these tensors. */
export function architectureOfTensors(tensors: { has(name: string): boolean }): Architecture {
  // A damaged file may lack its last layers, so the first ones decide.
  const level = (net: Net) => tensors.has(`inner.${NETS[net]}.layers.0.mlp.gate_up_proj.weight`)
  if (level('highLayers')) return level('layers') ? 'hrm' : 'transformer'
  if (tensors.has(officialStart('hier6', 'z1'))) return 'hier6'
  return tensors.has(officialStart('trm', 'y')) ? 'trm' : 'single-z'
}

/** The official name of a parameter here. */
export function officialTensor(name: string): string {
  const single = TENSORS.find(([, ours]) => ours === name)
  if (single) return single[0]
  const [, net, k, part] = /^(layers|highLayers)\.(\d+)\.(.+)$/.exec(name) ?? []
  const found = PARTS.find(([, ours]) => ours === part)
  if (!found) throw new Error(`checkpoint: parameter "${name}" has no official name`)
  return `inner.${NETS[net as Net]}.layers.${k}.${found[0]}.weight`
}
