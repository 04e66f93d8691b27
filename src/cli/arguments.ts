// Command-line options from a declared table: parsing, checks and the help text.
import { parseArgs } from 'node:util'

/** A mistake in the command line (exit code 2), as opposed to something that failed while running. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/**
 * One option, `--name`. Numbers must lie in min … max, and be whole unless `fraction` is set. Options of type `strings`
 * may be repeated. `otherwise` describes a default that is no fixed value, for the help text.
 */
export type Option =
  | {
      type: 'string'
      description: string
      default?: string
      required?: boolean
      placeholder?: string
      choices?: readonly string[]
      otherwise?: string
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
      otherwise?: string
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
  /**
   * Names of the arguments that are not options, such as `['FILE']`. `['FILE…']` takes one or more at the end,
   * `['[FILE…]']` any number. Default: none.
   */
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

/** The type of the parsed values. Options with a default, required ones, flags and lists are always defined. */
export type OptionValues<T extends OptionTable> = {
  [K in keyof T]: T[K] extends { type: 'boolean' | 'strings' } | { required: true } | { default: string | number }
    ? Given<T[K]>
    : Given<T[K]> | undefined
}

export interface ParsedArguments<T extends OptionTable> {
  values: OptionValues<T>
  positionals: string[]
}

/** Ends with a UsageError. */
type Fail = (message: string) => never

/**
 * Parses the arguments of a command. Returns undefined after `--help` or `-h`, when it has printed the help text.
 * @throws a UsageError that names the option and what was expected: an unknown option, a missing value, a number out of
 * range, a value that is no choice, a missing required option, too many or too few other arguments
 */
export function parseArguments<T extends OptionTable>(args: string[], usage: Usage<T>): ParsedArguments<T> | undefined {
  const { command, options, positionals: wanted = [] } = usage
  const fail: Fail = message => {
    throw new UsageError(`${command}: ${message}`)
  }
  const tokens = tokensOf(args, options)
  if (tokens.some(token => token.kind === 'option' && token.name === 'help')) {
    console.log(helpText(usage))
    return undefined
  }
  const values = defaultsOf(options)
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind === 'option') readOption(token, options, values, fail)
  }
  for (const [name, option] of Object.entries(options)) {
    if (!isRequired(option) || [values[name] ?? []].flat().length > 0) continue
    const expected = `--${name} ${placeholderOf(option)} (${option.description})`
    fail(`expected ${expected}, got nothing — see "${command} --help"`)
  }
  const many = wanted.at(-1)?.includes('…')
  const least = wanted.filter(name => !name.startsWith('[')).length
  if (positionals.length < least || (!many && positionals.length > wanted.length)) {
    const expected = wanted.length ? wanted.join(' ') : 'options only'
    const got = positionals.map(text => JSON.stringify(text)).join(' ') || 'nothing'
    fail(`expected ${expected}, got ${got} — see "${command} --help"`)
  }
  return { values: values as OptionValues<T>, positionals }
}

/** The arguments as options and others. Not strict: later checks name the options that are known. */
function tokensOf(args: string[], options: OptionTable) {
  const types = Object.entries(options).map(
    ([name, { type }]) => [name, { type: type === 'boolean' ? 'boolean' : 'string' }] as const,
  )
  return parseArgs({
    args: joinNegativeNumbers(args, options),
    strict: false,
    tokens: true,
    options: { ...Object.fromEntries(types), help: { type: 'boolean', short: 'h' } },
  }).tokens
}

type OptionToken = Extract<ReturnType<typeof tokensOf>[number], { kind: 'option' }>
type Values = Record<string, string | string[] | number | boolean | undefined>

function defaultsOf(options: OptionTable): Values {
  const defaultOf = (option: Option) =>
    option.type === 'boolean' ? false : option.type === 'strings' ? [] : option.default
  return Object.fromEntries(Object.entries(options).map(([name, option]) => [name, defaultOf(option)]))
}

/** Checks one option and puts its value into `values`. */
function readOption(
  { name, rawName: flag, value, inlineValue }: OptionToken,
  options: OptionTable,
  values: Values,
  fail: Fail,
): void {
  if (!Object.hasOwn(options, name)) {
    const known = [...Object.keys(options), 'help'].map(name => `--${name}`).join(', ')
    return fail(`unknown option ${flag} — known are ${known}`)
  }
  const option = options[name]
  if (option.type === 'boolean') {
    if (value !== undefined) fail(`${flag}: expected no value, got ${JSON.stringify(value)}`)
    values[name] = true
  } else if (value === undefined || (!inlineValue && value.startsWith('--'))) {
    const got = value === undefined ? 'none' : `the option ${value}`
    fail(`${flag}: expected a value (${placeholderOf(option)}), got ${got}`)
  } else if (option.type === 'strings') {
    values[name] = [...(values[name] as string[]), value]
  } else if (option.type === 'number') {
    values[name] = parseNumber(value, option, flag, fail)
  } else {
    values[name] = value
    if (option.choices && !option.choices.includes(value))
      fail(`${flag}: expected one of ${option.choices.join(', ')}, got ${JSON.stringify(value)}`)
  }
}

/** Columns of a help text: descriptions of options are wrapped. */
const HELP_COLUMNS = 116

/** The help text: summary, usage line, one entry per option with its default, notes. */
export function helpText<T extends OptionTable>(usage: Usage<T>): string {
  const { command, summary, options, positionals = [], notes } = usage
  const rows = Object.entries(options).map(([name, option]) => [
    `--${name}${option.type === 'boolean' ? '' : ` ${placeholderOf(option)}`}`,
    option.description + conditionsOf(option),
  ])
  rows.push(['--help', 'show this text'])
  const width = Math.max(...rows.map(([left]) => left.length))
  const entries = rows.map(([left, right]) => {
    const lines = wrap(right, HELP_COLUMNS - width - 4)
    return lines.map((line, i) => `  ${(i ? '' : left).padEnd(width)}  ${line}`).join('\n')
  })
  const needed = Object.entries(options)
    .filter(([, option]) => isRequired(option))
    .map(([name, option]) => `--${name} ${placeholderOf(option)}`)
  const line = [command, ...positionals, ...needed, '[options]'].join(' ')
  const parts = [summary, `Usage: ${line}`, `Options:\n${entries.join('\n')}`]
  return [...parts, ...(notes ? [notes] : [])].join('\n\n')
}

/** A text as lines of at most `columns` characters, broken at spaces; a longer word has a line of its own. */
function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= columns) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
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

/** Range, default and the like, in brackets. */
function conditionsOf(option: Option): string {
  if (option.type === 'boolean') return ''
  const notes = option.type === 'strings' ? ['may be repeated'] : []
  if (option.type === 'number' && (option.min !== undefined || option.max !== undefined)) notes.push(rangeText(option))
  if (option.required) notes.push('required')
  else if (option.type !== 'strings' && option.default !== undefined) notes.push(`default ${option.default}`)
  if (option.type !== 'strings' && option.otherwise !== undefined) notes.push(`default: ${option.otherwise}`)
  return notes.length ? ` (${notes.join(', ')})` : ''
}

function rangeText({ min, max }: { min?: number; max?: number }): string {
  if (max === undefined) return `from ${min}`
  return min === undefined ? `up to ${max}` : `${min} … ${max}`
}

function parseNumber(text: string, option: Option & { type: 'number' }, flag: string, fail: Fail): number {
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
