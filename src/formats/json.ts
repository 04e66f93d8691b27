// A file of JSON as a value; an error says what another file is.
import { foreign } from './recognise.js'
import { printable } from './shown.js'

/** First keys of JSON that is not the wanted file, such as an error message of a server. */
const SUSPICIOUS = /^(errors?|message|detail|status|statusCode|code|metadata|weight_map|cells|nbformat)$/i

/**
 * The value of a file of JSON in UTF-8.
 * @throws one line that begins with `name` for anything else, such as the error message of a server
 */
export function parseJson(bytes: Uint8Array, name: string): unknown {
  let value: unknown
  let trouble = ''
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    trouble = `expected JSON, got something else — ${printable((error as Error).message.replace(/\s+/g, ' '))}`
  }
  const isSuspicious = typeof value === 'object' && SUSPICIOUS.test(firstKey(value))
  const message = trouble || isSuspicious ? (foreign(bytes, 'JSON') ?? trouble) : ''
  if (message) throw new Error(`${name}: ${message}`)
  return value
}

function firstKey(value: object | null): string {
  for (const key in value) return key
  return ''
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
