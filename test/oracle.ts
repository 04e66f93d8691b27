// The truth: every formula of the model in float64, without derivatives, written to be read. No test is here.

export type Values = ArrayLike<number>

const fill = (count: number, value: (i: number) => number) => Float64Array.from({ length: count }, (_, i) => value(i))

export interface Product {
  m: number
  n: number
  k: number
  transposeA?: boolean
  transposeB?: boolean
  batch?: number
  reduce?: number
  sharedA?: boolean
  sharedB?: boolean
}

/** c[i] = Σ_r a[i, r] · b[i, r] of matrices m × k and k × n. Either may be stored transposed or shared by all pairs. */
export function matmul(
  a: Values,
  b: Values,
  { m, n, k, transposeA, transposeB, batch = 1, reduce = 1, sharedA, sharedB }: Product,
): Float64Array {
  const c = new Float64Array(batch * m * n)
  for (let pair = 0; pair < batch * reduce; pair++) {
    const a0 = sharedA ? 0 : pair * m * k
    const b0 = sharedB ? 0 : pair * k * n
    const c0 = Math.floor(pair / reduce) * m * n
    for (let row = 0; row < m; row++) {
      for (let column = 0; column < n; column++) {
        let sum = 0
        for (let i = 0; i < k; i++)
          sum +=
            a[a0 + (transposeA ? i * m + row : row * k + i)] * b[b0 + (transposeB ? column * k + i : i * n + column)]
        c[c0 + row * n + column] += sum
      }
    }
  }
  return c
}

/** a + b; b repeats over a. */
export function add(a: Values, b: Values): Float64Array {
  return fill(a.length, i => a[i] + b[i % b.length])
}

/** y = s / sqrt(mean(s²) + epsilon), s = x + residual; x is (outer, width, stride), normed over width. */
export function rmsnorm(
  x: Values,
  residual: Values | undefined,
  { width, stride = 1, epsilon }: { width: number; stride?: number; epsilon: number },
): Float64Array {
  const s = fill(x.length, i => x[i] + (residual ? residual[i] : 0))
  const y = new Float64Array(x.length)
  for (let outer = 0; outer < x.length / (width * stride); outer++) {
    for (let i = 0; i < stride; i++) {
      const at = (j: number) => (outer * width + j) * stride + i
      let squares = 0
      for (let j = 0; j < width; j++) squares += s[at(j)] ** 2
      for (let j = 0; j < width; j++) y[at(j)] = s[at(j)] / Math.sqrt(squares / width + epsilon)
    }
  }
  return y
}

/** silu(gate) · up; x is (outer, [gate | up], inner), each half `half` long. */
export function swiglu(x: Values, { half, inner = 1 }: { half: number; inner?: number }): Float64Array {
  const block = half * inner
  return fill(x.length / 2, i => {
    const gate = x[Math.floor(i / block) * 2 * block + (i % block)]
    const up = x[Math.floor(i / block) * 2 * block + block + (i % block)]
    return (gate / (1 + Math.exp(-gate))) * up
  })
}

export interface MlpBlock {
  batch: number
  length: number
  width: number
  inner: number
  axis: -1 | -2
}

/** rms(s + down · (silu(gate) ⊙ up)) with [gate | up] = gateUp · s, over either axis. */
export function mlpBlock(
  s: Values,
  gateUp: Values,
  down: Values,
  { batch, length, width, inner, axis }: MlpBlock,
  epsilon: number,
): Float64Array {
  if (axis === -1) {
    const rows = { m: batch * length, transposeB: true }
    const gates = matmul(s, gateUp, { ...rows, n: 2 * inner, k: width })
    const out = matmul(swiglu(gates, { half: inner }), down, { ...rows, n: width, k: inner })
    return rmsnorm(out, s, { width, epsilon })
  }
  const columns = { n: width, batch, sharedA: true }
  const gates = matmul(gateUp, s, { ...columns, m: 2 * inner, k: length })
  const out = matmul(down, swiglu(gates, { half: inner, inner: width }), { ...columns, m: length, k: inner })
  return rmsnorm(out, s, { width: length, stride: width, epsilon })
}

export interface Attention {
  batch: number
  length: number
  heads: number
  headDim: number
}

/** Angle of pair i at a position. */
export function ropeAngle(position: number, i: number, headDim: number, theta: number): number {
  return position * theta ** ((-2 * i) / headDim)
}

/**
 * Packed rows [q | k | v] with q and k rotated by `angle(position, i)`:
 * x · cos + rotate_half(x) · sin, where rotate_half(x) = [−x₂, x₁].
 */
export function rope(
  qkv: Values,
  { batch, length, heads, headDim }: Attention,
  angle: (position: number, i: number) => number,
): Float64Array {
  const y = Float64Array.from({ length: qkv.length }, (_, i) => qkv[i])
  const half = headDim / 2
  for (let row = 0; row < batch * length; row++) {
    for (let head = 0; head < 2 * heads; head++) {
      const at = (row * 3 * heads + head) * headDim
      for (let i = 0; i < half; i++) {
        const phi = angle(row % length, i)
        const [x1, x2] = [qkv[at + i], qkv[at + half + i]]
        y[at + i] = x1 * Math.cos(phi) - x2 * Math.sin(phi)
        y[at + half + i] = x2 * Math.cos(phi) + x1 * Math.sin(phi)
      }
    }
  }
  return y
}

/** softmax(q · kᵀ / √headDim) · v for each head, packed rows [q | k | v]; keys that are not seen have no part in it. */
export function attention(
  qkv: Values,
  { batch, length, heads, headDim }: Attention,
  isSeen: (b: number, query: number, key: number) => boolean = () => true,
): Float64Array {
  const o = new Float64Array(batch * length * heads * headDim)
  const at = (b: number, position: number, part: number, head: number, d: number) =>
    (((b * length + position) * 3 + part) * heads + head) * headDim + d
  for (let b = 0; b < batch; b++) {
    for (let head = 0; head < heads; head++) {
      for (let query = 0; query < length; query++) {
        const scores = fill(length, key => {
          if (!isSeen(b, query, key)) return -Infinity
          let sum = 0
          for (let d = 0; d < headDim; d++) sum += qkv[at(b, query, 0, head, d)] * qkv[at(b, key, 1, head, d)]
          return sum / Math.sqrt(headDim)
        })
        const weights = softmax(scores, length)
        for (let d = 0; d < headDim; d++) {
          let sum = 0
          for (let key = 0; key < length; key++) sum += weights[key] * qkv[at(b, key, 2, head, d)]
          o[((b * length + query) * heads + head) * headDim + d] = sum
        }
      }
    }
  }
  return o
}

/** exp(x) / Σ exp(x) over rows; values of −∞ get 0, also where a row has no others. */
export function softmax(x: Values, width: number): Float64Array {
  return overRows(x, width, row => {
    const most = Math.max(...row)
    const weights = row.map(value => (value === -Infinity ? 0 : Math.exp(value - most)))
    const total = weights.reduce((sum, w) => sum + w, 0)
    return weights.map(w => (total > 0 ? w / total : 0))
  })
}

/** −log softmax(row)[target] / n of the n rows with a target that is at least 0 and not `ignore`; 0 of the others. */
export function crossEntropy(logits: Values, targets: Values, classes: number, ignore = -1): Float64Array {
  const counts = Array.from({ length: targets.length }, (_, i) => targets[i] >= 0 && targets[i] !== ignore)
  const n = counts.filter(Boolean).length
  const probabilities = softmax(logits, classes)
  return fill(targets.length, i => (counts[i] ? -Math.log(probabilities[i * classes + targets[i]]) / n : 0))
}

/** A function of each row, the results side by side. */
function overRows(x: Values, width: number, f: (row: Float64Array) => Float64Array): Float64Array {
  const y = new Float64Array(x.length)
  for (let at = 0; at < x.length; at += width) y.set(f(fill(width, i => x[at + i])), at)
  return y
}

/** a · b, b repeated over a. */
export function mul(a: Values, b: Values): Float64Array {
  return fill(a.length, i => a[i] * b[i % b.length])
}

/** max(x, 0). */
export function relu(x: Values): Float64Array {
  return fill(x.length, i => Math.max(x[i], 0))
}

/** The tanh form of GELU. */
export function gelu(x: Values): Float64Array {
  return fill(x.length, i => (x[i] / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x[i] + 0.044715 * x[i] ** 3))))
}

/** Sums of rows. */
export function rowSums(x: Values, width: number): Float64Array {
  return fill(x.length / width, row => fill(width, i => x[row * width + i]).reduce((a, b) => a + b, 0))
}

/** The axes of x in another order. */
export function transpose(x: Values, shape: readonly number[], order: readonly number[]): Float64Array {
  const places = order.map(axis => shape.slice(axis + 1).reduce((n, d) => n * d, 1))
  const sizes = order.map(axis => shape[axis])
  return fill(x.length, i => {
    let [rest, place] = [i, 0]
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      place += (rest % sizes[axis]) * places[axis]
      rest = Math.floor(rest / sizes[axis])
    }
    return x[place]
  })
}

/** PCG4D of four words: M. Jarzynski and M. Olano, "Hash Functions for GPU Rendering", 2020. */
export function pcg4d(words: readonly number[]): number[] {
  let [x, y, z, w] = words.map(v => (Math.imul(v, 1664525) + 1013904223) >>> 0)
  for (let round = 0; round < 2; round++) {
    x = (x + Math.imul(y, w)) >>> 0
    y = (y + Math.imul(z, x)) >>> 0
    z = (z + Math.imul(x, y)) >>> 0
    w = (w + Math.imul(y, z)) >>> 0
    if (round === 0) [x, y, z, w] = [x, y, z, w].map(v => (v ^ (v >>> 16)) >>> 0)
  }
  return [x, y, z, w]
}

/** x / (1 − rate) where the hash of (seed, counter, element, stream) is at least the rate, else 0. */
export function dropout(
  x: Values,
  { rate, seed, counter, stream }: { rate: number; seed: number; counter: number; stream: number },
): Float64Array {
  return fill(x.length, i => (pcg4d([seed, counter, i, stream])[0] >>> 8 >= rate * 2 ** 24 ? x[i] / (1 - rate) : 0))
}

/** Rows of a table. */
export function embedding(table: Values, ids: Values, width: number): Float64Array {
  return fill(ids.length * width, i => table[ids[Math.floor(i / width)] * width + (i % width)])
}

/** The first of `length` positions of each sequence. */
export function firstPosition(x: Values, { length, width }: { length: number; width: number }): Float64Array {
  return fill(x.length / length, i => x[Math.floor(i / width) * length * width + (i % width)])
}

/** Sums over the rows. */
export function columnSums(x: Values, width: number): Float64Array {
  const y = new Float64Array(width)
  for (let i = 0; i < x.length; i++) y[i % width] += x[i]
  return y
}

/** (a − b)² / size. */
export function squaredError(a: Values, b: Values): Float64Array {
  return fill(a.length, i => (a[i] - b[i]) ** 2 / a.length)
}

export interface Embedding {
  batch: number
  cells: number
  prefix: number
  width: number
  puzzleWidth: number
  factor: number
}

/** factor · ([row of the puzzle, zero-padded to the prefix | rows of tokens] + positions). */
export function inputEmbedding(
  ids: Values,
  tokens: Values,
  puzzles: Values | undefined,
  positions: Values | undefined,
  { batch, cells, prefix, width, puzzleWidth, factor }: Embedding,
): Float64Array {
  const x: number[] = []
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < prefix * width; i++) x.push(i < puzzleWidth && puzzles ? puzzles[b * puzzleWidth + i] : 0)
    for (let cell = 0; cell < cells; cell++)
      for (let i = 0; i < width; i++) x.push(tokens[ids[b * cells + cell] * width + i])
  }
  return fill(x.length, i => factor * (x[i] + (positions ? positions[i % ((prefix + cells) * width)] : 0)))
}

export interface Supervision {
  batch: number
  cells: number
  prefix: number
  vocabulary: number
  stablemax: boolean
}

/** The losses and results of a slot; loss = lmLoss + 0.5 · (qHaltLoss + qContinueLoss). */
export interface SlotTruth {
  lmLoss: number
  qHaltLoss: number
  labelled: number
  accuracy: number
  exact: number
  qHaltCorrect: number
  qContinueLoss: number
  predictions: number[]
}

/** Binary cross-entropy of a logit. */
function bce(logit: number, target: number): number {
  return Math.max(logit, 0) - logit * target + Math.log1p(Math.exp(-Math.abs(logit)))
}

/**
 * Losses and results of each slot. logits are (batch, prefix + cells, vocabulary), q is (batch, 2).
 * Labels below 0 do not count. If there are `targets`, q_continue is trained towards them.
 */
export function supervision(
  logits: Values,
  q: Values,
  labels: Values,
  { batch, cells, prefix, vocabulary, stablemax }: Supervision,
  targets?: Values,
): SlotTruth[] {
  return Array.from({ length: batch }, (_, slot) => {
    const predictions: number[] = []
    let [loss, labelled, correct] = [0, 0, 0]
    for (let cell = 0; cell < cells; cell++) {
      const row = Array.from(
        { length: vocabulary },
        (_, v) => logits[(slot * (prefix + cells) + prefix + cell) * vocabulary + v],
      )
      predictions.push(row.indexOf(Math.max(...row)))
      const label = labels[slot * cells + cell]
      if (label < 0) continue
      labelled++
      if (predictions[cell] === label) correct++
      if (stablemax) {
        const s = row.map(x => (x >= 0 ? x + 1 : 1 / (1 - x + 1e-30)))
        loss -= Math.log(s[label] / s.reduce((a, b) => a + b, 0))
      } else {
        const max = Math.max(...row)
        loss -= row[label] - max - Math.log(row.reduce((sum, x) => sum + Math.exp(x - max), 0))
      }
    }
    const halt = q[slot * 2]
    const exact = correct === labelled
    return {
      lmLoss: loss / Math.max(labelled, 1),
      qHaltLoss: bce(halt, Number(exact)),
      labelled,
      accuracy: correct / Math.max(labelled, 1),
      exact: Number(exact),
      qHaltCorrect: Number(halt >= 0 === exact),
      qContinueLoss: targets ? bce(q[slot * 2 + 1], targets[slot]) : 0,
      predictions,
    }
  })
}

/** The target of q_continue after `steps` steps, from the Q values of the next step. */
export function continueTarget(
  [halt, next]: readonly [halt: number, next: number],
  { steps, maxSteps }: { steps: number; maxSteps: number },
): number {
  return 1 / (1 + Math.exp(-(steps >= maxSteps ? halt : Math.max(halt, next))))
}

/**
 * Whether a slot halts after `steps` steps.
 * @param above the value that q_halt must exceed: 0 or q_continue
 * @param minSteps steps that exploration demands; 0: none
 */
export function halts({
  steps,
  qHalt,
  above = 0,
  maxSteps,
  training,
  minSteps,
}: {
  steps: number
  qHalt: number
  above?: number
  maxSteps: number
  training: boolean
  minSteps: number
}): boolean {
  if (!training || maxSteps === 1) return steps >= maxSteps
  return (steps >= maxSteps || qHalt > above) && steps >= minSteps
}

export interface AdamTruth {
  values: Float64Array
  m: Float64Array
  v: Float64Array
  average: Float64Array
}

/** One step of AdamATan2 or AdamW, and of the moving average. */
export function adam(
  before: { values: Values; m: Values; v: Values; average: Values },
  gradients: Values,
  {
    step,
    learningRate,
    weightDecay,
    beta1,
    beta2,
    emaRate,
    atan2,
  }: {
    step: number
    learningRate: number
    weightDecay: number
    beta1: number
    beta2: number
    emaRate: number
    atan2: boolean
  },
): AdamTruth {
  const m = fill(gradients.length, i => beta1 * before.m[i] + (1 - beta1) * gradients[i])
  const v = fill(gradients.length, i => beta2 * before.v[i] + (1 - beta2) * gradients[i] ** 2)
  const values = fill(gradients.length, i => {
    const root = Math.sqrt(v[i]) / Math.sqrt(1 - beta2 ** step)
    const direction = atan2 ? Math.atan2(m[i], root) : m[i] / (root + 1e-8)
    return before.values[i] * (1 - learningRate * weightDecay) - (learningRate / (1 - beta1 ** step)) * direction
  })
  const average = fill(gradients.length, i =>
    emaRate > 0 ? emaRate * before.average[i] + (1 - emaRate) * values[i] : before.average[i],
  )
  return { values, m, v, average }
}

/** SignSGD with weight decay over the rows of the ids; gradients of equal ids are summed first. */
export function signSgd(
  table: Values,
  ids: Values,
  gradients: Values,
  { width, learningRate, weightDecay }: { width: number; learningRate: number; weightDecay: number },
): Float64Array {
  const after = fill(table.length, i => table[i])
  for (const id of new Set(Array.from({ length: ids.length }, (_, i) => ids[i]))) {
    for (let column = 0; column < width; column++) {
      let sum = 0
      for (let slot = 0; slot < ids.length; slot++) if (ids[slot] === id) sum += gradients[slot * width + column]
      after[id * width + column] =
        after[id * width + column] * (1 - learningRate * weightDecay) - learningRate * Math.sign(sum)
    }
  }
  return after
}
