// The names in nano-trm (github.com/olivkoch/nano-trm) of tensors and fields that the published code has too.
import { type StoredTensor, toFloat32 } from '../../formats/safetensors.js'
import { shown } from '../../formats/shown.js'
import type { TrmConfig } from '../config.js'

/** Names that only nano-trm has. */
export const NANO_NAME = /input_embedding\.embedding_weight$|lenet\.layers\.\d|z_[HL]_init$/

/** Whether tensors, by their names without prefix, are a model of nano-trm. */
export const isNanoTrm = (tensors: ReadonlyMap<string, StoredTensor>): boolean =>
  [...tensors.keys()].some(tensor => NANO_NAME.test(tensor))

/** Beginnings of its names, and of the official ones. */
const NAMES: readonly (readonly [theirs: string, official: string])[] = [
  ['input_embedding.embedding_weight', 'inner.embed_tokens.embedding_weight'],
  ['lenet.layers.', 'inner.L_level.layers.'],
  ['lm_head.weight', 'inner.lm_head.weight'],
  ['q_head.', 'inner.q_head.'],
  ['z_H_init', 'inner.H_init'],
  ['z_L_init', 'inner.L_init'],
  ['puzzle_emb.weights', 'inner.puzzle_emb.weights'],
  ['puzzle_emb.embedding.weight', 'inner.puzzle_emb.weights'],
]

/** Tensors that only training needs: the rows of the batch's puzzles. */
const TRANSIENT = /^puzzle_emb\.local_(weights|ids)$/

/** Parts of layers that the published network lacks, and the fields of nano-trm that switch them on. */
const VARIANTS: readonly (readonly [part: RegExp, field: string])[] = [
  [/\.mlp\.dwconv\./, 'use_conv_swiglu'],
  [/\.mlp\.board_conv\./, 'use_board_swiglu'],
  [/\.self_attn\.\w*gate/, 'attn_gate_type'],
]

/** Hyperparameters of nano-trm, and the fields here. */
const FIELDS: readonly (readonly [theirs: string, ours: keyof TrmConfig])[] = [
  ['num_heads', 'heads'],
  ['ffn_expansion', 'expansion'],
  ['H_cycles', 'cycles'],
  ['L_cycles', 'latentSteps'],
  ['N_supervision', 'supervisionSteps'],
  ['halt_exploration_prob', 'exploration'],
  ['rope_theta', 'ropeTheta'],
  ['seq_len', 'cells'],
  ['puzzle_emb_len', 'prefix'],
]

/**
 * The same model under official names. nano-trm's halting head has no q_continue, which is not used here: it becomes 0.
 * @param tensors of the model, by nano-trm's names
 * @param settings hyperparameters of the file, by nano-trm's names
 * @throws on variants that are not supported here, naming their field
 */
export function fromNanoTrm(
  tensors: ReadonlyMap<string, StoredTensor>,
  settings: ReadonlyMap<string, unknown>,
  name: string,
): { tensors: Map<string, StoredTensor>; config: Partial<TrmConfig> } {
  const refuse = (field: string, value: unknown): never => {
    const hint = 'expected the layers of the published network'
    throw new Error(
      `${name}: nano-trm's ${field} is ${shown(value)}, a network with it cannot be computed here — ${hint}`,
    )
  }
  const positions = settings.get('pos_emb_type')
  if (positions !== undefined && positions !== null && positions !== '1d') refuse('pos_emb_type', positions)
  const out = new Map<string, StoredTensor>()
  for (const [theirs, stored] of tensors) {
    const variant = VARIANTS.find(([part]) => part.test(theirs))
    if (variant) refuse(variant[1], settings.get(variant[1]) ?? 'on')
    if (TRANSIENT.test(theirs)) continue
    const [begin, official] = NAMES.find(([begin]) => theirs.startsWith(begin)) ?? ['', '']
    out.set(official + theirs.slice(begin.length), theirs.startsWith('q_head.') ? withContinue(stored) : stored)
  }
  const known = FIELDS.map(([theirs, ours]) => [ours, settings.get(theirs)] as const).filter(
    ([, value]) => typeof value === 'number',
  )
  const encoding = settings.has('pos_emb_type') ? ({ positions: positions === '1d' ? 'rope' : 'none' } as const) : {}
  return { tensors: out, config: { ...Object.fromEntries(known), ...encoding } }
}

/** Adds a second row of zeros to a halting head with one row. */
function withContinue(stored: StoredTensor): StoredTensor {
  const [rows, ...rest] = stored.shape
  if (rows !== 1) return stored
  const values = toFloat32(stored)
  const data = new Float32Array(2 * values.length)
  data.set(values)
  return { dtype: 'F32', shape: [2, ...rest], data }
}
