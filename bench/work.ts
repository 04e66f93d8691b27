// The work of each operation in FLOP and bytes: what its formula needs, not what a kernel does.
// One FLOP is an addition, subtraction, multiplication, division, negation, exp, sqrt, log or atan2. Comparisons are
// free. Bytes: each operand is read once and each result is written once, four bytes a value; a result that accumulates
// is read too. If an operation or a model stores float16, a value counts two bytes, except in the optimiser.
import type { MatmulSize } from '../src/kernels/matmul.js'
import { headWidth, innerWidth, lengthOf, type TrmConfig } from '../src/trm/config.js'
import { parameterShapes, type Precision } from '../src/trm/model.js'

export interface Work {
  flop: number
  bytes: number
  /** The part of `flop` in matrix products, those of attention not counted. */
  products: number
}

/** No work. */
export const NOTHING: Work = { flop: 0, bytes: 0, products: 0 }

/** The sum of several works. */
export function sum(...parts: readonly Work[]): Work {
  return parts.reduce(
    (a, b) => ({ flop: a.flop + b.flop, bytes: a.bytes + b.bytes, products: a.products + b.products }),
    NOTHING,
  )
}

/** A work n times. */
export function times(n: number, { flop, bytes, products }: Work): Work {
  return { flop: n * flop, bytes: n * bytes, products: n * products }
}

/** The same work on values of this type. */
export const stored = (dtype: Precision, work: Work): Work =>
  dtype === 'f16' ? { ...work, bytes: work.bytes / 2 } : work

/** Work on float32 without products. @param values that are read or written; each time counts */
const plain = (flop: number, values: number): Work => ({ flop, bytes: 4 * values, products: 0 })

/** A product: two FLOP per multiply-add. @param dtype of operands and result */
export function matmulWork(size: MatmulSize, dtype: Precision = 'f32'): Work {
  const { m, n, k, batch = 1, reduce = 1, sharedA = false, sharedB = false, accumulate = false } = size
  const pairs = batch * reduce
  const flop = 2 * m * n * k * pairs
  const values = m * k * (sharedA ? 1 : pairs) + k * n * (sharedB ? 1 : pairs) + m * n * batch * (accumulate ? 2 : 1)
  return stored(dtype, { flop, bytes: 4 * values, products: flop })
}

/** silu(gate) ⊙ up of a product whose n columns are [gate | up]; the result has half as many. */
export function gatedWork({ m, n, k }: MatmulSize, dtype: Precision): Work {
  const flop = 2 * m * n * k
  const result = (m * n) / 2
  return stored(dtype, { flop: flop + 5 * result, bytes: 4 * (m * k + k * n + result), products: flop })
}

/** The three products of a linear layer over the last axis. */
export function linearSizes(rows: number, out: number, width: number): Record<'forward' | 'dX' | 'dW', MatmulSize> {
  return {
    forward: { m: rows, n: out, k: width, transposeB: true },
    dX: { m: rows, n: width, k: out },
    dW: { m: out, n: width, k: rows, transposeA: true },
  }
}

/** The three products of a linear layer over the next-to-last axis: weight (out, length) · x (batch, length, width). */
export function mixSizes(
  batch: number,
  out: number,
  length: number,
  width: number,
): Record<'forward' | 'dX' | 'dW', MatmulSize> {
  return {
    forward: { m: out, n: width, k: length, batch, sharedA: true },
    dX: { m: length, n: width, k: out, transposeA: true, batch, sharedA: true },
    dW: { m: out, n: length, k: width, transposeB: true, reduce: batch },
  }
}

/** y = a + b. */
export function addWork(count: number): Work {
  return plain(count, 3 * count)
}

/** y = s / sqrt(mean(s²) + epsilon), s = x + residual: four FLOP a value, three a row; rstd of each row is written. */
export function rmsnormWork(rows: number, width: number): Work {
  return plain(rows * (4 * width + 3), rows * (3 * width + 1))
}

/** rstd · (dy − y · mean(y · dy)): five FLOP a value, one a row. */
export function rmsnormBackwardWork(rows: number, width: number): Work {
  return plain(rows * (5 * width + 1), rows * (3 * width + 1))
}

/** gate / (1 + exp(−gate)) · up. @param count values of the result */
export function swigluWork(count: number): Work {
  return plain(5 * count, 3 * count)
}

/** With σ: dy · up · σ · (1 + gate · (1 − σ)) and dy · gate · σ. */
export function swigluBackwardWork(count: number): Work {
  return plain(12 * count, 5 * count)
}

export interface AttentionShape {
  batch: number
  length: number
  heads: number
  headDim: number
}

/**
 * The products of the scores and of the values, 4 · L² · d a head. The softmax is not counted, as is usual.
 * @param rope with rotary positions: three FLOP for each value of queries and keys, and a table of angles
 */
export function attentionWork({ batch, length, heads, headDim }: AttentionShape, rope = false): Work {
  const values = batch * length * heads * headDim
  return plain(
    4 * length * values + (rope ? 6 * values : 0),
    4 * values + batch * heads * length + (rope ? length * headDim : 0),
  )
}

/**
 * Five products: the scores again, dP, dV, dQ, dK. It reads qkv, o, dO and lse, and writes dQkv.
 * @param rope the gradients of queries and keys are rotated back
 */
export function attentionBackwardWork({ batch, length, heads, headDim }: AttentionShape, rope = false): Work {
  const values = batch * length * heads * headDim
  return plain(
    10 * length * values + (rope ? 6 * values : 0),
    8 * values + batch * heads * length + (rope ? length * headDim : 0),
  )
}

/** Rows of the token table behind rows of puzzles, scaled: one FLOP a value, two with learned positions. */
export function embeddingWork(config: TrmConfig, batch: number): Work {
  const { hidden, cells, vocabulary, puzzleWidth, positions } = config
  const values = batch * lengthOf(config) * hidden
  const learned = positions === 'learned' ? 1 : 0
  return plain(
    (1 + learned) * values,
    values + vocabulary * hidden + batch * (cells + puzzleWidth) + learned * lengthOf(config) * hidden,
  )
}

/** The gradient of each token is added to its row of the table; rows of puzzles and of the table are scaled. */
export function embeddingBackwardWork(config: TrmConfig, batch: number): Work {
  const { hidden, cells, vocabulary, puzzleWidth, positions } = config
  const tokens = batch * cells * hidden
  const learned = positions === 'learned' ? lengthOf(config) * hidden : 0
  return plain(
    tokens + vocabulary * hidden + batch * puzzleWidth + (batch + 1) * learned,
    tokens + vocabulary * hidden + batch * (cells + 2 * puzzleWidth) + (batch + 1) * learned,
  )
}

/** Stablemax cross-entropy and its gradient: ten FLOP a logit of a cell. Predictions and all gradients are written. */
export function lossWork(config: TrmConfig, batch: number): Work {
  const { cells, vocabulary } = config
  return plain(10 * batch * cells * vocabulary, batch * ((cells + lengthOf(config)) * vocabulary + 2 * cells + 10))
}

/** AdamATan2 with weight decay and a moving average: 17 FLOP a parameter; five values are read, four are written. */
export function optimizerWork(count: number): Work {
  return plain(17 * count, 9 * count)
}

const channels = (config: TrmConfig, batch: number) => ({
  rows: batch * lengthOf(config),
  inner: innerWidth(config.hidden, config.expansion),
})

/** The work of a layer of the network and of its derivative. */
function blockWork(config: TrmConfig, batch: number): { forward: Work; backward: Work } {
  const { hidden, heads, tokenMixing, positions } = config
  const length = lengthOf(config)
  const { rows, inner } = channels(config, batch)
  const forward: Work[] = []
  const backward: Work[] = []
  const product = ({ forward: size, dX, dW }: ReturnType<typeof linearSizes>) => {
    forward.push(matmulWork(size))
    backward.push(matmulWork(dX), matmulWork({ ...dW, accumulate: true }))
  }
  const gate = (count: number) => {
    forward.push(swigluWork(count))
    backward.push(swigluBackwardWork(count))
  }
  const norm = (normed: number, width: number) => {
    forward.push(rmsnormWork(normed, width))
    backward.push(rmsnormBackwardWork(normed, width))
  }
  if (tokenMixing) {
    const mixInner = innerWidth(length, config.expansion)
    product(mixSizes(batch, 2 * mixInner, length, hidden))
    gate(batch * mixInner * hidden)
    product(mixSizes(batch, length, mixInner, hidden))
    norm(batch * hidden, length)
  } else {
    const shape = { batch, length, heads, headDim: headWidth(config) }
    const seen = heads * shape.headDim
    product(linearSizes(rows, 3 * seen, hidden))
    forward.push(attentionWork(shape, positions === 'rope'))
    backward.push(attentionBackwardWork(shape, positions === 'rope'))
    product(linearSizes(rows, hidden, seen))
    norm(rows, hidden)
  }
  product(linearSizes(rows, 2 * inner, hidden))
  gate(rows * inner)
  product(linearSizes(rows, hidden, inner))
  norm(rows, hidden)
  return { forward: sum(...forward), backward: sum(...backward) }
}

/** One application of the network. */
export function networkWork(config: TrmConfig, batch: number, dtype: Precision = 'f32'): Work {
  const injection = addWork(batch * lengthOf(config) * config.hidden)
  return stored(dtype, sum(injection, times(config.layers, blockWork(config, batch).forward)))
}

/** Its derivative. Adding up the gradients of a tensor that is used twice is not counted. */
export function networkBackwardWork(config: TrmConfig, batch: number): Work {
  return times(config.layers, blockWork(config, batch).backward)
}

/** One cycle: the latent steps and the update of the answer. */
function cycleWork(config: TrmConfig, batch: number): Work {
  return sum(
    addWork(batch * lengthOf(config) * config.hidden),
    times(config.latentSteps + 1, networkWork(config, batch)),
  )
}

function headSizes(config: TrmConfig, batch: number): ReturnType<typeof linearSizes>[] {
  return [linearSizes(batch * lengthOf(config), config.vocabulary, config.hidden), linearSizes(batch, 2, config.hidden)]
}

/** One supervision step without gradient: input embedding, all cycles, heads. */
export function inferenceWork(config: TrmConfig, batch: number, dtype: Precision = 'f32'): Work {
  const heads = headSizes(config, batch).map(({ forward }) => matmulWork(forward))
  return stored(dtype, sum(embeddingWork(config, batch), times(config.cycles, cycleWork(config, batch)), ...heads))
}

/**
 * One training step of `batch` slots in micro-batches: the input embedding twice, all cycles, the derivative of the
 * last cycle, heads, loss, optimiser. Restarting halted slots is not counted, because it depends on their number.
 */
export function trainingWork(config: TrmConfig, batch: number, microBatch = batch, dtype: Precision = 'f32'): Work {
  const chunk = (slots: number) =>
    sum(
      inferenceWork(config, slots),
      embeddingWork(config, slots),
      times(config.latentSteps + 1, networkBackwardWork(config, slots)),
      ...headSizes(config, slots).flatMap(({ dX, dW }) => [matmulWork(dX), matmulWork(dW)]),
      embeddingBackwardWork(config, slots),
      lossWork(config, slots),
    )
  const whole = Math.floor(batch / microBatch)
  const rest = batch % microBatch
  const chunks = sum(times(whole, chunk(microBatch)), rest ? chunk(rest) : NOTHING)
  return sum(stored(dtype, chunks), optimizerWork(parameterCount(config)))
}

/** The number of parameters; the puzzle embedding does not count. */
export function parameterCount(config: TrmConfig): number {
  return Object.values(parameterShapes(config)).reduce((n, shape) => n + shape.reduce((a, b) => a * b, 1), 0)
}
