// Fields of a configuration: each is read as its type, and the reason is given for every field without effect.
import { isRecord } from '../formats/json.js'
import { printable, shown } from '../formats/shown.js'
import { DEFAULTS, type TrmConfig } from '../trm/config.js'
import { isOfficialField, OFFICIAL_FIELDS, officialField } from '../trm/published/names.js'
import { mergeSettings, RUN_DEFAULTS, type RunSettings, SILENT } from '../trm/published/settings.js'

/** Why official fields of a run have no effect here. */
const REASONS: Readonly<Record<string, string>> = {
  hydra: 'nothing of hydra runs here',
  evaluators: 'trm eval and trm score arc evaluate',
  eval_save_outputs: 'trm eval saves answers',
  checkpoint_path: '--out names the directory',
  min_eval_interval: 'evaluations begin with the first eval_interval',
  project_name: 'nothing is sent to a logger',
  run_name: 'nothing is sent to a logger',
}

/** Reasons for the fields that name the data, where an option names it. */
const DATA_REASONS: typeof REASONS = {
  data_path: '--data names the data',
  data_paths: '--data names the data',
  data_paths_test: 'the test split of --data is evaluated',
}

/** Values at which fields of other programs change nothing, in addition to values that mean "off". */
const NEUTRAL: Readonly<Record<string, (value: unknown, beside: Readonly<Record<string, unknown>>) => boolean>> = {
  act_enabled: value => value === true,
  grad_cycle_prob: value => value === 1,
  gradient_accumulation_steps: value => value === 1,
  entity: () => true,
  device: () => true,
  checkpoint_every_n_steps: () => true,
  curriculum_min_depth: (_, { supervision_curriculum: on }) => isOff(on),
  curriculum_max_depth: (_, { supervision_curriculum: on }) => isOff(on),
  curriculum_warmup_epochs: (_, { supervision_curriculum: on }) => isOff(on),
}

/** Fields of other programs that are known here by another name. */
const SYNONYMS: Readonly<Record<string, string>> = {
  grad_clip: 'gradient_clip',
  grad_clip_norm: 'gradient_clip',
  max_grad_norm: 'gradient_clip',
}

const NUMERAL = /^\s*[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:e[-+]?\d+)?\s*$/i

/** Whether a value means "off". */
function isOff(value: unknown): boolean {
  if (typeof value === 'string') return /^(?:none|null|off|no|false|)$/i.test(value.trim())
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0
  return !value
}

/** Whether a field of another program changes nothing. */
function isIdle(name: string, value: unknown, beside: Readonly<Record<string, unknown>>): boolean {
  // For fields in NEUTRAL, off may differ from the published code; only the value that equals it is idle.
  return Object.hasOwn(NEUTRAL, name) ? NEUTRAL[name](value, beside) : isOff(value)
}

/** Reads a text as the type of its field, as pydantic does; other values stay as they are. */
function read(value: unknown, type: string): unknown {
  if (type === 'boolean') {
    const text = String(value).toLowerCase()
    if (/^(?:1|on|t|true|y|yes)$/.test(text)) return true
    if (/^(?:0|off|f|false|n|no)$/.test(text)) return false
  }
  if (type === 'number' && typeof value === 'string' && NUMERAL.test(value)) return Number(value.replaceAll('_', ''))
  return value
}

/** Fields that hold numbers although their default is null. */
const COUNTS = ['steps', 'micro_batch', 'eval_interval', 'checkpoint_interval']
const topType = (name: string) => (COUNTS.includes(name) ? 'number' : typeof RUN_DEFAULTS[name])
const archType = (name: string) => {
  const ours = officialField(name)
  if (name === 'no_ACT_continue' || name === 'causal') return 'boolean'
  return ours === undefined ? 'string' : typeof { vocabulary: 0, cells: 0, puzzles: 0, ...DEFAULTS }[ours]
}

/** A field to look at: where it stands, and whether it is known there. */
interface Place {
  prefix: string
  isKnown(name: string): boolean
  typeOf(name: string): string
  known: readonly string[]
}

const TOP: Place = {
  prefix: '',
  // Without a training, fields of the model stand at the top: "trm import … seq_len=81".
  isKnown: name => Object.hasOwn(RUN_DEFAULTS, name) || SILENT.includes(name) || officialField(name) !== undefined,
  typeOf: name => (officialField(name) ? archType(name) : topType(name)),
  known: Object.keys(RUN_DEFAULTS),
}
const ARCH: Place = {
  prefix: 'arch.',
  isKnown: isOfficialField,
  typeOf: archType,
  known: [...OFFICIAL_FIELDS.values()],
}
const LOSS: Place = {
  prefix: 'arch.loss.',
  isKnown: name => name === 'name' || name === 'loss_type',
  typeOf: () => 'string',
  known: ['loss_type'],
}

/** @throws that a field is unknown, with what can be done about it */
function refuseField(name: string, value: unknown, { prefix, known }: Place, idles: boolean): never {
  const full = printable(prefix + name)
  const why = idles
    ? `a field of another program takes a plus, +${full}=…`
    : Object.hasOwn(SYNONYMS, name)
      ? `write ${SYNONYMS[name]}=… instead`
      : "of other programs' fields only those that are off (0, false, null, none, []) are left out"
  const place = prefix ? '' : 'fields of the model stand under arch, e.g. arch.L_cycles; '
  const expected = `expected one of ${known.join(', ')}`
  throw new Error(`config: unknown field ${shown(name)}, ${expected} — ${place}${full} is ${shown(value)}: ${why}`)
}

/**
 * The fields that are used, each read as its type; `notes` are sentences about fields without effect.
 * @param typed names given on the command line without a plus: an unknown one is taken for a typing error
 * @param namesData whether an option names the data, so that fields do not
 * @throws on an unknown field that is not off
 */
export function usedFields(
  settings: RunSettings,
  typed: ReadonlySet<string>,
  namesData: boolean,
): { settings: RunSettings; notes: string[] } {
  const idle: string[] = []
  const sift = (fields: Record<string, unknown>, place: Place) => {
    const kept = Object.entries(fields).flatMap(([name, value]): [string, unknown][] => {
      if (place.isKnown(name)) return [[name, read(value, place.typeOf(name))]]
      const full = place.prefix + name
      const idles = isIdle(name, value, fields)
      if (!idles || typed.has(full)) refuseField(name, value, place, idles)
      idle.push(`${printable(full)} (${shown(value)})`)
      return []
    })
    return Object.fromEntries(kept)
  }
  const { defaults: _, hydra, ...top } = settings
  const used = sift(top, TOP)
  if (isRecord(used.arch)) {
    const arch = sift(used.arch, ARCH)
    used.arch = isRecord(arch.loss) ? { ...arch, loss: sift(arch.loss, LOSS) } : arch
  }
  const notes = unusedNotes({ hydra, ...used }, namesData ? { ...DATA_REASONS, ...REASONS } : REASONS)
  if (idle.length) notes.push(`fields of another program, left out as they are off: ${idle.join(', ')}`)
  return { settings: mergeSettings(used), notes }
}

/** A sentence about known fields without effect, grouped by reason; none where all have an effect. */
function unusedNotes(fields: Readonly<Record<string, unknown>>, why: typeof REASONS): string[] {
  const reasons = new Map<string, string[]>()
  for (const [name, value] of Object.entries(fields)) {
    const reason = Object.hasOwn(why, name) ? why[name] : undefined
    if (reason !== undefined && !isOff(value)) reasons.set(reason, [...(reasons.get(reason) ?? []), name])
  }
  const parts = [...reasons].map(([reason, names]) => `${names.join(', ')} (${reason})`)
  return parts.length ? [`fields without effect here: ${parts.join(', ')}`] : []
}

/** A sentence about fields that this architecture ignores, as the published code does; none where it uses all. */
export function withoutEffect({ arch }: RunSettings, config: TrmConfig): string[] {
  const names = Object.entries(arch).flatMap(([name, value]) => {
    const ours = officialField(name)
    return ours === undefined || config[ours] === value ? [] : [`arch.${name} (${shown(value)})`]
  })
  return names.length ? [`fields without effect in this architecture: ${names.join(', ')}`] : []
}
