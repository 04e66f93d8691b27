// Command-line options from a declared table: parsing, checks and the help text; what a command does is not known here.
import { parseArgs } from 'node:util'

/** A mistake in the command line (exit code 2), as opposed to something that failed while running. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** One option, `--name`. Numbers must lie in min … max and be whole unless `fraction` is set. `strings` may be given several times. */
export type Option =
  | {
      type: 'string'
      description: string
      default?: string
      required?: boolean
      placeholder?: string
      choices?: readonly string[]
    }
  | {
      type: 'number'
      description: string
      default?: number
      required?: boolean
      placeholder?: string
      min?: number
      max?: number
      fraction?: boolean
    }
  | { type: 'strings'; description: string; required?: boolean; placeholder?: string }
  | { type: 'boolean'; description: string }

export type OptionTable = Record<string, Option>

/** What a command takes; the help text is made from it. */
export interface Usage<T extends OptionTable> {
  /** The command as typed: `trm data sudoku`. */
  command: string
  /** One sentence. */
  summary: string
  options: T
  /** Names of the arguments that are not options: `['FILE']`, or with one or more at the end `['FILE…']`; `['[FILE…]']` may be left out. Default none. */
  positionals?: readonly string[]
  /** More lines for the end of the help text. */
  notes?: string
}

type Given<O extends Option> = O extends { type: 'number' }
  ? number
  : O extends { type: 'string' }
    ? string
    : O extends { type: 'strings' }
      ? string[]
      : boolean

/** The type of the parsed values: options with a default, required ones, lists (they may be empty) and flags are always there. */
export type OptionValues<T extends OptionTable> = {
  [K in keyof T]: T[K] extends { type: 'boolean' | 'strings' } | { required: true } | { default: string | number }
    ? Given<T[K]>
    : Given<T[K]> | undefined
}

export interface ParsedArguments<T extends OptionTable> {
  values: OptionValues<T>
  positionals: string[]
}

/**
 * Parses the arguments of a command. Returns undefined after `--help` or `-h`, having printed the help text.
 * Throws a UsageError that names the option and what was expected: an unknown option, a missing value, a number that is
 * none or out of range, a value that is no choice, a missing required option, too many or too few other arguments.
 */
export function parseArguments<T extends OptionTable>(args: string[], usage: Usage<T>): ParsedArguments<T> | undefined {
  const { command, options, positionals: wanted = [] } = usage
  const fail = (message: string): never => {
    throw new UsageError(`${command}: ${message}`)
  }
  const known = Object.keys(options)
  // Not strict: the tokens are checked here, so that messages can name what is known.
  const { tokens } = parseArgs({
    args: joinNegativeNumbers(args, options),
    strict: false,
    tokens: true,
    options: Object.fromEntries([
      ...known.map(name => [name, { type: options[name].type === 'boolean' ? 'boolean' : 'string' } as const]),
      ['help', { type: 'boolean', short: 'h' } as const],
    ]),
  })
  if (tokens.some(token => token.kind === 'option' && token.name === 'help')) {
    console.log(helpText(usage))
    return undefined
  }
  const values: Record<string, string | string[] | number | boolean | undefined> = {}
  for (const name of known) {
    const option = options[name]
    values[name] = option.type === 'boolean' ? false : option.type === 'strings' ? [] : option.default
  }
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const flag = token.rawName
    if (!Object.hasOwn(options, token.name))
      fail(`unknown option ${flag} — known are ${[...known, 'help'].map(name => `--${name}`).join(', ')}`)
    const option = options[token.name]
    const value = token.value
    if (option.type === 'boolean') {
      if (value !== undefined) fail(`${flag}: expected no value, got ${JSON.stringify(value)}`)
      values[token.name] = true
    } else if (value === undefined || (!token.inlineValue && value.startsWith('--'))) {
      fail(
        `${flag}: expected a value (${placeholderOf(option)}), got ${value === undefined ? 'none' : `the option ${value}`}`,
      )
    } else if (option.type === 'strings') {
      values[token.name] = [...(values[token.name] as string[]), value!]
    } else {
      values[token.name] = option.type === 'number' ? parseNumber(value!, option, flag, fail) : value!
      if (option.type === 'string' && option.choices && !option.choices.includes(value!)) {
        fail(`${flag}: expected one of ${option.choices.join(', ')}, got ${JSON.stringify(value)}`)
      }
    }
  }
  for (const name of known) {
    const option = options[name]
    if (option.type !== 'boolean' && option.required && [values[name] ?? []].flat().length === 0)
      fail(`expected --${name} ${placeholderOf(option)} (${option.description}), got nothing — see "${command} --help"`)
  }
  const many = wanted.at(-1)?.includes('…')
  const least = wanted.filter(name => !name.startsWith('[')).length
  if (positionals.length < least || (!many && positionals.length > wanted.length)) {
    const expected = wanted.length ? wanted.join(' ') : 'options only'
    fail(
      `expected ${expected}, got ${positionals.length ? positionals.map(text => JSON.stringify(text)).join(' ') : 'nothing'} — see "${command} --help"`,
    )
  }
  return { values: values as OptionValues<T>, positionals }
}

/** The help text: summary, usage line, one line per option with its default. */
export function helpText<T extends OptionTable>({
  command,
  summary,
  options,
  positionals = [],
  notes,
}: Usage<T>): string {
  const rows = Object.entries(options).map(([name, option]) => [
    `--${name}${option.type === 'boolean' ? '' : ` ${placeholderOf(option)}`}`,
    option.description + extra(option),
  ])
  rows.push(['--help', 'show this text'])
  const width = Math.max(...rows.map(([left]) => left.length))
  const needed = Object.entries(options)
    .filter(([, option]) => isRequired(option))
    .map(([name, option]) => `--${name} ${placeholderOf(option)}`)
  const line = [command, ...positionals, ...needed, '[options]'].join(' ')
  const parts = [
    summary,
    `Usage: ${line}`,
    `Options:\n${rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')}`,
  ]
  return [...parts, ...(notes ? [notes] : [])].join('\n\n')
}

function isRequired(option: Option): boolean {
  return option.type !== 'boolean' && option.required === true
}

function placeholderOf(option: Option): string {
  if (option.type === 'boolean') return ''
  return (
    option.placeholder ??
    (option.type === 'number' ? 'N' : (option.type === 'string' && option.choices?.join('|')) || 'TEXT')
  )
}

function extra(option: Option): string {
  if (option.type === 'boolean') return ''
  const notes = option.type === 'strings' ? ['may be repeated'] : []
  if (option.type === 'number' && (option.min !== undefined || option.max !== undefined)) notes.push(rangeText(option))
  if (option.required) notes.push('required')
  else if (option.type !== 'strings' && option.default !== undefined) notes.push(`default ${option.default}`)
  return notes.length ? ` (${notes.join(', ')})` : ''
}

function rangeText({ min, max }: { min?: number; max?: number }): string {
  if (max === undefined) return `from ${min}`
  return min === undefined ? `up to ${max}` : `${min} … ${max}`
}

function parseNumber(
  text: string,
  option: Option & { type: 'number' },
  flag: string,
  fail: (message: string) => never,
): number {
  const number = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : NaN
  const { min = -Infinity, max = Infinity, fraction } = option
  if (!Number.isFinite(number) || number < min || number > max || (!fraction && !Number.isSafeInteger(number))) {
    const range = option.min === undefined && option.max === undefined ? '' : `, ${rangeText(option)}`
    return fail(`${flag}: expected a ${fraction ? '' : 'whole '}number${range}, got ${JSON.stringify(text)}`)
  }
  return number
}

/** `--x -1` is a number, not an option: joined to `--x=-1` for number options. */
function joinNegativeNumbers(args: string[], options: OptionTable): string[] {
  const joined: string[] = []
  for (const [i, arg] of args.entries()) {
    const before = args[i - 1] ?? ''
    const name = before.startsWith('--') ? before.slice(2) : ''
    if (Object.hasOwn(options, name) && options[name].type === 'number' && /^-[\d.]/.test(arg))
      joined[joined.length - 1] = `${before}=${arg}`
    else joined.push(arg)
  }
  return joined
}
