// Draws a puzzle and its answer as a grid of cells that can be walked with the keyboard and written into.
import { element } from './element.js'
import type { Puzzle, Token } from './puzzle.js'

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
  #view: View | undefined
  #cells: HTMLElement[] = []
  /** Cell numbers of the shown window, row by row. */
  #shown: number[] = []
  #columns = 0
  #at = 0
  #shape = ''

  /** @param onWrite called when a token is put into a cell */
  constructor(
    private readonly root: HTMLElement,
    private readonly onWrite: (cell: number, token: Token) => void,
  ) {
    root.addEventListener('keydown', event => this.#onKey(event))
  }

  show(view: View): void {
    this.#view = view
    const { puzzle, answer, changed, wrong, editable } = view
    this.#build(view)
    this.#shown.forEach((cell, place) => {
      const node = this.#cells[place]
      const { text, look, name } = puzzle.kind.look(answer[cell])
      if (node.textContent !== text) node.textContent = text
      const marks = [
        { isOn: puzzle.kind.isGiven(puzzle, cell), look: 'given', words: 'given' },
        { isOn: changed.has(cell), look: 'changed', words: 'changed' },
        { isOn: wrong.has(cell), look: 'wrong', words: 'breaks a rule' },
      ].filter(({ isOn }) => isOn)
      node.className = ['cell', look, ...marks.map(({ look }) => look)].join(' ')
      const [row, column] = [Math.floor(place / this.#columns) + 1, (place % this.#columns) + 1]
      const words = [`row ${row} column ${column}: ${name}`, ...marks.map(({ words }) => words)]
      node.setAttribute('aria-label', words.join(', '))
    })
    this.root.classList.toggle('editable', editable)
  }

  /** The token that a palette button stands for goes into the chosen cell. */
  write(token: Token): void {
    if (!this.#view?.editable) return
    this.onWrite(this.#shown[this.#at], token)
  }

  /** Makes the cells anew when the window has another shape. */
  #build({ puzzle, answer }: View): void {
    const { kind, tokens } = puzzle
    const side = kind.side(tokens.length)
    const { rows, columns } = kind.extent(puzzle, answer)
    const shape = `${kind.name} ${tokens.length} ${rows} ${columns}`
    if (shape === this.#shape) return
    this.#shape = shape
    this.#columns = columns
    this.#at = 0
    const places = Array.from({ length: rows * columns }, (_, place) => place)
    this.#shown = places.map(place => Math.floor(place / columns) * side + (place % columns))
    this.#cells = places.map(place => this.#cell(place))
    this.#markBoxes(puzzle)
    this.root.style.setProperty('--columns', String(columns))
    this.root.style.setProperty('--rows', String(rows))
    this.root.dataset.kind = kind.name
    this.root.setAttribute('aria-rowcount', String(rows))
    this.root.setAttribute('aria-colcount', String(columns))
    const row = (i: number) => this.#cells.slice(i * columns, (i + 1) * columns)
    this.root.replaceChildren(
      ...Array.from({ length: rows }, (_, i) => element('div', { role: 'row', class: 'grid-row' }, ...row(i))),
    )
  }

  #cell(place: number): HTMLElement {
    return element('div', {
      role: 'gridcell',
      class: 'cell',
      tabindex: place === 0 ? 0 : -1,
      click: () => this.#focus(place),
      focus: () => this.#choose(place),
    })
  }

  /** Thicker lines part the boxes of a Sudoku. */
  #markBoxes({ kind, tokens }: Puzzle): void {
    const [side, boxes] = [kind.side(tokens.length), kind.boxes(tokens.length)]
    if (!boxes) return
    for (const [place, cell] of this.#cells.entries()) {
      const [row, column] = [Math.floor(place / side) + 1, (place % side) + 1]
      cell.dataset.right = String(column % boxes.columns === 0 && column < side)
      cell.dataset.below = String(row % boxes.rows === 0 && row < side)
    }
  }

  #focus(place: number): void {
    this.#cells[place]?.focus()
  }

  #choose(place: number): void {
    this.#cells[this.#at]?.setAttribute('tabindex', '-1')
    this.#at = place
    this.#cells[place].setAttribute('tabindex', '0')
  }

  #onKey(event: KeyboardEvent): void {
    if (!this.#view || event.ctrlKey || event.metaKey || event.altKey) return
    const move = this.#moves()[event.key]
    if (move !== undefined) {
      event.preventDefault()
      const next = this.#at + move
      const leavesRow =
        Math.abs(move) === 1 && Math.floor(next / this.#columns) !== Math.floor(this.#at / this.#columns)
      if (next >= 0 && next < this.#cells.length && !leavesRow) this.#focus(next)
      return
    }
    const token = this.#tokenOf(event.key)
    if (!token) return
    event.preventDefault()
    this.write(token)
    if (this.#at + 1 < this.#cells.length && !ERASERS.includes(event.key)) this.#focus(this.#at + 1)
  }

  /** Places from here to where a key goes. */
  #moves(): Record<string, number> {
    const [at, columns] = [this.#at, this.#columns]
    return {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -columns,
      ArrowDown: columns,
      Home: -(at % columns),
      End: columns - 1 - (at % columns),
    }
  }

  #tokenOf(key: string): Token | undefined {
    const { kind, tokens } = this.#view!.puzzle
    const all = kind.tokens(tokens.length)
    if (ERASERS.includes(key)) return all[0]
    return (
      all.find(token => token.key.toLowerCase() === key.toLowerCase()) ??
      all.find(token => key === '0' && token.key === '.')
    )
  }
}

/** Keys that empty a cell. */
const ERASERS = ['Backspace', 'Delete']
