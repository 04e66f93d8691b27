// WGSL in fewer bytes, for the package: no comments, little space, short names. Tests run the text as written.

/**
 * The same program in fewer bytes: most names that functions declare become one letter or two characters. Lines
 * `const NAME = 4;` and `alias NAME = f32;` stay as they are: kernels find them by that form and fill them in.
 * @param names short names of what modules declare, from `moduleNames`
 */
export function minifyWgsl(text, names = new Map()) {
  const lines = shortenLocals(withoutComments(text))
    .replace(/(?<![\w@])[a-z]\w*/g, name => names.get(name) ?? name)
    .split('\n')
    .map(line => line.trim())
    .filter(Boolean)
  return lines
    .map(line => (/^((const|alias) \w+ = [^;]+;|#import .*)$/.test(line) ? `\n${line}\n` : tighten(line)))
    .join(' ')
    .replace(/\s*\n\s*/g, '\n')
    .replace(/([;{}(),]) | (?=[{})])/g, '$1')
    .trim()
}

const withoutComments = text => text.replace(/\/\*[^]*?\*\/|\/\/.*/g, ' ')

/**
 * Names of two characters for the functions, variables and members that modules declare. They are the same in all
 * texts, because one may import another. A name that also means something in WGSL stays.
 */
export function moduleNames(texts) {
  const all = texts.map(withoutComments).join('\n')
  const declared = (pattern, text = all) => [...text.matchAll(pattern)].map(([, name]) => name)
  const functions = declared(/\bfn\s+(\w+)/g)
  const members = declared(/\bstruct\s+\w+\s*\{([^}]*)\}/g).flatMap(body => declared(/(\w+)\s*:/g, body))
  const isOwn = name =>
    name.length > 2 &&
    name !== 'main' &&
    !new RegExp(`[<@]\\s*${name}\\b|\\b${name}\\s*>${functions.includes(name) ? '' : `|\\b${name}\\s*\\(`}`).test(all)
  const long = new Set([...functions, ...declared(/\bvar<[^>]+>\s*(\w+)/g), ...members].filter(isOwn))
  const taken = new Set(all.match(/\w+/g))
  const letters = [...'abcdefghijklmnopqrstuvwxyz']
  const short = [...'0123456789']
    .flatMap(digit => letters.map(letter => letter + digit))
    .filter(name => !taken.has(name))
  return new Map([...long].map((name, i) => [name, short[i] ?? name]))
}

/**
 * Capital letters, then `A0` and so on, for parameters, `let` and `var` of functions. A name stays if the module has it
 * too, or if it may mean a declaration of another file. A new name occurs nowhere else in the file, so it hides
 * nothing. Names of tensors are in small letters, so no new name is one: the rewriting for float16 goes by them.
 */
function shortenLocals(text) {
  const declared = /\b(?:let|var)\s+(\w+)/g
  const names = (part, pattern) => [...part.matchAll(pattern)].map(([, name]) => name)
  const functions = [...text.matchAll(/\bfn\s+\w+\s*\(/g)].map(({ index }) => ({
    start: index,
    end: endOfBlock(text, index),
  }))
  const module = functions.reduceRight((rest, { start, end }) => rest.slice(0, start) + rest.slice(end), text)
  const taken = new Set(text.match(/\w+/g))
  const ofModule = new Set(module.match(/(?<!@)\b\w+/g))
  const capitals = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ']
  const short = [...capitals, ...capitals.map(letter => `${letter}0`)].filter(name => !taken.has(name))
  return functions.reduceRight((rest, { start, end }) => {
    const part = text.slice(start, end)
    const parameters = names(part.slice(0, part.indexOf('{')), /(\w+)\s*:/g)
    const isOwn = name => {
      const [before, next, ...others] = part.split(new RegExp(`(?<![\\w.])${name}\\b`))
      return (
        parameters.includes(name) ||
        (/\b(let|var)\s+$/.test(before) && next.includes(';') && !others.some(piece => piece.startsWith('(')))
      )
    }
    const locals = [...new Set([...parameters, ...names(part, declared)])].filter(
      name => name.length > 1 && !ofModule.has(name) && isOwn(name),
    )
    const renamed = new Map(locals.slice(0, short.length).map((name, i) => [name, short[i]]))
    return (
      rest.slice(0, start) + part.replace(/(?<![\w.])[a-z]\w*/gi, name => renamed.get(name) ?? name) + rest.slice(end)
    )
  }, text)
}

/** The position behind the closing brace of the first block from `at` on. */
function endOfBlock(text, at) {
  let end = text.indexOf('{', at) + 1
  for (let depth = 1; depth > 0; end++) depth += text[end] === '{' ? 1 : text[end] === '}' ? -1 : 0
  return end
}

/** Drops spaces beside punctuation, unless two signs would become another sign. */
function tighten(line) {
  return line.replace(/(\S)\s+(?=(\S))/g, (_, before, after) => {
    const words = /\w/.test(before) && /\w/.test(after)
    const signs = /[-+&|<>=!*/%^]/.test(before) && /[-+&|<>=!*/%^]/.test(after)
    return words || signs ? `${before} ` : before
  })
}
