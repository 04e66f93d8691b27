// Rewrites the WGSL of a kernel so that some of its tensors are stored as float16; it still computes in float32.

/** The float16 type that stores each float32 type. */
const STORED: Record<string, string> = { f32: 'f16', vec2f: 'vec2h', vec4f: 'vec4h', mat2x4f: 'vec4u' }

/** Loads and stores of a mat2x4f: eight neighbours are one word of 16 bytes. */
const WORDS = `
fn from_word(w: vec4u) -> mat2x4f { return mat2x4f(vec4f(bitcast<vec4h>(w.xy)), vec4f(bitcast<vec4h>(w.zw))); }
fn to_word(v: mat2x4f) -> vec4u { return vec4u(bitcast<vec2u>(vec4h(v[0])), bitcast<vec2u>(vec4h(v[1]))); }`
const load = (wide: string, place: string) => `${wide === 'mat2x4f' ? 'from_word' : wide}(${place})`

/**
 * Rewrites loads and stores of the given bindings. The kernel may use such a tensor only as `name[index]`.
 * Arrays of u32 or vec4u stay as they are: their kernel reads pairs of float16 as words.
 * @param bindings numbers of the bindings that are float16: arrays of f32, vec2f, vec4f or mat2x4f, or of words
 * @throws when a binding is none of these
 */
export function storedAsF16(wgsl: string, bindings: readonly number[]): string {
  let text = wgsl.replace(/\/\/.*$/gm, '')
  for (const binding of bindings) {
    const [declaration, name, element] =
      new RegExp(`@binding\\(${binding}\\)\\s*var<storage, ?\\w+> ?(\\w+): ?array<(\\w+)>;`).exec(text) ?? []
    const wide = new RegExp(`^alias ${element} = (\\w+);`, 'm').exec(text)?.[1] ?? element
    if (/^(u32|vec4u|f16)$/.test(wide)) continue
    if (!declaration || !STORED[wide])
      throw new Error(`binding ${binding} is no array of f32, vec2f, vec4f or mat2x4f: it cannot be float16`)
    text = text.replace(declaration, declaration.replace(`<${element}>`, `<${STORED[wide]}>`))
    text = convertUses(text, name, wide)
  }
  return `enable f16;\n${text}${/\b(from|to)_word\(/.test(text) ? WORDS : ''}`
}

function convertUses(text: string, name: string, wide: string): string {
  // From the last use to the first: an inner expression is converted before the expression around it.
  for (const { index } of [...text.matchAll(new RegExp(`(?<![\\w.])${name}\\[`, 'g'))].reverse()) {
    let end = index + name.length
    for (let depth = 0; ; end++) {
      depth += text[end] === '[' ? 1 : text[end] === ']' ? -1 : 0
      if (depth === 0) break
    }
    const [head, place, rest] = [text.slice(0, index), text.slice(index, end + 1), text.slice(end + 1)]
    const [assignment, operator] = /^\s*([-+*/]?)=(?!=)/.exec(rest) ?? []
    if (assignment === undefined) {
      text = `${head}${load(wide, place)}${rest}`
      continue
    }
    const stop = rest.indexOf(';')
    const value = rest.slice(assignment.length, stop).trim()
    const stored = operator ? `${load(wide, place)} ${operator} (${value})` : value
    text = `${head}${place} = ${wide === 'mat2x4f' ? 'to_word' : STORED[wide]}(${stored})${rest.slice(stop)}`
  }
  return text
}
