// Fields of a configuration as people type them: "seq_len=81 mlp_t=true".

/** Fields by official names; true, false and numbers are taken as such, everything else is text. */
export function fieldsOf(text: string): Record<string, unknown> {
  const pairs = text
    .split(/[\s,]+/)
    .filter(Boolean)
    .map(pair => pair.split('='))
  return Object.fromEntries(pairs.map(([name, value = '']) => [name, valueOf(value)]))
}

function valueOf(text: string): unknown {
  if (/^(true|false)$/i.test(text)) return /true/i.test(text)
  return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text
}
