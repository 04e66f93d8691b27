// The cells of a dataset in their files, read as a whole or row by row. Every value is checked when it is read.
import { type NpyData, npyInt32, type OpenNpy } from '../formats/npy.js'
import {
  cellText,
  type Dataset,
  type DatasetIndex,
  type DatasetMetadata,
  exampleCount,
  IGNORE_LABEL,
  refuseToken,
} from './dataset.js'

/** Bytes of a table that are read at once. */
const PIECE_BYTES = 2 ** 24
/** Bytes of rows close together that are read at once. */
const RUN_BYTES = 2 ** 20
/** Rows with at most this many bytes between them are read in one piece. */
const GAP_BYTES = 2 ** 14
/** Rows of a sample. */
const SAMPLED = 4096

type Cells = Uint8Array | Int8Array | Int32Array

/** The tokens or the labels of a set, (rows × cells), in their file. */
export class RowTable {
  readonly rows: number

  constructor(
    private readonly name: 'inputs' | 'labels',
    private readonly npy: OpenNpy,
    private readonly metadata: DatasetMetadata,
    private readonly where: string,
  ) {
    this.rows = npy.header.shape[0]
  }

  /** The type of array that holds the table in memory. */
  get Type(): typeof Uint8Array | typeof Int8Array | typeof Int32Array {
    const { vocabulary } = this.metadata
    const isBytes = ['u1', 'bool'].includes(this.npy.header.dtype)
    if (this.name === 'labels') return vocabulary <= 128 ? Int8Array : Int32Array
    return isBytes || vocabulary <= 256 ? Uint8Array : Int32Array
  }

  /** Bytes in memory. */
  get bytes(): number {
    return this.rows * this.metadata.cells * this.Type.BYTES_PER_ELEMENT
  }

  /** Bytes of a row in the file. */
  get rowBytes(): number {
    return this.metadata.cells * this.npy.header.width
  }

  /** @throws when a row's cells are spread over the file */
  checkRowsLieTogether(): void {
    const {
      fortranOrder,
      shape: [rows, cells],
      width,
    } = this.npy.header
    if (!fortranOrder) return
    const expected = `C order in a table of ${rows * cells * width} bytes, which is read row by row`
    const hint = 'save numpy.ascontiguousarray(array) instead'
    throw new Error(`${this.where}: expected ${expected}, got fortran_order: True — ${hint}`)
  }

  /** Reads the whole table into `out` from element `at` on. */
  async readAll(out: Cells, at: number): Promise<void> {
    const {
      fortranOrder,
      shape: [rows, cells],
      width,
    } = this.npy.header
    // A line lies together in the file: a row, or a column.
    const [lines, length] = fortranOrder ? [cells, rows] : [rows, cells]
    const atOnce = Math.max(1, Math.floor(PIECE_BYTES / (width * length)))
    for (let first = 0; first < lines; first += atOnce) {
      const count = Math.min(atOnce, lines - first)
      const values = this.#integers(await this.npy.read(first * length, count * length), first * length)
      if (!fortranOrder) this.#store(values, out, at + first * length, 1, i => first * length + i)
      for (let line = 0; fortranOrder && line < count; line++) {
        const column = values.subarray(line * length, (line + 1) * length)
        this.#store(column, out, at + first + line, cells, i => i * cells + first + line)
      }
    }
  }

  /** Reads rows, whose numbers rise, in one piece, and stores row `rows[i]` in row `to[i]` of `out`. */
  async readRows(rows: readonly number[], to: readonly number[], out: Int32Array): Promise<void> {
    const { cells } = this.metadata
    const first = rows[0]
    const count = rows.at(-1)! - first + 1
    const values = this.#integers(await this.npy.read(first * cells, count * cells), first * cells)
    for (const [i, row] of rows.entries()) {
      const from = (row - first) * cells
      this.#store(values.subarray(from, from + cells), out, to[i] * cells, 1, cell => row * cells + cell)
    }
  }

  /** Elements of the file as integers; the first one has number `first`. */
  #integers(data: NpyData, first: number): Uint8Array | Int32Array {
    const {
      header: { dtype, fortranOrder },
    } = this.npy
    const place = (i: number) => (fortranOrder ? `element ${first + i}` : cellText(first + i, this.metadata.cells))
    return data instanceof Uint8Array ? data : npyInt32({ dtype, data }, this.where, place)
  }

  /** Checks values and stores them at every `step`-th element of `out`. `cell` gives their places in the table. */
  #store(values: Cells, out: Cells, at: number, step: number, cell: (i: number) => number): void {
    const { name, metadata, where } = this
    const { vocabulary, ignoreLabelId, cells } = metadata
    const isLabels = name === 'labels'
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (isLabels && (value === ignoreLabelId || value === IGNORE_LABEL)) out[at + i * step] = IGNORE_LABEL
      else if (value >= 0 && value < vocabulary) out[at + i * step] = value
      else refuseToken(name, value, metadata, where, cellText(cell(i), cells))
    }
  }
}

/** The tables of all sets as one. */
export class StoredRows {
  /** Number of the first row of each set. */
  #starts: number[] = []

  constructor(
    private readonly index: DatasetIndex,
    private readonly sets: readonly { inputs: RowTable; labels: RowTable }[],
  ) {
    let start = 0
    for (const { inputs } of sets) {
      this.#starts.push(start)
      start += inputs.rows
    }
  }

  checkRowsLieTogether(): void {
    for (const { inputs, labels } of this.sets) for (const table of [inputs, labels]) table.checkRowsLieTogether()
  }

  /** As `StoredDataset.read`. */
  async read(examples: Int32Array, inputs: Int32Array, labels: Int32Array): Promise<void> {
    const rowBytes = Math.max(...this.sets.map(set => Math.max(set.inputs.rowBytes, set.labels.rowBytes)))
    const order = Array.from(examples, (_, i) => i).sort((a, b) => examples[a] - examples[b])
    const runs: number[][] = []
    for (const i of order) {
      const run = runs.at(-1)
      const bytesSince = (other: number) => (examples[i] - examples[other]) * rowBytes
      const isNear = run && bytesSince(run.at(-1)!) <= GAP_BYTES + rowBytes && bytesSince(run[0]) < RUN_BYTES
      if (isNear && this.#setOf(examples[i]) === this.#setOf(examples[run[0]])) run.push(i)
      else runs.push([i])
    }
    await Promise.all(
      runs.flatMap(run => {
        const set = this.#setOf(examples[run[0]])
        const rows = run.map(i => examples[i] - this.#starts[set])
        return [this.sets[set].inputs.readRows(rows, run, inputs), this.sets[set].labels.readRows(rows, run, labels)]
      }),
    )
  }

  /** As `StoredDataset.sample`. */
  async sample(): Promise<Dataset> {
    const { index } = this
    const rows = exampleCount(index)
    const count = Math.min(SAMPLED, rows)
    const examples = Int32Array.from({ length: count }, (_, i) => Math.floor((i * (rows - 1)) / Math.max(1, count - 1)))
    const [inputs, labels] = [0, 1].map(() => new Int32Array(count * index.metadata.cells))
    await this.read(examples, inputs, labels)
    return { ...index, inputs, labels }
  }

  /** All rows, read piece by piece. */
  async inMemory(): Promise<Dataset> {
    const { index, sets } = this
    const { cells } = index.metadata
    const whole = async (name: 'inputs' | 'labels') => {
      // Sets of different element types lie in the larger one.
      const types = sets.map(({ [name]: { Type } }) => Type)
      const Type = types.reduce((a, b) => (a.BYTES_PER_ELEMENT >= b.BYTES_PER_ELEMENT ? a : b))
      const out = new Type(exampleCount(index) * cells)
      for (const [i, { [name]: table }] of sets.entries()) await table.readAll(out, this.#starts[i] * cells)
      return out
    }
    const [inputs, labels] = [await whole('inputs'), await whole('labels')]
    return { ...index, inputs, labels } as Dataset
  }

  #setOf(example: number): number {
    return this.#starts.findLastIndex(start => start <= example)
  }
}
