// Text out of files as messages show it: in one line, clipped, and without any character that does not print.

/** Control and format characters, unpaired surrogates and line separators: they can hide, move or colour text. */
const UNPRINTABLE = /[\p{C}\u2028\u2029]/gu

/** Text with at most `limit` characters; what does not print is written as \u001b. */
export function printable(text: string, limit = 300): string {
  const short = text.length > limit ? `${text.slice(0, limit)}…` : text
  return short.replace(UNPRINTABLE, found => `\\u${found.codePointAt(0)!.toString(16).padStart(4, '0')}`)
}

/** A value for messages: texts as JSON in quotes, numbers as they are; of longer ones the first `limit` characters. */
export function shown(value: unknown, limit = 80): string {
  if (typeof value !== 'string')
    return printable(typeof value === 'object' ? JSON.stringify(value) : String(value), limit)
  return printable(JSON.stringify(value.length > limit ? `${value.slice(0, limit)}…` : value), Infinity)
}

/** Throws an Error whose message begins with the file's name. */
export type Fail = (message: string) => never
