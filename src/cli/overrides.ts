// Overrides in hydra's grammar: KEY=VALUE, +KEY=VALUE, ++KEY=VALUE, ~KEY; values may be quoted, lists or mappings.
import { shown } from '../formats/shown.js'

/** One override. Its key may be a field or a group of the published files. */
export interface Override {
  /** As it was typed. */
  text: string
  sign: '' | '+' | '++' | '~'
  /** Names with dots between; a path of groups has slashes. */
  key: string
  /** Absent in `~KEY`. */
  value?: unknown
}

/** Reads one override. @throws where the text is none, with the part that cannot be read */
export function parseOverride(text: string): Override {
  const [, sign, key, equals, value] = /^(~|\+{0,2})([A-Za-z_][\w-]*(?:[./][\w-]+)*)(=?)(.*)$/s.exec(text) ?? []
  if (key === undefined || (!equals && (sign !== '~' || value !== ''))) {
    throw new Error(`expected KEY=VALUE, got ${shown(text)}`)
  }
  return { text, sign: sign as Override['sign'], key, ...(equals ? { value: parseValue(value, text) } : {}) }
}

const NUMBER = /^[-+]?(?:(?:0|[1-9](?:_?\d)*)(?:\.(?:\d(?:_?\d)*)?)?|\.\d(?:_?\d)*)(?:e[-+]?\d+)?$/i

/** The value of a text without quotes. */
function primitive(text: string): unknown {
  if (/^null$/i.test(text)) return null
  if (/^(?:true|false)$/i.test(text)) return text.toLowerCase() === 'true'
  if (NUMBER.test(text)) return Number(text.replaceAll('_', ''))
  if (/^[-+]?inf$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  if (/^[-+]?nan$/i.test(text)) return NaN
  return text
}

/** Reads values from left to right. */
class Reader {
  #at = 0

  constructor(
    private readonly value: string,
    private readonly whole: string,
  ) {}

  #fail(what: string): never {
    throw new Error(`${shown(this.whole)}: ${what}`)
  }

  #space(): void {
    while (/\s/.test(this.value.charAt(this.#at))) this.#at++
  }

  #next(): string {
    this.#space()
    return this.value.charAt(this.#at)
  }

  /** A value that fills the text. */
  all(): unknown {
    const value = this.#element(',')
    const rest = this.#next()
    if (rest === ',')
      this.#fail(
        'several values, as for a sweep: one training takes one — give one value, or quote a value with a comma',
      )
    if (rest) this.#fail(`expected the end after a value, got ${shown(this.value.slice(this.#at), 20)}`)
    return value
  }

  /** A value up to one of the characters `ends`, which is not consumed. */
  #element(ends: string): unknown {
    const first = this.#next()
    if (first === '[') return this.#list()
    if (first === '{') return this.#mapping()
    if (first === '"' || first === "'") return this.#quoted(first)
    return this.#unquoted(ends)
  }

  #list(): unknown[] {
    this.#at++
    const list: unknown[] = []
    while (this.#next() !== ']') {
      list.push(this.#element(',]'))
      if (this.#next() === ',') this.#at++
      else if (this.#next() !== ']') this.#fail('a list without its end, expected [a, b]')
    }
    this.#at++
    return list
  }

  #mapping(): Record<string, unknown> {
    this.#at++
    const entries: [string, unknown][] = []
    while (this.#next() !== '}') {
      const key = this.#element(':,}')
      if (this.#next() !== ':') this.#fail('a mapping whose key has no value, expected {a: 1}')
      this.#at++
      entries.push([String(key), this.#element(',}')])
      if (this.#next() === ',') this.#at++
      else if (this.#next() !== '}') this.#fail('a mapping without its end, expected {a: 1}')
    }
    this.#at++
    return Object.fromEntries(entries)
  }

  #quoted(quote: string): string {
    let text = ''
    for (this.#at++; this.#at < this.value.length; this.#at++) {
      const character = this.value[this.#at]
      const following = this.value.charAt(this.#at + 1)
      if (character === '\\' && (following === quote || following === '\\')) text += this.value[++this.#at]
      else if (character === quote) {
        this.#at++
        return text
      } else text += character
    }
    return this.#fail(`a quote ${quote} without its end`)
  }

  #unquoted(ends: string): unknown {
    const from = this.#at
    let text = ''
    while (this.#at < this.value.length && !ends.includes(this.value[this.#at])) {
      const interpolation = /^\$\{[^}]*\}/.exec(this.value.slice(this.#at))?.[0]
      const escaped = /^\\[\\,[\]{}:=()\s]/.test(this.value.slice(this.#at))
      text += interpolation ?? this.value[this.#at + (escaped ? 1 : 0)]
      this.#at += interpolation?.length ?? (escaped ? 2 : 1)
    }
    const shown = this.value.slice(from, this.#at).trim()
    if (/^[A-Za-z_]\w*\s*\(/.test(shown) && this.value.trimEnd().endsWith(')')) {
      this.#fail('a function of hydra, which is not run here — write the value itself')
    }
    return primitive(text.trim())
  }
}

function parseValue(value: string, whole: string): unknown {
  return new Reader(value, whole).all()
}
