// Settings from the command line: presets, YAML files with official field names, and KEY=VALUE overrides.
import YAML from 'yaml'
import { foreign } from '../formats/recognise.js'
import { printable } from '../formats/shown.js'
import { mergeSettings, presets, type RunSettings } from '../trm/run.js'
import { UsageError } from './arguments.js'
import { readBytes } from './files.js'

/** The presets with a line each, for help texts. */
export const presetList = `Presets:
${Object.entries(presets).map(([name, { about }]) => `  ${name.padEnd(17)} ${about}`).join('\n')}`

/** A preset by name, or a YAML file. @throws a UsageError that begins with `command` when it is neither */
export async function readSettings(config: string, command: string): Promise<Partial<RunSettings>> {
  if (Object.hasOwn(presets, config)) return presets[config].settings
  if (!/\.ya?ml$/.test(config)) throw new UsageError(`${command}: --config: no preset "${config}", expected ${Object.keys(presets).join(', ')} or a .yaml file`)
  const bytes = await readBytes(config, 'config')
  const stranger = foreign(bytes, 'fields in YAML', 'JSON')
  if (stranger) throw new Error(`config ${config}: ${stranger}`)
  const text = new TextDecoder().decode(bytes)
  let parsed: unknown
  try {
    // Warnings, e.g. of unknown tags, would go to the console: here they are errors.
    const document = YAML.parseDocument(text)
    const [trouble] = [...document.errors, ...document.warnings]
    if (trouble) throw trouble
    parsed = document.toJS()
  } catch (error) {
    throw new Error(`config ${config}: ${printable((error as Error).message.split('\n')[0])} — expected YAML`)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Error(`config ${config}: expected fields such as "lr: 1e-4", got ${parsed === null ? 'nothing' : 'something else'}`)
  return parsed as RunSettings
}

/** KEY=VALUE with values as in YAML, dots for nesting. @throws a UsageError that begins with `command` for anything else */
export function overrides(pairs: readonly string[], command: string): Partial<RunSettings> {
  return mergeSettings(
    ...pairs.map(pair => {
      const [, key, value] = /^\+?([A-Za-z_][\w.]*)=(.*)$/s.exec(pair) ?? []
      if (!key) throw new UsageError(`${command}: expected KEY=VALUE, got ${JSON.stringify(pair)}`)
      let parsed: unknown = value
      try {
        parsed = YAML.parse(value, { version: '1.1' })
      } catch {
        // not YAML: the text as it stands
      }
      if (typeof parsed === 'string' && /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(parsed)) parsed = Number(parsed)
      return key.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), parsed) as Partial<RunSettings>
    }),
  )
}
