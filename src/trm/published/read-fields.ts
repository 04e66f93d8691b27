// Reads fields of settings by name, and refuses values of another type or range.
import { shown } from '../../formats/shown.js'
import { isNumber } from '../config.js'

/** @throws always: the one form of message for a wrong value */
export function refuse(name: string, value: unknown, expected: string): never {
  throw new Error(`config: ${name} is ${shown(value)}, expected ${expected}`)
}

/** @throws when the value is none of the names */
export function oneOf<T extends string>(name: string, value: unknown, names: readonly T[]): T {
  return names.find(known => known === value) ?? refuse(name, value, names.join(', '))
}

/** Fields of a record; each method throws when the field has another type or range. */
export class FieldReader {
  constructor(private readonly fields: Readonly<Record<string, unknown>>) {}

  /** A whole number of `least` … `most`, or any number with `fraction`. */
  number(name: string, least: number, most = Number.MAX_SAFE_INTEGER, fraction = false): number {
    const value = this.fields[name]
    const range = `of at least ${least}${most < Number.MAX_SAFE_INTEGER ? ` and at most ${most}` : ''}`
    return isNumber(value, least, most, fraction)
      ? value
      : refuse(name, value, `a ${fraction ? '' : 'whole '}number ${range}`)
  }

  /** A whole number of at least 1; undefined for null, which means that it follows from others. */
  optional(name: string): number | undefined {
    return this.fields[name] === null ? undefined : this.number(name, 1)
  }

  flag(name: string): boolean {
    const value = this.fields[name]
    return typeof value === 'boolean' ? value : refuse(name, value, 'true or false')
  }

  /** The path of a checkpoint; undefined for null. */
  path(name: string): string | undefined {
    const value = this.fields[name]
    if (value === null) return undefined
    return typeof value === 'string' ? value : refuse(name, value, 'the path of a checkpoint')
  }
}
