// WGSL in fewer bytes for the package: without comments and the space that only people need, and with short names for what functions declare; the tests run the text as it is written.

/**
 * The same tokens in fewer bytes, and most names that functions declare as one letter. Lines `const NAME = 4;` and `alias NAME = f32;` stay as they are: kernels fill them in by that form.
 */
export function minifyWgsl(text) {
  const lines = shortenLocals(text.replace(/\/\*[^]*?\*\/|\/\/.*/g, ' '))
    .split('\n')
    .map(line => line.trim())
    .filter(Boolean)
  return lines
    .map(line => (/^((const|alias) \w+ = [^;]+;|#import .*)$/.test(line) ? `\n${line}\n` : tighten(line)))
    .join(' ')
    .replace(/\s*\n\s*/g, '\n')
    .replace(/([;{}(,]) | (?=[{})])/g, '$1')
    .trim()
}

/**
 * Capitals for what functions declare, parameters, `let` and `var`; a name stays if the module has it, or if it may mean what another file
 * declares. No new name stands anywhere in the file, so it hides nothing, and none is a tensor's, as those are small: float16 goes by these.
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
  const ofModule = new Set(module.match(/\w+/g))
  const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'].filter(letter => !taken.has(letter))
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
    const short = new Map(locals.slice(0, letters.length).map((name, i) => [name, letters[i]]))
    return (
      rest.slice(0, start) + part.replace(/(?<![\w.])[a-z]\w*/gi, name => short.get(name) ?? name) + rest.slice(end)
    )
  }, text)
}

/** Behind the closing brace of the first block from `at` on. */
function endOfBlock(text, at) {
  let end = text.indexOf('{', at) + 1
  for (let depth = 1; depth > 0; end++) depth += text[end] === '{' ? 1 : text[end] === '}' ? -1 : 0
  return end
}

/** Drops spaces beside punctuation, unless two signs would grow together into another one. */
function tighten(line) {
  return line.replace(/(\S)\s+(?=(\S))/g, (_, before, after) => {
    const words = /\w/.test(before) && /\w/.test(after)
    const signs = /[-+&|<>=!*/%^]/.test(before) && /[-+&|<>=!*/%^]/.test(after)
    return words || signs ? `${before} ` : before
  })
}
