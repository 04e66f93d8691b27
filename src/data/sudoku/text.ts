// Sudokus as people write and paste them: lines, drawn grids, lists, several in a text, with any usual sign for a
// blank.
import { shown } from '../../formats/shown.js'
import { sudokuSizeOf, type SudokuSize } from './rules.js'

/** A Sudoku that was found in a text. */
export interface FoundSudoku {
  /** Tokens, (cells). */
  ids: Uint8Array
  /** Line of the text in which it ends, from 1. */
  line: number
}

/** A line of the text as cells: digits, 0 for a blank. */
interface Row {
  cells: number[]
  line: number
  /** The signs of its blanks, a space for a place where nothing stands. */
  blanks: string
}

const SIZES: readonly SudokuSize[] = [4, 6, 9]
const WHOLES = SIZES.map(size => size * size)

/** Signs for a blank, as they are typed. */
const BLANK_SIGNS = '.0*_-?xX'

/** Signs that may draw a line or be blanks. */
const UNCLEAR_SIGNS = ['-', '_', '*']

/**
 * The Sudokus of a text, at least one: digits row by row in any layout, with '.', '0', '*', '_', '-', '?' or 'x' for
 * blanks. It reads drawn boxes, lists (JSON, Python, C), and cells between bars, commas or tabs, where an empty place
 * is a blank too. Text after a '#' is a comment, and lines of words are headings. A text that can be read in two ways,
 * such as "---", is read in the way that gives whole grids.
 * @throws one line that says what was found instead, or that there are two ways to read it
 */
export function parseSudokus(text: string): FoundSudoku[] {
  const listed = /^\s*[[{]/.test(text) ? fromJson(text) : []
  if (listed.length > 0) return listed
  const lines = plainSigns(text)
    .replace(/(\r\n?|\n)$/, '')
    .split(/\r\n?|\n|\\n|\//)
    .map(linePart)
  let trouble: unknown
  for (const readings of [signReadings(lines), placeReadings(lines)]) {
    const found = new Map<string, FoundSudoku[]>()
    for (const read of readings) {
      try {
        const sudokus = blocksOf(lines).flatMap(block => assemble(block.flatMap(i => read(lines[i]!, i + 1) ?? [])))
        if (sudokus.length === 0) {
          throw new Error('sudoku: expected a puzzle, digits row by row with "." for blanks, found none')
        }
        found.set(sudokus.map(({ ids }) => ids.join('')).join(), sudokus)
      } catch (error) {
        trouble ??= error
      }
    }
    if (found.size > 1) {
      throw new Error(
        'sudoku: the text can be read in two ways, with "-", "_" or "*" as blanks or drawn — write blanks as "."',
      )
    }
    for (const sudokus of found.values()) return sudokus
  }
  throw trouble
}

/** The numbers of the lines between headings, without comments. */
function blocksOf(lines: readonly Line[]): number[][] {
  const blocks: number[][] = [[]]
  for (const [i, line] of lines.entries()) {
    if (line === null) blocks.push([])
    else if (line !== undefined) blocks[blocks.length - 1].push(i)
  }
  return blocks
}

/** One sign for what looks the same. */
function plainSigns(text: string): string {
  return text
    .replace(/[\uff10-\uff19]/g, digit => String.fromCharCode(digit.charCodeAt(0) - 0xff10 + 48))
    .replace(/[│┃║¦┆┇┊┋]/g, '|')
    .replace(/[·•∙⋅□☐▢◻]/g, '.')
    .replace(/\uff3f/g, '_')
    .replace(/[–—−‐‑]/g, '-')
    .replace(/\b(?:null|None|nil|undefined)\b/g, '.')
    .replace(/[\u200b\u200c\u200d\ufeff]/g, '')
    .replace(/[\u00a0\u2000-\u200a\u3000]/g, ' ')
}

/** The part of a line that belongs to a puzzle; null for a heading, undefined for a comment. */
type Line = string | null | undefined

/** A line without its comment, or the one whole puzzle between names and numbers. */
function linePart(line: string): Line {
  const text = line.replace(/#.*/, '')
  const [whole, ...more] = text.split(/[\s,;]+/).filter(part => WHOLES.includes(part.length) && isCells(part))
  if (whole && more.length === 0) return whole
  if (/[a-wyz]{2}/i.test(text)) return null
  return text !== line && text.trim() === '' ? undefined : text
}

const isCells = (part: string) => [...part].every(sign => (sign >= '1' && sign <= '9') || BLANK_SIGNS.includes(sign))

type Reading = (line: string, number: number) => Row | undefined

/** Which lines of one sign draw a frame. */
interface Choice {
  sign: string
  isDrawing: (line: string) => boolean
}

/**
 * Readings in which a blank has a sign. A line of one of the unclear signs is drawn, or is a row of blanks, or is a row
 * of blanks only where it is as long as other rows.
 */
function signReadings(lines: readonly Line[]): Reading[] {
  const unclear = UNCLEAR_SIGNS.filter(sign => lines.some(line => line && isLineOf(line, sign)))
  const lengths = lines.flatMap(line => (line && /[1-9]/.test(line) ? [signsOf(line).length] : []))
  const usual = lengths.sort((a, b) => a - b)[Math.floor(lengths.length / 2)]
  const ways = [() => true, () => false, (line: string) => signsOf(line).length !== usual]
  const choices = unclear.reduce<Choice[][]>(
    (sets, sign) => ways.flatMap(isDrawing => sets.map(set => [...set, { sign, isDrawing }])),
    [[]],
  )
  return choices.map(choice => (line, number) => {
    if (isDrawn(line) || choice.some(({ sign, isDrawing }) => isLineOf(line, sign) && isDrawing(line))) return undefined
    const signs = signsOf(line)
    return signs.length > 0 ? rowOf(signs, number) : undefined
  })
}

const signsOf = (line: string) => [...line].filter(sign => !/[\s|,;:!()[\]{}"'`]/.test(sign))

/** Whether a line consists of one sign, apart from spaces and bars. */
const isLineOf = (line: string, sign: string) =>
  line.includes(sign) && [...line].every(one => one === sign || one === ' ' || one === '|')

/** Whether a line certainly draws a frame: it has no digits, and has corners or signs that are no blanks. */
function isDrawn(line: string): boolean {
  const signs = [...new Set(line.replace(/[\s|]/g, ''))]
  if (signs.some(sign => /[\da-z?]/i.test(sign))) return false
  return signs.some(sign => /[+=~\u2500-\u257f]/.test(sign)) || (signs.includes('-') && signs.length > 1)
}

function rowOf(signs: readonly string[], line: number): Row {
  let blanks = ''
  const cells = signs.map(sign => {
    if (sign >= '1' && sign <= '9') return Number(sign)
    if (!BLANK_SIGNS.includes(sign) && sign !== ' ') {
      throw new Error(`sudoku: expected digits, and "." for blanks, got ${shown(sign)} in line ${line}`)
    }
    blanks += sign
    return 0
  })
  return { cells, line, blanks }
}

/**
 * Readings in which a blank is a place where nothing stands: between bars, commas or tabs, or in a column of
 * characters.
 */
function placeReadings(lines: readonly Line[]): Reading[] {
  const used = [...lines.keys()].filter(i => lines[i]?.trim())
  const longest = Math.max(0, ...used.map(i => lines[i]!.trimEnd().length))
  const dividers = ['|', ',', ';', '\t'].filter(sign => lines.some(line => line?.includes(sign)))
  const between = dividers.map((sign): Reading => {
    const most = Math.max(...used.map(i => lines[i]!.split(sign).length))
    return (line, number) => {
      if (isFrame(line)) return undefined
      const fields = (sign === '|' ? line.trim().replace(/^\||\|$/g, '') : line).split(sign)
      // Tabs at the end of a line are easily lost.
      while (sign === '\t' && line.trim() !== '' && fields.length < most) fields.push('')
      return fieldRow(fields, number, [...SIZES, ...WHOLES])
    }
  })
  const inBoxes = [2, 3].flatMap(columns =>
    ['', ' '].map((margin): Reading => (line, number) => {
      if (isFrame(line) || !line.includes('|')) return undefined
      const inner = /^\s*\|(.*)\|\s*$/.exec(line)?.[1] ?? margin + line.padEnd(longest) + margin
      const boxes = inner.split('|').map(part => boxCells(part, columns))
      return boxes.every(cells => cells)
        ? fieldRow(
            boxes.flatMap(cells => cells!),
            number,
            SIZES,
          )
        : undefined
    }),
  )
  const inColumns = SIZES.flatMap(size =>
    [1, 2].map((step): Reading => {
      const width = step * (size - 1) + 1
      const [from, to] = lines.length === size ? [0, size - 1] : [used[0], used[used.length - 1]]
      return (line, number) => {
        if (longest !== width || number - 1 < from || number - 1 > to) return undefined
        const places = evenly(line.trimEnd().padEnd(width), step)
        return places && fieldRow(places, number, [size])
      }
    }),
  )
  const inOneLine: Reading = (line, number) =>
    WHOLES.includes(line.length) ? fieldRow([...line], number, WHOLES) : undefined
  return [...between, ...inBoxes, ...inColumns, inOneLine]
}

const isFrame = (line: string) => isDrawn(line) || UNCLEAR_SIGNS.some(sign => isLineOf(line, sign))

/**
 * The cells of a part between two bars: characters side by side, or with spaces between them and perhaps around them.
 */
function boxCells(part: string, columns: number): string[] | undefined {
  if (part.length === columns) return [...part]
  if (part.length === 2 * columns - 1) return evenly(part, 2)
  return part.length === 2 * columns + 1 && part.startsWith(' ') ? evenly(part.slice(1, -1), 2) : undefined
}

/** Every `step`-th character of a text that has only spaces between them. */
function evenly(text: string, step: number): string[] | undefined {
  const signs = [...text]
  return signs.every((sign, i) => i % step === 0 || sign === ' ') ? signs.filter((_, i) => i % step === 0) : undefined
}

/** Fields of at most one character as a row; undefined where their number is not one of `counts`. */
function fieldRow(fields: readonly string[], line: number, counts: readonly number[]): Row | undefined {
  const signs = fields.map(
    field =>
      field
        .trim()
        .replace(/^(["'])(.?)\1$/, '$2')
        .trim() || ' ',
  )
  return counts.includes(signs.length) && signs.every(sign => sign.length === 1) ? rowOf(signs, line) : undefined
}

/**
 * Sudokus from rows: a whole one in a row, or as many rows as it has columns. Otherwise all cells together must be one.
 */
function assemble(rows: readonly Row[]): FoundSudoku[] {
  if (rows.length === 0) return []
  const found: FoundSudoku[] = []
  let open: Row[] = []
  for (const row of rows) {
    const { length } = row.cells
    if (open.length === 0 && WHOLES.includes(length)) found.push(sudokuOf([row]))
    else if (SIZES.some(size => size === length) && (open.length === 0 || open[0].cells.length === length))
      open.push(row)
    else return [sudokuOf(rows)]
    if (open.length === 0 || open.length < open[0].cells.length) continue
    found.push(sudokuOf(open))
    open = []
  }
  if (open.length === 0) return found
  const [
    {
      cells: { length },
      line,
    },
  ] = open
  throw new Error(`sudoku: expected ${length} rows of ${length} cells, found ${open.length}, from line ${line} on`)
}

function sudokuOf(rows: readonly Row[]): FoundSudoku {
  const cells = rows.flatMap(row => row.cells)
  if (!WHOLES.includes(cells.length)) {
    throw new Error(`sudoku: expected 16, 36 or 81 cells, got ${cells.length}${uneven(rows)}`)
  }
  const size = sudokuSizeOf(cells.length)
  const large = rows.find(row => row.cells.some(digit => digit > size))
  if (large) {
    throw new Error(
      `sudoku: expected digits 1 … ${size}, got ${large.cells.find(digit => digit > size)} in line ${large.line}`,
    )
  }
  const signs = [
    ...new Set(
      rows
        .map(row => row.blanks)
        .join('')
        .toLowerCase()
        .replaceAll('0', '.'),
    ),
  ]
  if (signs.length > 1) {
    throw new Error(
      `sudoku: expected one sign for blanks, got ${signs.map(sign => shown(sign)).join(' and ')} — write them as "."`,
    )
  }
  return { ids: Uint8Array.from(cells, digit => digit + 1), line: rows[rows.length - 1].line }
}

/** A note about a row that is longer or shorter than the others. */
function uneven(rows: readonly Row[]): string {
  const lengths = rows.map(row => row.cells.length)
  const usual = lengths.find((length, i) => lengths.indexOf(length) !== i)
  const odd = usual === undefined ? undefined : rows.find(row => row.cells.length !== usual)
  return odd && rows.length > 2 ? `: line ${odd.line} has ${odd.cells.length}, others have ${usual}` : ''
}

const ANSWER_NAMES = /^(answer|solution|solved|output|target|label)s?$/i
const QUESTION_NAMES = /^(question|puzzle|quiz|problem|input|unsolved|sudoku|board|grid|value)$/i

/** The Sudokus in JSON, all of the text or a value in each line; [] when it is not JSON, or holds none. */
function fromJson(text: string): FoundSudoku[] {
  for (const parts of [[text], text.trim().split('\n')]) {
    try {
      return parts
        .map(part => JSON.parse(part) as unknown)
        .flatMap((value, i) => inside(value, parts.length > 1 ? i + 1 : 1))
    } catch {
      // Perhaps a list in another language.
    }
  }
  return []
}

function inside(value: unknown, line: number): FoundSudoku[] {
  if (typeof value === 'string') {
    return isCells(value) && WHOLES.includes(value.length) ? [sudokuOf([rowOf([...value], line)])] : []
  }
  if (!Array.isArray(value)) {
    const entries = Object.entries(value ?? {})
    const asked = entries.filter(([name]) => QUESTION_NAMES.test(name))
    const used = asked.length > 0 ? asked : entries.filter(([name]) => !ANSWER_NAMES.test(name))
    return used.flatMap(([, one]) => inside(one, line))
  }
  const { length } = value
  const whole = WHOLES.includes(length) && jsonRow(value)
  if (whole) return [sudokuOf([rowOf(whole, line)])]
  const rows = value.map(jsonRow)
  if (SIZES.some(size => size === length) && rows.every(row => row?.length === length)) {
    return [sudokuOf(rows.map(row => rowOf(row!, line)))]
  }
  return value.flatMap(one => inside(one, line))
}

/** The cells of a list, or of the text of a row; undefined for anything else. */
function jsonRow(row: unknown): string[] | undefined {
  if (typeof row === 'string') return row.length > 1 ? [...row] : undefined
  if (!Array.isArray(row)) return undefined
  const signs = row.map((cell: unknown) => {
    if (cell === null || cell === '' || cell === ' ') return '.'
    return typeof cell === 'number' || typeof cell === 'string' ? String(cell) : ''
  })
  return signs.every(sign => sign.length === 1) ? signs : undefined
}
