// Finds registers that are not indexed by constants: compilers of GPUs put such arrays into memory. No test is here.

/** What a name means: memory that threads address, a value or variable in registers, or a constant. */
type Kind = 'memory' | 'register' | 'constant'

type Scope = Map<string, Kind>

/** Functions whose result is constant if their arguments are. */
const ARITHMETIC = new Set(['u32', 'i32', 'f32', 'min', 'max', 'select', 'abs', 'clamp', 'true', 'false'])

const isName = (token: string | undefined) => token !== undefined && /^[a-z_]/i.test(token)
const isMemory = (space: string | undefined) => space !== undefined && /^(workgroup|storage|uniform)$/.test(space)

/** The tokens of WGSL without comments. Signs such as `->` become two tokens: only brackets and names matter. */
function tokensOf(wgsl: string): string[] {
  return wgsl.replace(/\/\*[^]*?\*\/|\/\/.*/g, ' ').match(/\d[\w.]*(?:[-+]\d+)?|\w+|\S/g) ?? []
}

/** The index of the bracket that belongs to the bracket at `at`. @throws when there is none */
function partner(tokens: readonly string[], at: number): number {
  const [open, shut] = ['()', '[]', '{}'].find(pair => pair.includes(tokens[at])) ?? ''
  const step = tokens[at] === open ? 1 : -1
  let depth = 0
  for (let i = at; i >= 0 && i < tokens.length; i += step) {
    if (tokens[i] === open) depth++
    else if (tokens[i] === shut) depth--
    if (depth === 0) return i
  }
  throw new Error(`"${tokens[at]}" has no partner: ${tokens.slice(Math.max(0, at - 5), at + 5).join(' ')}`)
}

/**
 * Every `base[index]` whose base lies in registers and whose index is not constant, as "function: base[index]".
 * Constants are literals, `const` names and arithmetic of these. Registers are: variables of the function and private
 * address spaces, also through pointers; values of `let`, parameters and calls; constant tables. Textures, buffers and
 * workgroup memory are not registers.
 */
export function registersByVariable(wgsl: string): string[] {
  const tokens = tokensOf(wgsl)
  const module: Scope = new Map()
  const aliases = new Map<string, string>()

  // Declarations of the module, in any order.
  for (let i = 0, depth = 0; i < tokens.length; i++) {
    if ('({['.includes(tokens[i])) depth++
    else if (')}]'.includes(tokens[i])) depth--
    if (depth > 0) continue
    if (tokens[i] === 'const') module.set(tokens[i + 1], 'constant')
    else if (tokens[i] === 'override') module.set(tokens[i + 1], 'register')
    else if (tokens[i] === 'alias') aliases.set(tokens[i + 1], tokens.slice(i + 3, tokens.indexOf(';', i)).join(' '))
    else if (tokens[i] === 'var' && tokens[i + 1] !== '<')
      module.set(tokens[i + 1], 'memory') // a texture
    else if (tokens[i] === 'var')
      module.set(tokens[tokens.indexOf('>', i) + 1], isMemory(tokens[i + 2]) ? 'memory' : 'register')
  }

  const scopes: Scope[] = [module]
  const kindOf = (name: string): Kind | undefined => scopes.findLast(scope => scope.has(name))?.get(name)

  const isConstant = (from: number, to: number): boolean => {
    for (let i = from; i < to; i++) {
      if (tokens[i - 1] === '.' || !isName(tokens[i])) continue
      if (!ARITHMETIC.has(tokens[i]) && kindOf(tokens[i]) !== 'constant') return false
    }
    return true
  }

  /** The kind of the expression that ends before `end`. */
  const rootBefore = (end: number): Kind => {
    const last = tokens[end - 1]
    if (last === ']') return rootBefore(partner(tokens, end - 1))
    if (isName(last)) return tokens[end - 2] === '.' ? rootBefore(end - 2) : (kindOf(last) ?? 'register')
    if (last !== ')') return 'register'
    // (*name), (&name) and the like, with members and indices, are of the kind of the name. All else is a value.
    let i = partner(tokens, end - 1)
    if (isName(tokens[i - 1]) || tokens[i - 1] === '>') return 'register'
    while ('(*&'.includes(tokens[i])) i++
    const root = isName(tokens[i]) ? (kindOf(tokens[i]) ?? 'register') : 'register'
    for (i++; i < end;) {
      if (tokens[i] === '.') i += 2
      else if (tokens[i] === '[') i = partner(tokens, i) + 1
      else if (tokens[i] === ')') i++
      else return 'register'
    }
    return root
  }

  /** The kind of a `let` with this text: that of the target for a pointer, else a value. */
  const kindOfLet = (from: number, to: number): Kind => {
    if (tokens[from] === '&') return kindOf(tokens.slice(from, to).find(isName) ?? '') ?? 'register'
    return to === from + 1 && pointers.has(tokens[from]) ? (kindOf(tokens[from]) ?? 'register') : 'register'
  }

  /** The start of the expression that ends before `end`. */
  const startBefore = (end: number): number => {
    const last = /[\])]/.test(tokens[end - 1]) ? partner(tokens, end - 1) : end - 1
    if (tokens[last] === '[') return startBefore(last)
    if (tokens[last] === '(') return isName(tokens[last - 1]) ? startBefore(last) : last
    return tokens[last - 1] === '.' ? startBefore(last - 1) : last
  }

  const found: string[] = []
  const pointers = new Set<string>()
  let place = ''
  let pending: { name: string; kind: Kind; at: number } | undefined
  // Scopes that the head of a function or loop opens. They end with its block.
  let heads = 0
  const blocks: number[] = []

  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]
    if (token === 'fn') {
      place = tokens[i + 1]
      scopes.push(new Map())
      heads++
      const end = partner(tokens, i + 2)
      for (let j = i + 3; j < end; j++) {
        if (tokens[j] === '(') j = partner(tokens, j)
        if (tokens[j] !== ':') continue
        const type = aliases.get(tokens[j + 1]) ?? tokens.slice(j + 1, end).join(' ')
        const space = /^ptr ?< ?(\w+)/.exec(type)?.[1]
        scopes.at(-1)!.set(tokens[j - 1], isMemory(space) ? 'memory' : 'register')
        if (space) pointers.add(tokens[j - 1])
      }
      i = end
    } else if (token === 'struct') {
      i = partner(tokens, i + 2)
    } else if (token === 'for') {
      scopes.push(new Map())
      heads++
    } else if (token === '{') {
      scopes.push(new Map())
      blocks.push(heads)
      heads = 0
    } else if (token === '}') {
      scopes.length -= 1 + blocks.pop()!
    } else if (token === 'let' || token === 'const' || (token === 'var' && place)) {
      if (scopes.length === 1) continue
      const end = tokens.indexOf(';', i)
      const from = tokens.indexOf('=', i) + 1
      const kind = token === 'const' ? 'constant' : token === 'let' ? kindOfLet(from, end) : 'register'
      if (token === 'let' && tokens[from] === '&') pointers.add(tokens[i + 1])
      pending = { name: tokens[i + 1], kind, at: end }
    } else if (pending && i === pending.at) {
      scopes.at(-1)!.set(pending.name, pending.kind)
      pending = undefined
    } else if (token === '[') {
      const end = partner(tokens, i)
      if (rootBefore(i) !== 'memory' && !isConstant(i + 1, end)) {
        const from = startBefore(i)
        found.push(`${place}: ${tokens.slice(from, end + 1).join('')}`)
      }
    }
  }
  return found
}
