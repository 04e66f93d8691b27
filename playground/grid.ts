// Draws a puzzle and its answer as a grid of cells that can be walked with the keyboard and written into.
import { element } from './element.js'
import type { Puzzle, Token } from './puzzles.js'

/** What the grid shows. */
export interface View {
  puzzle: Puzzle
  /** The answer's tokens; the puzzle's own before the first step. */
  answer: ArrayLike<number>
  changed: ReadonlySet<number>
  wrong: ReadonlySet<number>
  /** Whether cells can be written into. */
  editable: boolean
}

export class Grid {
  private view: View | undefined
  private cells: HTMLElement[] = []
  /** Cell numbers of the shown window, row by row. */
  private shown: number[] = []
  private columns = 0
  private at = 0
  private shape = ''

  /** @param onWrite somebody puts a token into a cell */
  constructor(
    private readonly root: HTMLElement,
    private readonly onWrite: (cell: number, token: Token) => void,
  ) {
    root.addEventListener('keydown', event => this.onKey(event))
  }

  show(view: View): void {
    this.view = view
    const { puzzle, answer, changed, wrong, editable } = view
    this.build(view)
    const tokens = new Map(puzzle.kind.tokens(puzzle.tokens.length).map(token => [token.id, token]))
    this.shown.forEach((cell, place) => {
      const node = this.cells[place]
      const id = answer[cell]
      const given = isGiven(puzzle, cell)
      const { text, look, name } = appearance(puzzle, id, tokens.get(id))
      if (node.textContent !== text) node.textContent = text
      node.className = `cell ${look}${given ? ' given' : ''}${changed.has(cell) ? ' changed' : ''}${wrong.has(cell) ? ' wrong' : ''}`
      const words = [
        `row ${Math.floor(place / this.columns) + 1} column ${(place % this.columns) + 1}: ${name}`,
        given ? 'given' : '',
        changed.has(cell) ? 'changed' : '',
        wrong.has(cell) ? 'breaks a rule' : '',
      ]
      node.setAttribute('aria-label', words.filter(Boolean).join(', '))
    })
    this.root.classList.toggle('editable', editable)
  }

  /** The token that a palette button stands for goes into the chosen cell. */
  write(token: Token): void {
    if (!this.view?.editable) return
    this.onWrite(this.shown[this.at], token)
  }

  /** Makes the cells anew when the window has another shape. */
  private build({ puzzle, answer }: View): void {
    const { kind, tokens } = puzzle
    const side = kind.side(tokens.length)
    // An ARC grid fills a part of its square: what is no padding in question or answer.
    const [rows, columns] = kind.name === 'arc' ? extent(side, tokens, answer, puzzle.expected) : [side, side]
    const shape = `${kind.name} ${tokens.length} ${rows} ${columns}`
    if (shape === this.shape) return
    this.shape = shape
    this.columns = columns
    this.at = 0
    this.shown = Array.from(
      { length: rows * columns },
      (_, place) => Math.floor(place / columns) * side + (place % columns),
    )
    this.cells = this.shown.map((_, place) =>
      element('div', {
        role: 'gridcell',
        class: 'cell',
        tabindex: place === 0 ? 0 : -1,
        click: () => this.focus(place),
        focus: () => this.choose(place),
      }),
    )
    const boxes = kind.name === 'sudoku' ? boxShape(side) : undefined
    this.cells.forEach((cell, place) => {
      const [row, column] = [Math.floor(place / columns), place % columns]
      cell.dataset.right = String(boxes !== undefined && (column + 1) % boxes.columns === 0 && column + 1 < side)
      cell.dataset.below = String(boxes !== undefined && (row + 1) % boxes.rows === 0 && row + 1 < side)
    })
    this.root.style.setProperty('--columns', String(columns))
    this.root.style.setProperty('--rows', String(rows))
    this.root.dataset.kind = kind.name
    this.root.setAttribute('aria-rowcount', String(rows))
    this.root.setAttribute('aria-colcount', String(columns))
    this.root.replaceChildren(
      ...Array.from({ length: rows }, (_, row) =>
        element('div', { role: 'row', class: 'grid-row' }, ...this.cells.slice(row * columns, (row + 1) * columns)),
      ),
    )
  }

  private focus(place: number): void {
    this.cells[place]?.focus()
  }

  private choose(place: number): void {
    this.cells[this.at]?.setAttribute('tabindex', '-1')
    this.at = place
    this.cells[place].setAttribute('tabindex', '0')
  }

  private onKey(event: KeyboardEvent): void {
    const { view, columns } = this
    if (!view || event.ctrlKey || event.metaKey || event.altKey) return
    const moves: Record<string, number> = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -columns,
      ArrowDown: columns,
      Home: -(this.at % columns),
      End: columns - 1 - (this.at % columns),
    }
    const move = moves[event.key]
    if (move !== undefined) {
      event.preventDefault()
      const next = this.at + move
      const leavesRow = Math.abs(move) === 1 && Math.floor(next / columns) !== Math.floor(this.at / columns)
      if (next >= 0 && next < this.cells.length && !leavesRow) this.focus(next)
      return
    }
    const tokens = view.puzzle.kind.tokens(view.puzzle.tokens.length)
    const key = ['Backspace', 'Delete'].includes(event.key)
      ? tokens[0].key
      : event.key === '0' && view.puzzle.kind.name === 'sudoku'
        ? '.'
        : event.key
    const token = tokens.find(candidate => candidate.key.toLowerCase() === key.toLowerCase())
    if (!token) return
    event.preventDefault()
    this.write(token)
    if (this.at + 1 < this.cells.length && !['Backspace', 'Delete'].includes(event.key)) this.focus(this.at + 1)
  }
}

/** Rows and columns of a Sudoku's boxes. */
function boxShape(side: number): { rows: number; columns: number } {
  const rows = Math.floor(Math.sqrt(side))
  return { rows, columns: side / rows }
}

/** Whether the puzzle tells this cell. */
function isGiven({ kind, tokens }: Puzzle, cell: number): boolean {
  return kind.name === 'sudoku' && tokens[cell] > 1
}

/** Text, class and name of a token. */
function appearance(
  { kind }: Puzzle,
  id: number,
  token: Token | undefined,
): { text: string; look: string; name: string } {
  if (kind.name === 'sudoku')
    return { text: id === 1 ? '' : (token?.name ?? '?'), look: 'digit', name: token?.name ?? 'no digit' }
  if (kind.name === 'maze') {
    const look = ['none', 'wall', 'floor', 'start', 'goal', 'path'][id] ?? 'none'
    return { text: look === 'start' ? 'S' : look === 'goal' ? 'G' : look === 'none' ? '?' : '', look, name: look }
  }
  return {
    text: '',
    look: token ? `colour-${id - 2}` : id === 1 ? 'edge' : 'none',
    name: token?.name ?? (id === 1 ? 'edge' : 'outside'),
  }
}

/** Rows and columns that any of these grids of tokens uses. */
function extent(side: number, ...grids: (ArrayLike<number> | undefined)[]): [rows: number, columns: number] {
  let [rows, columns] = [1, 1]
  for (const grid of grids) {
    for (let cell = 0; grid && cell < grid.length; cell++) {
      if (grid[cell] <= 1) continue
      rows = Math.max(rows, Math.floor(cell / side) + 1)
      columns = Math.max(columns, (cell % side) + 1)
    }
  }
  return [rows, columns]
}
