// YAML as hydra reads it: version 1.1 by PyYAML's rules, with OmegaConf's floats (1e-4 is one) and without dates.
import YAML, { type ScalarTag, type Tags } from 'yaml'

/** The parts of a number in base 60 after the first. */
const SIXTIES = '(?::[0-5]?[0-9])+'

/** Digits without underscores and plus signs. */
const plain = (digits: string) => digits.replace(/[_+]/g, '')

/** A number in base 60: 190:20:30 is 190 hours, 20 minutes and 30 seconds in seconds. */
const sexagesimal = (text: string) => {
  const sum = plain(text)
    .replace('-', '')
    .split(':')
    .reduce((all, part) => 60 * all + Number(part), 0)
  return text.startsWith('-') ? -sum : sum
}

const inBase = (prefix: string, base: number) => (text: string) => {
  const number = parseInt(plain(text).replace(/^-/, '').slice(prefix.length), base)
  return text.startsWith('-') ? -number : number
}

/** Kinds of plain scalars; the first whose test matches counts. */
const KINDS: readonly (readonly [kind: string, test: RegExp, resolve: (text: string) => unknown])[] = [
  ['bool', /^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/, () => true],
  ['bool', /^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/, () => false],
  ['int', /^[-+]?0b[0-1_]+$/, inBase('0b', 2)],
  ['int', /^[-+]?0x[0-9a-fA-F_]+$/, inBase('0x', 16)],
  ['int', /^[-+]?0[0-7_]+$/, inBase('0', 8)],
  ['int', /^[-+]?(?:0|[1-9][0-9_]*)$/, text => Number(plain(text))],
  ['int', new RegExp(`^[-+]?[1-9][0-9_]*${SIXTIES}$`), sexagesimal],
  ['float', new RegExp(`^[-+]?[0-9][0-9_]*${SIXTIES}\\.[0-9_]*$`), sexagesimal],
  ['float', /^[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?$/, text => Number(plain(text))],
  ['float', /^[-+]?[0-9]+(?:_[0-9]+)*[eE][-+]?[0-9]+$/, text => Number(plain(text))],
  ['float', /^\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?$/, text => Number(plain(text))],
  ['float', /^[-+]?\.(?:inf|Inf|INF)$/, text => (text.startsWith('-') ? -Infinity : Infinity)],
  ['float', /^\.(?:nan|NaN|NAN)$/, () => NaN],
]

const tagOf = ([kind, test, resolve]: (typeof KINDS)[number]): ScalarTag => ({
  tag: `tag:yaml.org,2002:${kind}`,
  default: true,
  test,
  resolve,
})

const isReplaced = (tag: Tags[number]) => typeof tag === 'object' && /:(?:bool|int|float|timestamp)$/.test(tag.tag)

/** The value of a YAML text. @throws one line with the first error or warning, e.g. of an unknown tag */
export function parseYaml(text: string): unknown {
  // As for PyYAML, a line "%YAML 1.2" in a file changes nothing: the schema is always that of 1.1.
  const customTags = (given: Tags) => [...KINDS.map(tagOf), ...given.filter(tag => !isReplaced(tag))]
  const document = YAML.parseDocument(text, { schema: 'yaml-1.1', merge: true, customTags })
  const [trouble] = [...document.errors, ...document.warnings]
  if (trouble) throw new Error(trouble.message.split('\n')[0])
  return document.toJS()
}

/** A text that `parseYaml` reads as this value. */
export const writeYaml = (value: unknown): string => YAML.stringify(value, { schema: 'yaml-1.1' })
