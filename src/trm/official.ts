// The published code's names for configuration fields and tensors, and their counterparts here. Nothing else knows them.
import { checkConfig, DEFAULTS, type TrmConfig } from './config.js'

/** Configuration fields, official name first. */
const FIELDS: readonly (readonly [official: string, ours: keyof TrmConfig])[] = [
  ['vocab_size', 'vocabulary'],
  ['seq_len', 'cells'],
  ['num_puzzle_identifiers', 'puzzles'],
  ['hidden_size', 'hidden'],
  ['num_heads', 'heads'],
  ['expansion', 'expansion'],
  ['L_layers', 'layers'],
  ['H_cycles', 'cycles'],
  ['L_cycles', 'latentSteps'],
  ['halt_max_steps', 'supervisionSteps'],
  ['halt_exploration_prob', 'exploration'],
  ['pos_encodings', 'positions'],
  ['mlp_t', 'tokenMixing'],
  ['puzzle_emb_ndim', 'puzzleWidth'],
  ['puzzle_emb_len', 'puzzleSlots'],
  ['rms_norm_eps', 'epsilon'],
  ['rope_theta', 'ropeTheta'],
]

/** Official fields that are accepted and have no effect here; with the values that can be accepted, where not all can. */
const IGNORED: Record<string, readonly unknown[] | undefined> = {
  name: undefined,
  loss: undefined,
  batch_size: undefined,
  H_layers: undefined,
  no_ACT_continue: [true],
  causal: [false],
  forward_dtype: ['float32', 'bfloat16'],
}

/**
 * A configuration from official field names; what is missing takes the published defaults.
 * @throws on an unknown field, or on a value that this model cannot honour
 */
export function configFromOfficial(fields: Readonly<Record<string, unknown>>): TrmConfig {
  const config: Record<string, unknown> = { ...DEFAULTS }
  if ('hidden_size' in fields && !('puzzle_emb_ndim' in fields)) config.puzzleWidth = fields.hidden_size
  for (const [name, value] of Object.entries(fields)) {
    const ours = FIELDS.find(([official]) => official === name)?.[1]
    if (ours) {
      // The official YAML writes `${.hidden_size}` for "the same width".
      config[ours] = value === '${.hidden_size}' ? (fields.hidden_size ?? DEFAULTS.hidden) : value
    } else if (!(name in IGNORED)) {
      throw new Error(`config: unknown field "${name}", expected one of ${FIELDS.map(([official]) => official).join(', ')}`)
    } else if (IGNORED[name] && !IGNORED[name].includes(value)) {
      throw new Error(`config: ${name} is ${JSON.stringify(value)}, only ${IGNORED[name].join(' or ')} can be computed here`)
    }
  }
  return checkConfig(config as unknown as TrmConfig)
}

/** The same configuration under official names. */
export function configToOfficial(config: TrmConfig): Record<string, unknown> {
  return Object.fromEntries(FIELDS.map(([official, ours]) => [official, config[ours]]))
}

/** Name of our parameter field for an official field, e.g. `cycles` for `H_cycles`; undefined where there is none. */
export function officialField(name: string): keyof TrmConfig | undefined {
  return FIELDS.find(([official]) => official === name)?.[1]
}

const TENSORS: readonly (readonly [official: string, ours: string])[] = [
  ['inner.embed_tokens.embedding_weight', 'tokens'],
  ['inner.embed_pos.embedding_weight', 'positions'],
  ['inner.lm_head.weight', 'head'],
  ['inner.q_head.weight', 'haltHead.weight'],
  ['inner.q_head.bias', 'haltHead.bias'],
]

/** Parts of a layer: inner.L_level.layers.K.PART.weight. */
const PARTS: readonly (readonly [official: string, ours: string])[] = [
  ['mlp_t.gate_up_proj', 'mix.gateUp'],
  ['mlp_t.down_proj', 'mix.down'],
  ['self_attn.qkv_proj', 'attention.qkv'],
  ['self_attn.o_proj', 'attention.output'],
  ['mlp.gate_up_proj', 'mlp.gateUp'],
  ['mlp.down_proj', 'mlp.down'],
]

/** Official names of the tensors that no optimiser of the parameters trains. */
export const PUZZLE_TABLE = 'inner.puzzle_emb.weights'
export const Y_START = 'inner.H_init'
export const Z_START = 'inner.L_init'

/** The official name of a parameter of ours. */
export function officialTensor(name: string): string {
  const single = TENSORS.find(([, ours]) => ours === name)
  if (single) return single[0]
  const [, k, part] = /^layers\.(\d+)\.(.+)$/.exec(name) ?? []
  const found = PARTS.find(([, ours]) => ours === part)
  if (!found) throw new Error(`checkpoint: parameter "${name}" has no official name`)
  return `inner.L_level.layers.${k}.${found[0]}.weight`
}
