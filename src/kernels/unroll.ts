// Unrolls the loops that a shader marks, before any compiler sees them.

const MARK = /@diagnostic\(off,\s*trm\.unroll\)\s*for\s*\(var (\w+)\s*=\s*0u;\s*\1\s*<\s*(\w+);\s*\1\+\+\)\s*\{/y

/**
 * Unrolls loops of the form `@diagnostic(off, trm.unroll) for (var i = 0u; i < COUNT; i++) { … }`. COUNT is a number or
 * the name of a line `const COUNT = 8;`. Such loops may be nested. Comments in them must have no braces.
 * Most compilers keep an array in registers only if every index is constant.
 * WGSL ignores the mark: the text means the same if it is not unrolled.
 * @throws on a marked loop of another form
 */
export function unroll(text: string): string {
  for (;;) {
    // The last marked loop in the text contains no other.
    const start = text.lastIndexOf('@diagnostic(off')
    if (start < 0) return text
    MARK.lastIndex = start
    const [head, name, bound] = MARK.exec(text) ?? []
    const count = /^\d+u?$/.test(bound ?? '') ? bound : new RegExp(`^const ${bound} = (\\d+)u?;`, 'm').exec(text)?.[1]
    const from = MARK.lastIndex
    let [end, depth] = [from, 1]
    for (; depth > 0 && end < text.length; end++) depth += text[end] === '{' ? 1 : text[end] === '}' ? -1 : 0
    if (!head || count === undefined || depth > 0)
      throw new Error(
        `cannot unroll ${JSON.stringify(text.slice(start, start + 100))}: ` +
          'expected "for (var i = 0u; i < COUNT; i++) { … }" with a number or a line "const COUNT = 8;"',
      )
    const body = text.slice(from, end - 1)
    const variable = new RegExp(`\\b${name}\\b`, 'g')
    text =
      text.slice(0, start) +
      Array.from({ length: parseInt(count) }, (_, i) => `{${body.replace(variable, `${i}u`)}}`).join('\n') +
      text.slice(end)
  }
}
