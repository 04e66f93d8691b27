// Augmentations of ARC tasks: a permutation of colours and a dihedral transform, their names, and a draw of distinct
// ones.
import { shown } from '../formats/shown.js'
import { ARC_COLOURS, ARC_SEPARATOR, ARC_SIDE, type ArcTask } from './arc-tasks.js'
import { DIHEDRAL_COUNT, DIHEDRAL_INVERSE, dihedralMap, dihedralTransform, type Grid } from './dihedral.js'
import type { Random } from './random.js'

/** Most augmentations of a task. */
export const ARC_AUGMENT_LIMIT = 1000

/** Draws for each wanted augmentation, before a task stays with fewer. */
const TRIES = 5

/**
 * A permutation of colours, then a dihedral transform. Colour c becomes `colours[c]` (ten digits; drawn ones keep 0).
 */
export interface ArcAugmentation {
  /** 0 … 7, see `dihedralTransform`. */
  transform: number
  colours: ArrayLike<number>
}

export const IDENTITY: ArcAugmentation = {
  transform: 0,
  colours: Uint8Array.from({ length: ARC_COLOURS }, (_, colour) => colour),
}

/** Whether a transform swaps rows and columns, by its id. */
export const SWAPS_SIDES = Array.from(
  { length: DIHEDRAL_COUNT },
  (_, id) => dihedralTransform({ cells: [0, 0], rows: 1, columns: 2 }, id).rows === 2,
)

/** The name of an augmented task: `TASK|||tK|||0…`, with the ten digits that colours 0 … 9 become. */
export function arcAugmentedName(task: string, { transform, colours }: ArcAugmentation): string {
  return [task, `t${transform}`, Array.from(colours).join('')].join(ARC_SEPARATOR)
}

/**
 * The task and the augmentation of a name; a plain name has the identity. HRM's builder wrote "_" instead of "|||".
 * @throws when the name has another form
 */
export function parseArcName(name: string): { task: string; augmentation: ArcAugmentation } {
  const [, task, , transform, digits] = /^(.+?)(\|\|\||_)t([0-7])\2(\d{10})$/s.exec(name) ?? []
  if (task === undefined && !name.includes(ARC_SEPARATOR)) return { task: name, augmentation: IDENTITY }
  if (task === undefined || new Set(digits).size !== ARC_COLOURS) {
    throw new Error(`arc: expected a name like TASK|||t3|||0537628914, got ${shown(name)}`)
  }
  return {
    task: task.split(ARC_SEPARATOR)[0],
    augmentation: { transform: Number(transform), colours: Uint8Array.from(digits, Number) },
  }
}

/** The augmented copy of a grid. */
export function applyArcAugmentation(grid: Grid, { transform, colours }: ArcAugmentation): Grid {
  return dihedralTransform({ ...grid, cells: grid.cells.map(colour => colours[colour]) }, transform)
}

/** The grid from which an augmentation made this one. */
export function undoArcAugmentation(grid: Grid, { transform, colours }: ArcAugmentation): Grid {
  const back = new Uint8Array(colours.length)
  for (let colour = 0; colour < back.length; colour++) back[colours[colour]] = colour
  const { cells, ...size } = dihedralTransform(grid, DIHEDRAL_INVERSE[transform])
  return { ...size, cells: cells.map(colour => back[colour]) }
}

/** Index maps of `dihedralMap` by size and transform. */
const sources = new Map<number, Int32Array>()

/** `dihedralMap` of a grid's size. The maps are kept; there are at most 7200. */
export function sourceOf({ rows, columns }: Grid, transform: number): Int32Array {
  const key = (rows * (ARC_SIDE + 1) + columns) * DIHEDRAL_COUNT + transform
  let map = sources.get(key)
  if (!map) sources.set(key, (map = dihedralMap(rows, columns, transform)))
  return map
}

/** The names of distinct augmentations that all change the task. */
export function drawAugmentations(task: ArcTask, count: number, random: Random): string[] {
  const seen = new Set([hashTask(task, IDENTITY)])
  const found: string[] = []
  for (let left = TRIES * count; left > 0 && found.length < count; left--) {
    const transform = random.below(DIHEDRAL_COUNT)
    const colours = Uint8Array.from(IDENTITY.colours)
    random.shuffle(colours.subarray(1))
    const hash = hashTask(task, { transform, colours })
    if (seen.has(hash)) continue
    seen.add(hash)
    found.push(arcAugmentedName(task.name, { transform, colours }))
  }
  return found
}

/** A hash of 64 bits of all grids of an augmented task. It does not depend on the order of the pairs. */
function hashTask({ pairs }: ArcTask, { transform, colours }: ArcAugmentation): string {
  const turned = SWAPS_SIDES[transform]
  let [low, high] = [0, 0]
  for (const { input, output } of pairs) {
    let [a, b] = [0x9e3779b9, 0x7f4a7c15]
    for (const grid of [input, output]) {
      const { cells, rows, columns } = grid
      const source = sourceOf(grid, transform)
      a = Math.imul(a ^ (turned ? columns : rows), 0x85ebca6b)
      b = Math.imul(b ^ (turned ? rows : columns), 0xc2b2ae35)
      for (let i = 0; i < source.length; i++) {
        const colour = colours[cells[source[i]]]
        a = Math.imul(((a << 13) | (a >>> 19)) ^ colour, 0x85ebca6b)
        b = Math.imul(((b << 17) | (b >>> 15)) ^ colour, 0xc2b2ae35)
      }
    }
    // Each half is mixed well with the other before the pairs are added up.
    low = (low + mixBits(a ^ (b >>> 15))) >>> 0
    high = (high + mixBits(b ^ (a >>> 13))) >>> 0
  }
  return `${low},${high}`
}

/** Spreads every bit over the word: the last step of MurmurHash3. */
function mixBits(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35)
  return word ^ (word >>> 16)
}
