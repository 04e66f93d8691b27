// Stored predictions for ARC, read by rows: safetensors, or the files of torch.save that published evaluators write.
import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ArcPredictions } from '../data/arc-score.js'
import { ARC_CELLS } from '../data/arc-square.js'
import { float16ToFloat32 } from '../formats/float16.js'
import { foreign } from '../formats/recognise.js'
import { parseSafetensors, toFloat32, type SafetensorsData, type StoredTensor } from '../formats/safetensors.js'
import { printable } from '../formats/shown.js'
import { openTorch, type RowTensor } from '../formats/torch-rows.js'
import { isTorch } from '../formats/torch.js'
import { isHidden, openFile, readBytes } from './files.js'

/** Rows read at a time: their logits take 11 MB in float32. */
const ROWS_AT_ONCE = 256

/** Names of the published evaluators' files: `step_N_all_preds.RANK`. */
const PUBLISHED = /^(.*all_preds)\.(\d+)$/

/**
 * The files that paths name, by rank. A path may be a file, or a folder with the files of one evaluation. It may also
 * be the part of their names before `_all_preds.RANK`: that is the path of the checkpoint that they come from.
 * @throws one line where there is no file, a rank is missing, a file comes twice, or there are several evaluations
 */
export async function findPredictions(paths: readonly string[]): Promise<string[]> {
  const files: string[] = []
  for (const path of paths) {
    const kind = await stat(path).then(
      found => (found.isDirectory() ? 'folder' : 'file'),
      () => 'none',
    )
    const ranks = kind === 'folder' ? await findRanks(path, path) : await findRanks(path, dirname(path), basename(path))
    if (ranks.length === 0 && kind !== 'file') {
      const expected = 'expected a file, or a folder with files like step_100_all_preds.0'
      throw new Error(`predictions ${path}: ${expected}, found neither`)
    }
    files.push(...(ranks.length ? ranks : [path]))
  }
  const stems = new Set(files.flatMap(file => PUBLISHED.exec(basename(file))?.[1] ?? []))
  if (stems.size > 1) {
    const got = [...stems].sort(byNumber).join(', ')
    throw new Error(`predictions: expected those of one evaluation, got ${got} — their votes do not belong together`)
  }
  const real = await Promise.all(files.map(file => realpath(file).catch(() => file)))
  const twice = files.find((_, i) => real.indexOf(real[i]) < i)
  if (twice !== undefined) throw new Error(`predictions: expected every file once, got ${twice} twice`)
  const rank = (file: string) => Number(PUBLISHED.exec(basename(file))?.[2] ?? NaN)
  return files.every(file => PUBLISHED.test(basename(file))) ? files.sort((a, b) => rank(a) - rank(b)) : files
}

/** The files of all ranks of the evaluation in a folder, or of the one whose names begin with `start`. */
async function findRanks(path: string, folder: string, start?: string): Promise<string[]> {
  const stems = new Map<string, number[]>()
  for (const name of await readdir(folder).catch(() => [])) {
    const [, stem, rank] = PUBLISHED.exec(name) ?? []
    if (stem === undefined || isHidden(name)) continue
    if (start !== undefined && stem !== start && stem !== `${start}_all_preds`) continue
    stems.set(
      stem,
      [...(stems.get(stem) ?? []), Number(rank)].sort((a, b) => a - b),
    )
  }
  const [found, ...others] = [...stems.keys()].sort(byNumber)
  if (found === undefined) return []
  if (others.length > 0) {
    const got = [found, ...others].join(', ')
    const hint = `name one: --predictions ${join(folder, found)}`
    throw new Error(`predictions ${path}: expected those of one evaluation, found ${got} — ${hint}`)
  }
  const ranks = stems.get(found)!
  const missing = ranks.findIndex((rank, i) => rank !== i)
  if (missing >= 0) {
    const got = `${found}.${ranks.join(', .')}`
    const hint = `copy ${found}.${missing} there too`
    throw new Error(`predictions ${path}: expected the files of all ranks from 0 on, found ${got} — ${hint}`)
  }
  return ranks.map(rank => join(folder, `${found}.${rank}`))
}

function byNumber(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true })
}

/** An open file of predictions. */
export interface PredictionFile {
  path: string
  /** Rows, including padding. */
  count: number
  /** Rows `from` … `to` − 1. */
  read(from: number, to: number): Promise<ArcPredictions>
  /** Labels of these rows (rows × 900); undefined where none are stored. */
  labels?: (from: number, to: number) => Promise<ArrayLike<number>>
  close(): Promise<void>
}

/** The rows of a file in pieces: where each begins and ends. */
export function* pieces({ count }: PredictionFile): Generator<[from: number, to: number], void> {
  for (let from = 0; from < count; from += ROWS_AT_ONCE) yield [from, Math.min(from + ROWS_AT_ONCE, count)]
}

/** Opens a file of either format. @throws one line with its path where a tensor is missing or does not fit */
export async function openPredictions(path: string): Promise<PredictionFile> {
  const file = await openFile(path, 'predictions')
  const start = await file.read(0, Math.min(4096, file.size))
  try {
    const tensors = isTorch(start) ? await openTorch(file, path) : inMemory(await readBytes(path, 'predictions'), path)
    return { path, ...columnsOf(tensors, path), close: async () => file.close?.() }
  } catch (error) {
    await file.close?.()
    const message = foreign(start, 'predictions in safetensors or a file of torch.save', KINDS)
    throw message === undefined ? error : new Error(`${path}: ${message}`, { cause: error })
  }
}

/** Formats of predictions, in the words of `recognise`. */
const KINDS = 'a safetensors file, a file of torch.save (.pt), the legacy format of torch.save before 1.6'

function inMemory(bytes: Uint8Array, path: string): Map<string, RowTensor> {
  const { tensors } = parseSafetensors(bytes, path)
  return new Map(
    [...tensors].map(([name, { dtype, shape, data }]) => {
      const row = shape.slice(1).reduce((product, size) => product * size, 1)
      return [name, { dtype, shape, rows: async (from, to) => data.subarray(from * row, to * row) }]
    }),
  )
}

function columnsOf(tensors: ReadonlyMap<string, RowTensor>, path: string): Omit<PredictionFile, 'path' | 'close'> {
  const fail = (message: string): never => {
    throw new Error(`${path}: ${message}`)
  }
  const known = (name: string) => {
    const tensor = tensors.get(name)
    if (tensor) return tensor
    const stored = printable([...tensors.keys()].slice(0, 8).join(', ')) || 'none'
    const expected = 'expected the tensors inputs, preds (or logits), puzzle_identifiers and q_halt_logits'
    return fail(`${expected}, got no ${name} among ${stored} — eval_save_outputs has to name it`)
  }
  const shaped = (name: string, ...shapes: (number | string)[][]) => {
    const tensor = known(name)
    const { shape } = tensor
    const fits = (wanted: (number | string)[]) =>
      wanted.length === shape.length && wanted.every((size, axis) => typeof size === 'string' || size === shape[axis])
    if (!shapes.some(fits)) fail(`${name}: expected shape (${shapes[0].join(', ')}), got (${shape.join(', ')})`)
    return tensor
  }
  const typed = (name: string, tensor: RowTensor, pattern: RegExp, what: string) => {
    if (!pattern.test(tensor.dtype)) fail(`${name}: expected ${what}, got ${tensor.dtype}`)
  }
  const integers = (name: string, ...shape: (number | string)[]) => {
    const tensor = shaped(name, shape)
    typed(name, tensor, /^[IU]\d/, 'integers')
    return async (from: number, to: number) => integersOf(await tensor.rows(from, to))
  }
  const [count] = shaped('puzzle_identifiers', ['N']).shape
  const identifiers = integers('puzzle_identifiers', count)
  const inputs = integers('inputs', count, ARC_CELLS)
  const q = shaped('q_halt_logits', [count], [count, 1])
  typed('q_halt_logits', q, /^B?F\d/, 'floats')
  const isBestStored = tensors.has('preds') || !tensors.has('logits')
  const predictions = isBestStored ? integers('preds', count, ARC_CELLS) : bestTokens()
  /** From logits, as the published evaluators take them where no predictions are stored. */
  function bestTokens() {
    const logits = shaped('logits', [count, ARC_CELLS, 'V'])
    typed('logits', logits, /^B?F\d/, 'floats')
    return async (from: number, to: number) => {
      const rows = await logits.rows(from, to)
      return argmax({ ...logits, data: rows }, cell => {
        const where = `logits: row ${from + Math.floor(cell / ARC_CELLS)}, cell ${cell % ARC_CELLS}`
        return fail(`${where}: expected numbers, got NaN — is the checkpoint damaged?`)
      })
    }
  }
  return {
    count,
    read: async (from, to) => ({
      inputs: await inputs(from, to),
      predictions: await predictions(from, to),
      puzzleIds: await identifiers(from, to),
      qHaltLogits: floatsOf({ ...q, data: await q.rows(from, to) }),
      firstRow: from,
    }),
    labels: tensors.has('labels') ? integers('labels', count, ARC_CELLS) : undefined,
  }
}

/** Integers in the stored type, or as float64 where that is int64. */
function integersOf(data: SafetensorsData): ArrayLike<number> {
  return data instanceof BigInt64Array ? Float64Array.from(data, Number) : data
}

/** Floats: float64 stays, all other types become float32. */
function floatsOf({ dtype, data }: Pick<StoredTensor, 'dtype' | 'data'>): ArrayLike<number> {
  return data instanceof Float64Array ? data : toFloat32({ dtype, shape: [data.length], data })
}

/** The token with the largest logit in each cell; the first of equal ones. */
function argmax(
  { dtype, shape, data }: Omit<RowTensor, 'rows'> & Pick<StoredTensor, 'data'>,
  onNaN: (cell: number) => never,
): Uint16Array {
  const width = shape[2]
  const best = new Uint16Array(data.length / width)
  const values = data instanceof Uint16Array ? decoderOf(dtype) : undefined
  const row = new Float64Array(width)
  for (let cell = 0, i = 0; cell < best.length; cell++) {
    for (let token = 0; token < width; token++, i++)
      row[token] = values ? values[data[i] as number] : (data[i] as number)
    let found = 0
    for (let token = 0; token < width; token++) {
      const value = row[token]
      if (value > row[found]) found = token
      else if (value !== value) onNaN(cell)
    }
    best[cell] = found
  }
  return best
}

/** Results of `decoderOf`. */
const DECODERS = new Map<string, Float32Array>()

/** The value of every bit pattern of a 16-bit float type. */
function decoderOf(dtype: string): Float32Array {
  let values = DECODERS.get(dtype)
  if (!values) {
    const data = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits)
    values = dtype === 'F16' ? float16ToFloat32(data) : toFloat32({ dtype: 'BF16', shape: [data.length], data })
    DECODERS.set(dtype, values)
  }
  return values
}
