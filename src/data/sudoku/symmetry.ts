// Which solved Sudokus are the same up to symmetry: a text that all forms of a grid share.
import { layoutOf, type SudokuSize } from './rules.js'

/**
 * The class of a solved grid: two grids have the same one exactly when symmetries turn one into the other. Symmetries
 * relabel digits, permute rows within bands, bands, columns within stacks and stacks, and transpose where boxes are
 * square. The class is the smallest of all forms of the grid in the order of its cells.
 * @param ids tokens or digits, all cells filled
 */
export function sudokuClass(ids: ArrayLike<number>, size: SudokuSize): string {
  const { boxRows, boxColumns } = layoutOf(size)
  const finder = new SmallestForm(size)
  const grid = Uint8Array.from(ids)
  finder.add(grid)
  if (boxRows === boxColumns) finder.add(grid.map((_, cell) => grid[(cell % size) * size + Math.floor(cell / size)]))
  return finder.smallest.join('')
}

/** Column orders of a size, and where each order puts each column. */
interface ColumnOrders {
  orders: readonly Uint8Array[]
  places: readonly Uint8Array[]
}

const ordersBySize = new Map<SudokuSize, ColumnOrders>()

function columnOrdersOf(size: SudokuSize): ColumnOrders {
  const known = ordersBySize.get(size)
  if (known) return known
  const { boxColumns } = layoutOf(size)
  const within = permutations(boxColumns)
  const orders = permutations(size / boxColumns).flatMap(stacks =>
    stacks.reduce<number[][]>(
      (heads, stack) =>
        heads.flatMap(head => within.map(order => [...head, ...order.map(column => stack * boxColumns + column)])),
      [[]],
    ),
  )
  const places = orders.map(order => Uint8Array.from(order, (_, column) => order.indexOf(column)))
  const found = { orders: orders.map(order => Uint8Array.from(order)), places }
  ordersBySize.set(size, found)
  return found
}

/** All orders of the numbers below `count`. */
export function permutations(count: number): number[][] {
  let orders: number[][] = [[]]
  for (let i = 0; i < count; i++)
    orders = orders.flatMap(order =>
      Array.from({ length: count }, (_, next) => next).flatMap(next =>
        order.includes(next) ? [] : [[...order, next]],
      ),
    )
  return orders
}

/**
 * Finds the smallest form. For each first row and each order of the columns, digits are named by their place in the
 * first row, and rows and bands are sorted by their first cell.
 */
class SmallestForm {
  smallest: Uint8Array
  #size: number
  #boxRows: number
  #columns: ColumnOrders
  /** The column of each digit in the first row. */
  #columnOf = new Uint8Array(16)

  constructor(size: SudokuSize) {
    this.smallest = new Uint8Array(size * size).fill(size)
    this.#size = size
    this.#boxRows = layoutOf(size).boxRows
    this.#columns = columnOrdersOf(size)
  }

  add(grid: Uint8Array): void {
    const size = this.#size
    const { orders, places } = this.#columns
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) this.#columnOf[grid[row * size + column]] = column
      for (let i = 0; i < orders.length; i++) this.#try(grid, row, orders[i], places[i])
    }
  }

  /** Keeps a form when it is smaller than the smallest so far. Names begin at 0. */
  #try(grid: Uint8Array, first: number, order: Uint8Array, place: Uint8Array): void {
    const size = this.#size
    const columnOf = this.#columnOf
    const smallest = this.smallest
    // Most forms differ in the second row, so it is compared before the other rows are sorted.
    const second = this.#secondRow(grid, first, order[0], place) * size
    for (let i = 0; i < size; i++) {
      const name = place[columnOf[grid[second + order[i]]]]
      if (name > smallest[size + i]) return
      if (name < smallest[size + i]) break
    }
    const rows = this.#sortedRows(grid, first, order[0], place)
    const form = smallest.map((_, cell) => {
      const column = order[cell % size]
      return place[columnOf[grid[rows[Math.floor(cell / size)] * size + column]]]
    })
    const differs = form.findIndex((name, cell) => name !== smallest[cell])
    if (differs >= 0 && form[differs] < smallest[differs]) this.smallest = form
  }

  /** The row with the smallest first cell in the band of the first row. */
  #secondRow(grid: Uint8Array, first: number, column: number, place: Uint8Array): number {
    const size = this.#size
    const from = first - (first % this.#boxRows)
    let [found, smallest] = [first, size]
    for (let row = from; row < from + this.#boxRows; row++) {
      const name = place[this.#columnOf[grid[row * size + column]]]
      if (row === first || name >= smallest) continue
      found = row
      smallest = name
    }
    return found
  }

  /** All rows in the order of the form, in which the first cells of bands, and of rows in a band, rise. */
  #sortedRows(grid: Uint8Array, first: number, column: number, place: Uint8Array): number[] {
    const name = (row: number) => (row === first ? -1 : place[this.#columnOf[grid[row * this.#size + column]]])
    const rows = Array.from({ length: this.#size }, (_, row) => row)
    return Array.from({ length: this.#size / this.#boxRows }, (_, band) =>
      rows.slice(band * this.#boxRows, (band + 1) * this.#boxRows).sort((a, b) => name(a) - name(b)),
    )
      .sort(([a], [b]) => name(a) - name(b))
      .flat()
  }
}
