// WGSL without comments and without the space that only people need, for the package; the tests run the text as it is written.

/**
 * The same tokens in fewer bytes. Lines `const NAME = 4;` and `alias NAME = f32;` stay as they are: kernels fill them in by that form.
 */
export function minifyWgsl(text) {
  const lines = text.replace(/\/\*[^]*?\*\/|\/\/.*/g, ' ').split('\n').map(line => line.trim()).filter(Boolean)
  return lines.map(line => (/^(const|alias) \w+ = [^;]+;$/.test(line) ? `\n${line}\n` : tighten(line))).join(' ').replace(/\s*\n\s*/g, '\n').replace(/([;{}(,]) | (?=[{})])/g, '$1').trim()
}

/** Drops spaces beside punctuation, unless two signs would grow together into another one. */
function tighten(line) {
  return line.replace(/(\S)\s+(?=(\S))/g, (_, before, after) => {
    const words = /\w/.test(before) && /\w/.test(after)
    const signs = /[-+&|<>=!*/%^]/.test(before) && /[-+&|<>=!*/%^]/.test(after)
    return words || signs ? `${before} ` : before
  })
}
