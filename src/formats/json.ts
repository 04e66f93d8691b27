// A file of JSON as a value; where it is something else, the error tells what.
import { foreign } from './recognise.js'
import { printable } from './shown.js'

/** An error message of a server, or a pointer, is shorter than this; larger files are asked only when they do not parse. */
const SHORT = 4096

/** The value. Throws an Error of one line that begins with `name` for anything but JSON in UTF-8, and for what stands in a file's place. */
export function parseJson(bytes: Uint8Array, name: string): unknown {
  let value: unknown
  let trouble = ''
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    trouble = `expected JSON, got something else — ${printable((error as Error).message.replace(/\s+/g, ' '))}`
  }
  const message = trouble || bytes.length < SHORT ? foreign(bytes, 'JSON') ?? trouble : ''
  if (message) throw new Error(`${name}: ${message}`)
  return value
}
