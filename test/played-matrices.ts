// Replaces subgroup matrices by plain functions, so that adapters without them compute such kernels. No test is here.
// test/null-backend.test.ts compiles these kernels as they are.
import type { Kernel } from '../src/kernels/kernel.js'

/** Threads of a subgroup. */
const THREADS = 32

/**
 * The same text without subgroup matrices. A played matrix lies in arrays of the threads. Thread t of a subgroup has
 * rows t / 2, t / 2 + 16, … of results and, of every 8 columns, the first or the last four. Of operands each thread has
 * the rows and columns that its results need. Elements are f32: float16 operands keep their values, and results of
 * float16 are rounded.
 *
 * Supported are:
 * - the three types with elements f16 and f32, any number of rows, and multiples of 4 columns;
 * - subgroupMatrixLoad, -MultiplyAccumulate and -Store as whole statements;
 * - pointers `&name[…]` to arrays of f16, f32, u32, vec2u and vec4u in workgroup memory or storage;
 * - the builtins subgroup_id, subgroup_invocation_id and subgroup_size, and the attribute subgroup_size(32);
 * - subgroupShuffleXor by 1 and 2, which the subgroups of the adapter compute.
 * @param text the final text: marked loops must be unrolled if indices must be constants
 * @throws on any other use of subgroups
 */
export function played(text: string): string {
  let known = texts.get(text)
  if (known === undefined) texts.set(text, (known = new Player(text).text()))
  return known
}

const texts = new Map<string, string>()

/** The text with loops as they are instead of unrolled: that compiles faster with played matrices. */
export const rolled = (text: string): string => text.replace(/@diagnostic\(off, trm\.unroll\)/g, '')

/** The kernel with its matrices played. */
export function playedKernel<Size>(kernel: Kernel<Size>): Kernel<Size> {
  const { name, source } = kernel
  return {
    ...kernel,
    name: `${name}, played`,
    source: size => played(typeof source === 'string' ? source : source(size)),
  }
}

/** Sides of a matrix: rows × columns, of left (m, k), of right (k, n), of result (m, n). */
interface Matrix {
  readonly kind: 'left' | 'right' | 'result'
  readonly element: 'f16' | 'f32'
  readonly rows: number
  readonly columns: number
  /** Name of the array that a thread keeps. */
  readonly name: string
}

/** The array in memory that a pointer points to. */
interface Target {
  readonly element: string
  readonly type: string
}

/** Bits of an element of the memory, and the expression that reads word w of the array s. */
const MEMORY: Readonly<Record<string, { bits: number; words: string }>> = {
  f16: { bits: 16, words: '' },
  f32: { bits: 32, words: '' },
  u32: { bits: 32, words: '(*s)[w]' },
  vec2u: { bits: 64, words: '(*s)[w / 2u][w % 2u]' },
  vec4u: { bits: 128, words: '(*s)[w / 4u][w % 4u]' },
}

const ROWS_APART = THREADS / 2

class Player {
  #code: string
  readonly #helpers = new Map<string, string>()
  readonly #matrices = new Map<string, Matrix>()
  /** Which matrices a variable holds, by its name. */
  readonly #variables = new Map<string, Set<Matrix>>()

  constructor(text: string) {
    this.#code = text.replace(/\/\*[^]*?\*\/|\/\/.*/g, ' ')
  }

  text(): string {
    this.#replaceTypes()
    this.#findVariables()
    for (const [name, replace] of Object.entries(this.#statements)) this.#replaceStatements(name, replace)
    this.#replaceShuffles()
    this.#replaceEntry()
    this.#replaceEnables()
    const unknown = /\b(subgroup(?!ShuffleXor\b)[A-Z]|quad[A-Z]|subgroup_matrix_)\w*|@(builtin\()?subgroup_\w+/.exec(
      this.#code,
    )
    if (unknown) this.#fail(`does not know ${unknown[0]}`, unknown.index)
    const arrays = [...this.#matrices.values()].map(matrix => `alias ${matrix.name} = ${arrayOf(matrix)};`)
    // WGSL begins with the enables. Compilers do not know that played_zero is 0: else they would unroll all loops.
    const [enables] = /^(\s*enable [^;]+;)*/.exec(this.#code)!
    return [
      enables,
      'var<private> played_thread: u32;',
      'var<private> played_zero: u32;',
      ...new Set(arrays),
      ...this.#helpers.values(),
      this.#code.slice(enables.length),
    ].join('\n')
  }

  #needsSubgroups = false

  #fail(what: string, at: number): never {
    throw new Error(`played matrices: ${what} in ${JSON.stringify(this.#code.slice(at, at + 120))}`)
  }

  /** The value of a literal or of a line `const NAME = 4;`. */
  #number(text: string, at: number): number {
    const value = /^\d+[ui]?$/.test(text)
      ? text
      : new RegExp(`^const ${text}(?:: *u32)? = (\\d+)[ui]?;`, 'm').exec(this.#code)?.[1]
    if (value === undefined)
      this.#fail(`expects a number or the name of a line "const NAME = 4;" instead of ${text}`, at)
    return parseInt(value)
  }

  #resolved(type: string): string {
    const alias = new RegExp(`\\balias ${type.trim()} = ([^;]+);`).exec(this.#code)?.[1]
    return alias === undefined ? type.trim() : this.#resolved(alias)
  }

  #replaceTypes(): void {
    for (;;) {
      const found = /\bsubgroup_matrix_(left|right|result) *</.exec(this.#code)
      if (!found) return
      const open = found.index + found[0].length - 1
      const end = closing(this.#code, open)
      const [element, columns, rows] = split(this.#code.slice(open + 1, end - 1))
      const matrix = this.#matrix(
        found[1] as Matrix['kind'],
        this.#resolved(element),
        this.#number(rows, found.index),
        this.#number(columns, found.index),
        found.index,
      )
      this.#code = this.#code.slice(0, found.index) + matrix.name + this.#code.slice(end)
    }
  }

  #matrix(kind: Matrix['kind'], element: string, rows: number, columns: number, at: number): Matrix {
    if (element !== 'f16' && element !== 'f32') this.#fail(`knows matrices of f16 and f32, not of ${element}`, at)
    if (kind !== 'left' && columns % 4) this.#fail(`knows multiples of 4 columns, not ${columns}`, at)
    const name = `Played_${kind}_${element}_${rows}x${columns}`
    let matrix = this.#matrices.get(name)
    if (!matrix) this.#matrices.set(name, (matrix = { kind, element, rows, columns, name }))
    return matrix
  }

  /** The matrix type that a type's text mentions, if any. */
  #mentioned(type: string): Matrix | undefined {
    for (const word of type.match(/\w+/g) ?? []) {
      const found = this.#matrices.get(this.#resolved(word))
      if (found) return found
    }
    return undefined
  }

  #findVariables(): void {
    const note = (name: string, type: string) => {
      const matrix = this.#mentioned(type)
      if (matrix) this.#variables.set(name, (this.#variables.get(name) ?? new Set()).add(matrix))
    }
    for (const { 1: name, 2: type } of this.#code.matchAll(/\bvar(?:<\w+>)? +(\w+) *: *([^;=]+)/g)) note(name, type)
    for (const { 1: name, 2: type } of this.#code.matchAll(
      /\b(?:let|var) +(\w+) *= *(?:subgroupMatrixLoad *<)? *(\w+)/g,
    ))
      note(name, type)
    for (const { 1: parameters } of this.#code.matchAll(/\bfn +\w+ *\(([^{]*)\{/g))
      for (const { 1: name, 2: type } of parameters.matchAll(/(\w+) *: *(ptr<[^:]*>|\w+)/g)) note(name, type)
  }

  /** The matrix that an expression names. */
  #matrixOf(expression: string, kind: Matrix['kind'], at: number): Matrix {
    const name = /\w+/.exec(expression)?.[0] ?? ''
    const found = [...(this.#variables.get(name) ?? [])].filter(matrix => matrix.kind === kind)
    if (found.length !== 1 || !/^[(*\s]*\w+\)*(\[[^]*\])*$/.test(expression))
      this.#fail(`expects a variable with one kind of ${kind} matrix instead of ${expression}`, at)
    return found[0]
  }

  #replaceStatements(
    name: string,
    replace: (before: string, template: string[], given: string[], at: number) => string,
  ): void {
    for (;;) {
      const at = new RegExp(`\\b${name}\\b`).exec(this.#code)?.index
      if (at === undefined) return
      const start = Math.max(...[';', '{', '}'].map(sign => this.#code.lastIndexOf(sign, at))) + 1
      let open = at + name.length
      let template: string[] = []
      if (/^\s*</.test(this.#code.slice(open))) {
        const from = this.#code.indexOf('<', open)
        open = closing(this.#code, from)
        template = split(this.#code.slice(from + 1, open - 1))
      }
      const from = this.#code.indexOf('(', open)
      const end = closing(this.#code, from)
      const rest = /^\s*;/.exec(this.#code.slice(end))
      if (this.#code.slice(open, from).trim() || !rest)
        this.#fail(`expects ${name} as the whole right-hand side of a statement`, start)
      const statement = replace(
        this.#code.slice(start, at).trim(),
        template,
        split(this.#code.slice(from + 1, end - 1)),
        start,
      )
      this.#code = `${this.#code.slice(0, start)} ${statement}${this.#code.slice(end + rest[0].length)}`
    }
  }

  /** The declaration and the variable of `let x =`, `var x =` or `x =`. */
  #assigned(before: string, type: string, at: number): { declaration: string; variable: string } {
    const [, word, name, lvalue] = /^(?:(let|var) +(\w+)(?: *: *\w+)? *|([\w[\].()*+\-/%\s]+?) *)=$/.exec(before) ?? []
    if (name !== undefined) return { declaration: word ? `var ${name}: ${type}; ` : '', variable: name }
    if (lvalue === undefined) this.#fail('expects "let x = …", "var x = …" or "x = …"', at)
    return { declaration: '', variable: lvalue }
  }

  readonly #statements: Record<string, (before: string, template: string[], given: string[], at: number) => string> = {
    subgroupMatrixLoad: (before, [type, major], [pointer, offset, stride], at) => {
      const matrix = this.#mentioned(type)
      if (!matrix) this.#fail(`expects a matrix type instead of ${type}`, at)
      const { declaration, variable } = this.#assigned(before, matrix.name, at)
      const load = this.#load(matrix, this.#target(pointer, at), at)
      return `${declaration}${load}(&${variable}, ${pointer}, ${offset}, ${this.#steps(major, stride, at)});`
    },
    subgroupMatrixMultiplyAccumulate: (before, _, [left, right, sum], at) => {
      const [a, b, c] = [
        this.#matrixOf(left, 'left', at),
        this.#matrixOf(right, 'right', at),
        this.#matrixOf(sum, 'result', at),
      ]
      if (a.element !== b.element || a.rows !== c.rows || b.columns !== c.columns || a.columns !== b.rows)
        this.#fail(`cannot multiply ${a.name} with ${b.name} into ${c.name}`, at)
      const { declaration, variable } = this.#assigned(before, c.name, at)
      if (declaration) this.#variables.set(variable, (this.#variables.get(variable) ?? new Set()).add(c))
      const copy = variable.replace(/\s/g, '') === sum.replace(/\s/g, '') ? '' : `${variable} = ${sum}; `
      return `${declaration}${copy}${this.#multiply(a, b, c)}(&${left}, &${right}, &${variable});`
    },
    subgroupMatrixStore: (before, [major], [pointer, offset, value, stride], at) => {
      if (before) this.#fail('expects subgroupMatrixStore as a statement', at)
      const kinds = (['left', 'right', 'result'] as const).filter(kind =>
        [...(this.#variables.get(/\w+/.exec(value)?.[0] ?? '') ?? [])].some(matrix => matrix.kind === kind),
      )
      if (kinds.length !== 1 || kinds[0] !== 'result') this.#fail(`knows stores of results, not of ${value}`, at)
      const target = this.#target(pointer, at)
      if (target.element === 'vec4u' && major !== 'row_major') this.#fail('knows stores to vec4u row by row alone', at)
      const store = this.#store(this.#matrixOf(value, 'result', at), target, at)
      return `${store}(&${value}, ${pointer}, ${offset}, ${this.#steps(major, stride, at)});`
    },
  }

  /** The distances of rows and of columns in memory; 0 stands for neighbours. */
  #steps(major: string, stride: string, at: number): string {
    if (major !== 'row_major' && major !== 'col_major')
      this.#fail(`expects row_major or col_major instead of ${major}`, at)
    return major === 'row_major' ? `u32(${stride}), 0u` : `0u, u32(${stride})`
  }

  /** The array that `&name[…]` points to. */
  #target(pointer: string, at: number): Target {
    const [, name, indices] = /^& *(\w+)((?:\s*\[[^]*\])?)$/.exec(pointer.trim()) ?? []
    const [, space, declared] = new RegExp(`\\bvar<([^>]+)> *${name} *: *([^;]+);`).exec(this.#code) ?? []
    if (declared === undefined)
      this.#fail(`expects a pointer "&name" or "&name[…]" to a variable of the module instead of ${pointer}`, at)
    let type = this.#resolved(declared)
    for (let rest = indices.trim(); rest; rest = rest.slice(closing(rest, 0)).trim())
      type = this.#resolved(split(/^array *<([^]*)>$/.exec(type)?.[1] ?? '')[0])
    const [element, length] = split(/^array *<([^]*)>$/.exec(type)?.[1] ?? '')
    const plain = this.#resolved(element ?? '')
    if (!MEMORY[plain]) this.#fail(`knows arrays of ${Object.keys(MEMORY).join(', ')}, not ${type}`, at)
    const [where, access = 'read'] = space.split(',').map(part => part.trim())
    const array = `array<${plain}${length ? `, ${length}` : ''}>`
    return {
      element: plain,
      type: where === 'storage' ? `ptr<storage, ${array}, ${access}>` : `ptr<${where}, ${array}>`,
    }
  }

  #helper(key: string, text: (name: string) => string): string {
    const name = `played_${key.replace(/\W+/g, '_')}`
    if (!this.#helpers.has(name)) this.#helpers.set(name, text(name))
    return name
  }

  /** A function `(matrix, memory, offset, step of rows, step of columns)`; a step of 0 stands for neighbours. */
  #load(matrix: Matrix, { element, type }: Target, at: number): string {
    const { kind, rows, columns, name } = matrix
    const { bits, words } = MEMORY[element]
    const own = matrix.element === 'f16' ? 16 : 32
    if (!words && own !== bits) this.#fail(`knows no load of ${matrix.element} from ${element}`, at)
    const read = !words ? 'f32((*s)[i])' : own === 16 ? `unpack2x16float(${words})[i % 2u]` : `bitcast<f32>(${words})`
    const word = !words ? '' : `let w = i${own === 16 ? ' / 2u' : ''}; `
    const per = bits / own
    const fetch = `let i = offset * ${per}u + r * row + c * column; ${word}`
    const threads = 'let t = played_thread;'
    const four = (g: string) =>
      `var v: vec4f; ${upTo('e', 4, `let c = ${g} * 8u + t % 2u * 4u + e; ${fetch}v[e] = ${read};`)}`
    const bodies = {
      left: ownRows(rows, upTo('c', columns, `${fetch}(*d)[q * ${columns}u + c] = ${read};`)),
      right: upTo('r', rows, ownColumns('q', columns, `${four('q')} (*d)[q * ${rows}u + r] = v;`)),
      result: ownRows(rows, ownColumns('g', columns, `${four('g')} (*d)[q * ${groups(columns)}u + g] = v;`)),
    }
    return this.#helper(
      `load_${name}_${type}`,
      fn =>
        `fn ${fn}(d: ptr<function, ${name}>, s: ${type}, offset: u32, row_step: u32, column_step: u32) { ${threads} ` +
        `let row = select(row_step * ${per}u, 1u, row_step == 0u); ` +
        `let column = select(column_step * ${per}u, 1u, column_step == 0u); ${bodies[kind]} }`,
    )
  }

  #multiply(a: Matrix, b: Matrix, c: Matrix): string {
    const store = c.element === 'f16' ? 'quantizeToF16(v)' : 'v'
    const sum = `(*c)[q * ${groups(c.columns)}u + g]`
    const term = `v = fma(vec4f((*a)[q * ${a.columns}u + k]), (*b)[g * ${b.rows}u + k], v);`
    const cell = `var v = ${sum}; ${upTo('k', a.columns, term)} ${sum} = ${store};`
    return this.#helper(
      `multiply_${a.name}_${b.name}_${c.name}`,
      fn =>
        `fn ${fn}(a: ptr<function, ${a.name}>, b: ptr<function, ${b.name}>, c: ptr<function, ${c.name}>) ` +
        `{ let t = played_thread; ${ownRows(c.rows, ownColumns('g', c.columns, cell))} }`,
    )
  }

  /** A function `(matrix, memory, offset, step of rows, step of columns)`. Each element is written by one thread. */
  #store({ name, rows, columns, element: own }: Matrix, { element, type }: Target, at: number): string {
    const loop = (body: string) =>
      ownRows(
        rows,
        ownColumns('g', columns, `let v = (*d)[q * ${groups(columns)}u + g]; let c = g * 8u + t % 2u * 4u; ${body}`),
      )
    const head = (fn: string) =>
      `fn ${fn}(d: ptr<function, ${name}>, s: ${type}, offset: u32, row_step: u32, column_step: u32) ` +
      '{ let t = played_thread;'
    if (element === own)
      return this.#helper(
        `store_${name}_${type}`,
        fn =>
          `${head(fn)} let row = select(row_step, 1u, row_step == 0u); ` +
          'let column = select(column_step, 1u, column_step == 0u); ' +
          `${loop(upTo('e', 4, `(*s)[offset + r * row + (c + e) * column] = ${own}(v[e]);`))} }`,
      )
    if (element !== 'vec4u' || own !== 'f32') this.#fail(`knows no store of ${own} to ${element}`, at)
    return this.#helper(
      `store_${name}_${type}`,
      fn => `${head(fn)} ${loop('(*s)[offset + r * row_step + c / 4u] = bitcast<vec4u>(v);')} }`,
    )
  }

  /** float16 stays enabled if anything but the matrices uses it. */
  #replaceEnables(): void {
    const rest = this.#code
      .replace(/\benable [^;]+;/g, '')
      .replace(/^alias (\w+) = f16;/gm, (line, name: string) =>
        this.#code.split(new RegExp(`\\b${name}\\b`)).length > 2 ? line : '',
      )
    const enables = [
      ...(/\bf16\b|\bvec\dh\b/.test(rest) ? ['enable f16;'] : []),
      ...(this.#needsSubgroups ? ['enable subgroups;'] : []),
    ]
    this.#code = `${enables.join('\n')}\n${rest}`
  }

  #replaceShuffles(): void {
    for (const { 1: given, index } of this.#code.matchAll(/\bsubgroupShuffleXor *\(([^;]*)/g)) {
      const mask = split(`${given}`.slice(0, closing(`(${given}`, 0) - 2)).at(-1)
      if (!/^[12]u?$/.test(mask ?? '')) this.#fail(`knows subgroupShuffleXor by 1 and 2, not by ${mask}`, index)
      this.#needsSubgroups = true
    }
  }

  /** Attributes and builtins of the entry point. */
  #replaceEntry(): void {
    this.#code = this.#code.replace(/@subgroup_size\(32\)/g, '')
    const names: [name: string, value: string][] = []
    for (const [builtin, value] of [
      ['subgroup_id', `/ ${THREADS}u`],
      ['subgroup_invocation_id', `% ${THREADS}u`],
    ]) {
      this.#code = this.#code.replace(new RegExp(`@builtin\\(${builtin}\\) *(\\w+) *: *u32 *,?`), (_, name: string) => {
        names.push([name, value])
        return ''
      })
    }
    this.#code = this.#code.replace(/@builtin\(subgroup_size\) *(\w+) *: *u32 *,?/, (_, name: string) => {
      names.push([name, ''])
      return ''
    })
    const at = this.#code.search(/@compute\b/)
    const open = this.#code.indexOf('(', this.#code.indexOf('fn main', at))
    const end = closing(this.#code, open)
    let parameters = this.#code
      .slice(open + 1, end - 1)
      .trim()
      .replace(/,$/, '')
    let thread = /@builtin\(local_invocation_index\) *(\w+)/.exec(parameters)?.[1]
    if (thread === undefined) {
      thread = 'played_index'
      parameters += `${parameters ? ', ' : ''}@builtin(local_invocation_index) ${thread}: u32`
    }
    const body = this.#code.indexOf('{', end)
    const lines = names
      .map(([name, value]) => ` let ${name} = ${value ? `${thread} ${value}` : `${THREADS}u`};`)
      .join('')
    const start = `{ played_thread = ${thread} % ${THREADS}u; played_zero = ${thread} >> 20u;${lines}`
    const signature = `${this.#code.slice(0, open)}(${parameters})${this.#code.slice(end, body)}`
    this.#code = signature + start + this.#code.slice(body + 1)
  }
}

/** A loop of `name` from 0 on, below a bound that compilers do not know. */
const upTo = (name: string, bound: number, body: string) =>
  `for (var ${name} = 0u; ${name} < ${bound}u + played_zero; ${name}++) { ${body} }`

/** A loop over the rows r of thread t; q counts them. */
const ownRows = (rows: number, body: string) => {
  const row = `q * ${ROWS_APART}u + t / 2u`
  return `for (var q = 0u; ${row} < ${rows}u + played_zero; q++) { let r = ${row}; ${body} }`
}

/** A loop over the groups of four columns of thread t. */
const ownColumns = (name: string, columns: number, body: string) =>
  `for (var ${name} = 0u; ${name} * 8u + t % 2u * 4u < ${columns}u + played_zero; ${name}++) { ${body} }`

/** The number of groups of four columns that a thread has of a matrix. */
const groups = (columns: number) => Math.ceil(columns / 8)

const arrayOf = ({ kind, rows, columns }: Matrix) => {
  const ownRows = Math.ceil(rows / ROWS_APART)
  if (kind === 'left') return `array<f32, ${ownRows * columns}>`
  return `array<vec4f, ${kind === 'right' ? rows * groups(columns) : ownRows * groups(columns)}>`
}

/** The index behind the bracket that closes the one at `open`. @throws when none does */
function closing(text: string, open: number): number {
  const pairs: Record<string, string> = { '(': ')', '[': ']', '<': '>' }
  const [up, down] = [text[open], pairs[text[open]]]
  let depth = 0
  for (let i = open; i < text.length; i++) {
    if (text[i] === up) depth++
    else if (text[i] === down && --depth === 0) return i + 1
  }
  throw new Error(`played matrices: no "${down}" closes ${JSON.stringify(text.slice(open, open + 80))}`)
}

/** The parts between commas, except commas within brackets. */
function split(text: string): string[] {
  const parts: string[] = []
  let [depth, from] = [0, 0]
  for (let i = 0; i < text.length; i++) {
    if ('([<'.includes(text[i])) depth++
    else if (')]>'.includes(text[i])) depth--
    else if (text[i] === ',' && depth === 0) {
      parts.push(text.slice(from, i).trim())
      from = i + 1
    }
  }
  const last = text.slice(from).trim()
  return last ? [...parts, last] : parts
}
