// A kernel's WGSL with some of its bindings stored as float16: each load gives float32 and each store takes it, so the kernel computes as before.

const HALF: Record<string, string> = { f32: 'f16', vec2f: 'vec2h', vec4f: 'vec4h', mat2x4f: 'vec4u' }

/** Eight neighbours are loaded and stored as one word of 16 bytes. */
const WORDS = `
fn from_word(w: vec4u) -> mat2x4f { return mat2x4f(vec4f(bitcast<vec4h>(w.xy)), vec4f(bitcast<vec4h>(w.zw))); }
fn to_word(v: mat2x4f) -> vec4u { return vec4u(bitcast<vec2u>(vec4h(v[0])), bitcast<vec2u>(vec4h(v[1]))); }`
const load = (wide: string, place: string) => `${wide === 'mat2x4f' ? 'from_word' : wide}(${place})`

/**
 * Every kernel thus runs on float16 tensors without a text of its own. It may use a stored tensor only as `name[index]`.
 * A binding that is an array of u32 or vec4u stays as it is: its kernel reads pairs of float16 as words.
 * @param bindings numbers of the bindings to be stored so; arrays of f32, vec2f, vec4f or mat2x4f, or of words
 * @throws when a binding is none of these
 */
export function storedAsF16(wgsl: string, bindings: readonly number[]): string {
  let text = wgsl.replace(/\/\/.*$/gm, '')
  for (const binding of bindings) {
    const [declaration, name, element] =
      new RegExp(`@binding\\(${binding}\\)\\s*var<storage, ?\\w+> ?(\\w+): ?array<(\\w+)>;`).exec(text) ?? []
    const wide = new RegExp(`^alias ${element} = (\\w+);`, 'm').exec(text)?.[1] ?? element
    if (/^(u32|vec4u|f16)$/.test(wide)) continue
    if (!declaration || !HALF[wide])
      throw new Error(`binding ${binding} is no array of f32, vec2f, vec4f or mat2x4f: it cannot be float16`)
    text = text.replace(declaration, declaration.replace(`<${element}>`, `<${HALF[wide]}>`))
    text = convertUses(text, name, wide)
  }
  return `enable f16;\n${text}${/\b(from|to)_word\(/.test(text) ? WORDS : ''}`
}

function convertUses(text: string, name: string, wide: string): string {
  // From the last one on: what stands in brackets or on a right-hand side is converted before what is around it.
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
    text = `${head}${place} = ${wide === 'mat2x4f' ? 'to_word' : HALF[wide]}(${stored})${rest.slice(stop)}`
  }
  return text
}
