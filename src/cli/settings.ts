// Settings from the command line: presets, YAML files, published groups and overrides, merged in hydra's order.
import { isRecord } from '../formats/json.js'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { foreign } from '../formats/recognise.js'
import { printable } from '../formats/shown.js'
import { archHint, mergeSettings, presets, type RunSettings, SILENT } from '../trm/published/settings.js'
import { UsageError } from './arguments.js'
import { usedFields } from './fields.js'
import { readBytes } from './files.js'
import { defaultsList, GROUPS, groupSettings, type Layer } from './groups.js'
import { fieldAt, resolveReferences } from './interpolation.js'
import { type Override, parseOverride } from './overrides.js'
import { parseYaml } from './yaml.js'

/** The presets with a line each, for help texts. */
export const presetList = `Presets:
${Object.entries(presets)
  .map(([name, { about }]) => `  ${name.padEnd(17)} ${about}`)
  .join('\n')}`

/** How architectures are chosen, for help texts. */
export const groupList = `arch=NAME takes the values of the published file config/arch/NAME.yaml:
  ${Object.keys(GROUPS).join(', ')}
With a preset they replace its network. Without --config the other settings are the published ones too
(config/cfg_pretrain.yaml). arch.name=NAME changes the architecture alone.`

/** Settings, and where they come from. */
export interface GivenSettings {
  settings: RunSettings
  /** Only the settings that KEY=VALUE gave, without groups. */
  typed: RunSettings
  /** Sentences for the user: where the values come from, what has no effect. */
  notes: string[]
  /** Whether a preset, a file or a group was named. */
  isNamed: boolean
}

export interface SettingsSource {
  /** The command, for messages about wrong usage. */
  command: string
  /** A preset by name, or a YAML file. */
  config?: string
  /** KEY=VALUE, as typed. */
  pairs: readonly string[]
  /** Whether an option names the data; otherwise fields do. Default true. */
  namesData?: boolean
  /** The preset to use where neither a file nor a group is named. */
  preset?: string
  /** Fields of the model from a checkpoint; they override the preset. */
  shape?: Partial<RunSettings>
}

/**
 * Merges settings as hydra does: the entries of the defaults list in order, then the overrides in order.
 * @throws a UsageError that begins with `command` for mistakes on the command line, an Error for mistakes in files
 */
export async function giveSettings(source: SettingsSource): Promise<GivenSettings> {
  const { command, config, pairs, namesData = true, preset, shape = {} } = source
  const usage = (error: unknown): never => {
    throw new UsageError(`${command}: ${(error as Error).message}`)
  }
  const all = attempt(() => pairs.map(parseOverride), usage)
  const chosen = all.findLast(isGroup)
  const fields = all.filter(override => !isGroup(override) && !/^hydra[./]/.test(override.key))
  const assigned = attempt(() => fields.map(fieldOf), usage)
  const typed = mergeSettings(...assigned)
  // A group goes over the published training, settings without a group over the preset.
  const unnamed = chosen && Object.keys(shape).length === 0 ? undefined : preset
  const base = config === undefined ? basePreset(unnamed) : await readConfig(config, command)
  const { layers, notes } = await layersOf(base, chosen, usage)
  const below = mergeSettings(...layers, shape)
  const counted = countedIn(typed, below)
  if (!chosen && !base.isFile && isGiven(typed.data_path) && !isGiven(typed.arch.name)) {
    notes.push(`data_path is what HRM calls its data: arch=hrm_v1 trains HRM, this trains ${base.name}`)
  }
  if ('steps' in counted) {
    notes.push(`epochs=${String(typed.epochs)} counts, not the ${String(below.steps)} steps of ${base.name}`)
  }
  const isFresh = ({ sign, key }: Override) => sign === '' && fieldAt(below, key.split('.')) === undefined
  const fresh = new Set(fields.filter(isFresh).map(({ key }) => key))
  const used = usedFields(resolveReferences(mergeSettings(below, counted, ...assigned), SILENT), fresh, namesData)
  const isNamed = config !== undefined || chosen !== undefined
  return { settings: used.settings, typed, notes: [...notes, ...used.notes], isNamed }
}

/** Whether an override chooses or removes a group of fields, rather than a field. */
const isGroup = ({ key, value, sign }: Override) =>
  key === 'arch' && (typeof value === 'string' || (sign === '~' && value === undefined))

/** Where epochs are asked for over settings that count steps: clears the steps, and the interval that counts steps. */
function countedIn({ epochs, steps, eval_interval: interval }: RunSettings, below: RunSettings): Partial<RunSettings> {
  if (epochs === undefined || steps !== undefined || !isGiven(below.steps)) return {}
  return { steps: null, ...(interval === undefined ? { eval_interval: null } : {}) }
}

/** Settings to start from. */
interface Base {
  name: string
  settings: Partial<RunSettings>
  layers: Layer[]
  isFile: boolean
}

const basePreset = (name: string | undefined): Base => ({
  name: name ?? 'the published training (no --config)',
  settings: name === undefined ? {} : presets[name].settings,
  layers: ['self'],
  isFile: false,
})

async function readConfig(config: string, command: string): Promise<Base> {
  if (Object.hasOwn(presets, config)) return basePreset(config)
  if (!/\.ya?ml$/.test(config)) {
    const known = Object.keys(presets).join(', ')
    throw new UsageError(`${command}: --config: no preset "${config}", expected ${known} or a .yaml file`)
  }
  const { fields: parsed } = await readFields(config)
  const { defaults, ...settings } = parsed
  if (!('arch' in settings) && 'name' in settings) {
    const expected = 'expected them under arch, as in "arch: {name: …}"'
    throw new Error(`config ${config}: it has the fields of a group at its top, ${expected}`)
  }
  // Checked here, because an override of one of its fields would turn it into a record.
  if ('arch' in settings && !isRecord(settings.arch)) throw new Error(archHint(settings.arch))
  const base: Base = { name: config, settings: settings as RunSettings, layers: [], isFile: true }
  const layers = attempt(
    () => defaultsList(defaults),
    error => failIn(base, error),
  )
  return { ...base, layers }
}

/**
 * The settings to merge, first to last, and sentences on where they come from. `chosen` is the group that the command
 * line chooses or removes.
 */
async function layersOf(
  base: Base,
  chosen: Override | undefined,
  usage: (error: unknown) => never,
): Promise<{ layers: Partial<RunSettings>[]; notes: string[] }> {
  const layers: Partial<RunSettings>[] = []
  const notes: string[] = []
  const read = (name: string) =>
    groupNamed(name, base).catch(error => {
      return chosen ? usage(new Error(`${chosen.text}: ${(error as Error).message}`)) : failIn(base, error)
    })
  // An unknown group is reported before a group that cannot be placed.
  if (typeof chosen?.value === 'string') await read(chosen.value)
  for (const layer of arrange(base, chosen, usage)) {
    if (layer === 'self') layers.push(base.settings)
    else {
      const { settings, from } = await read(layer.group)
      layers.push(settings)
      const place = base.isFile || !base.settings.arch ? 'with' : 'in place of the network of'
      notes.push(`arch=${layer.group}: the values of ${from}, ${place} ${base.name}`)
    }
  }
  return { layers, notes }
}

/** The order of the file's own fields and of groups. */
function arrange(base: Base, chosen: Override | undefined, usage: (error: unknown) => never): Layer[] {
  const { name, settings, layers, isFile } = base
  if (!chosen) return layers
  const listed = layers.some(layer => layer !== 'self')
  if (chosen.sign === '~') {
    return listed ? ['self'] : usage(new Error(`${chosen.text}: ${name} chooses no group that could be taken away`))
  }
  const group: Layer = { group: chosen.value as string }
  if (listed) return layers.map(layer => (layer === 'self' ? layer : group))
  const isAmbiguous = isFile && chosen.sign === '' && isRecord(settings.arch) && Object.keys(settings.arch).length > 0
  if (isAmbiguous) {
    const over = `+${chosen.text} for the group's values over the file's`
    const alone = `arch.name=${group.group} for another architecture of the file's sizes`
    const problem = `${name} has an arch of its own and no defaults list to choose from`
    usage(new Error(`${chosen.text}: ${problem} — write ${over}, or ${alone}`))
  }
  return [...layers, group]
}

/** An override of a field as settings. */
function fieldOf({ text, sign, key, value }: Override): Partial<RunSettings> {
  if (sign === '~') {
    if (SILENT.includes(key)) return { [key]: null }
    throw new Error(`${text}: a field that the training needs cannot be taken away — write ${key}=VALUE`)
  }
  if (key.includes('/')) {
    const hint = 'fields take dots, e.g. arch.L_cycles=4'
    throw new Error(`${text}: no group ${key} is known here, expected arch=NAME — ${hint}`)
  }
  return key.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as Partial<RunSettings>
}

const isGiven = (value: unknown) => value !== undefined && value !== null

function attempt<T>(work: () => T, fail: (error: unknown) => never): T {
  try {
    return work()
  } catch (error) {
    return fail(error)
  }
}

function failIn({ name }: Base, error: unknown): never {
  throw new Error(`config ${name}: ${(error as Error).message}`)
}

/** The fields of a group: from arch/NAME.yaml beside the configuration, as hydra reads it; else the published ones. */
async function groupNamed(
  name: string,
  { name: config, isFile }: Base,
): Promise<{ settings: Partial<RunSettings>; from: string }> {
  const beside = join(dirname(config), 'arch', `${name}.yaml`)
  if (!isFile || !/^[\w-]+$/.test(name) || !existsSync(beside)) {
    return { settings: groupSettings(name), from: 'the published group' }
  }
  const { text, fields: parsed } = await readFields(beside)
  if (/^#\s*@package\s/m.test(text) || parsed.defaults !== undefined) {
    const hint = 'copy what they name into it'
    throw new Error(`${beside}: a group with a package or defaults of its own, expected fields alone — ${hint}`)
  }
  return { settings: { arch: parsed }, from: beside }
}

/** The fields of a YAML file. @throws where the file is not YAML, or holds no fields */
async function readFields(path: string): Promise<{ text: string; fields: Record<string, unknown> }> {
  const bytes = await readBytes(path, 'config')
  const stranger = foreign(bytes, 'fields in YAML', 'JSON')
  if (stranger) throw new Error(`config ${path}: ${stranger}`)
  const text = new TextDecoder().decode(bytes)
  const fields = attempt(
    () => parseYaml(text),
    error => {
      throw new Error(`config ${path}: ${printable((error as Error).message)} — expected YAML`)
    },
  )
  if (isRecord(fields)) return { text, fields }
  const got = fields === null ? 'nothing' : 'something else'
  throw new Error(`config ${path}: expected fields such as "lr: 1e-4", got ${got}`)
}
