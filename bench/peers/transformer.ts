// The problem "transformer-step": a training step of a small causal transformer over characters, its loss in float64.
// It is the network of examples/char-transformer.ts, with fixed weights and data.

export const SIZES = { batch: 16, length: 64, width: 64, heads: 4, layers: 2, inner: 128, characters: 32 }
export const ADAMW = { learningRate: 1e-3, beta1: 0.9, beta2: 0.95, weightDecay: 0.01, epsilon: 1e-8 }

export interface Transformer {
  sizes: typeof SIZES
  adamw: typeof ADAMW
  /** By name: tokens, head, and for each layer qkv, out, gateUp and down. */
  weights: Record<string, { shape: number[]; data: Float32Array<ArrayBuffer> }>
  /** Of shape (batch, length). */
  ids: Int32Array<ArrayBuffer>
  targets: Int32Array<ArrayBuffer>
}

/** The same on every call. */
export function transformer(): Transformer {
  const { batch, length, width, layers, inner, characters } = SIZES
  const shapes: Record<string, [out: number, width: number]> = {
    tokens: [characters, width],
    head: [characters, width],
  }
  for (let layer = 0; layer < layers; layer++) {
    shapes[`${layer}.qkv`] = [3 * width, width]
    shapes[`${layer}.out`] = [width, width]
    shapes[`${layer}.gateUp`] = [2 * inner, width]
    shapes[`${layer}.down`] = [width, inner]
  }
  let state = 1
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32
  const weights = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => {
      const scale = name === 'tokens' ? 1 : Math.sqrt(3 / shape[1])
      return [name, { shape, data: Float32Array.from({ length: shape[0] * shape[1] }, () => (2 * next() - 1) * scale) }]
    }),
  )
  const drawn = () => Int32Array.from({ length: batch * length }, () => Math.floor(next() * characters))
  return { sizes: SIZES, adamw: ADAMW, weights, ids: drawn(), targets: drawn() }
}

/** The same with weights of either precision. */
type Exact = Omit<Transformer, 'weights'> & {
  weights: Record<string, { shape: number[]; data: Float32Array | Float64Array }>
}

/** The mean cross-entropy in float64. */
export function lossOf({ weights, ids, targets, sizes }: Exact): number {
  const { batch, length, width, heads, layers, characters } = sizes
  const rows = batch * length
  const linear = (x: Float64Array, name: string) => {
    const { shape, data } = weights[name]!
    const [out, terms] = shape as [number, number]
    const y = new Float64Array((x.length / terms) * out)
    for (let row = 0; row < x.length / terms; row++)
      for (let column = 0; column < out; column++) {
        let sum = 0
        for (let i = 0; i < terms; i++) sum += x[row * terms + i]! * data[column * terms + i]!
        y[row * out + column] = sum
      }
    return y
  }
  const rms = (x: Float64Array) => {
    const y = x.slice()
    for (let at = 0; at < x.length; at += width) {
      const row = y.subarray(at, at + width)
      const root = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / width + 1e-5)
      row.forEach((v, i) => (row[i] = v / root))
    }
    return y
  }
  let h = Float64Array.from({ length: rows * width }, (_, i) => {
    return weights.tokens!.data[ids[Math.floor(i / width)]! * width + (i % width)]!
  })
  for (let layer = 0; layer < layers; layer++) {
    const o = linear(attention(linear(rms(h), `${layer}.qkv`), length, heads, width / heads), `${layer}.out`)
    h = h.map((v, i) => v + o[i]!)
    const both = linear(rms(h), `${layer}.gateUp`)
    const half = sizes.inner
    const gated = Float64Array.from({ length: both.length / 2 }, (_, i) => {
      const at = Math.floor(i / half) * 2 * half + (i % half)
      return (both[at]! / (1 + Math.exp(-both[at]!))) * both[at + half]!
    })
    const down = linear(gated, `${layer}.down`)
    h = h.map((v, i) => v + down[i]!)
  }
  const logits = linear(rms(h), 'head')
  let loss = 0
  for (let row = 0; row < rows; row++) {
    const own = logits.subarray(row * characters, (row + 1) * characters)
    loss += Math.log(own.reduce((sum, v) => sum + Math.exp(v), 0)) - own[targets[row]!]!
  }
  return loss / rows
}

/** Causal, of packed rows [q | k | v] whose queries and keys are turned by their positions. */
function attention(qkv: Float64Array, length: number, heads: number, headDim: number): Float64Array {
  const width = heads * headDim
  const half = headDim / 2
  const turned = qkv.slice()
  for (let row = 0; row < qkv.length / (3 * width); row++)
    for (let head = 0; head < 2 * heads; head++)
      for (let i = 0; i < half; i++) {
        const at = row * 3 * width + head * headDim + i
        const angle = (row % length) * 10000 ** ((-2 * i) / headDim)
        turned[at] = qkv[at]! * Math.cos(angle) - qkv[at + half]! * Math.sin(angle)
        turned[at + half] = qkv[at + half]! * Math.cos(angle) + qkv[at]! * Math.sin(angle)
      }
  const o = new Float64Array(qkv.length / 3)
  for (let row = 0; row < qkv.length / (3 * width); row++) {
    const first = row - (row % length)
    for (let head = 0; head < heads; head++) {
      const place = (at: number, part: number) => at * 3 * width + part * width + head * headDim
      const weights: number[] = []
      for (let key = first; key <= row; key++) {
        let score = 0
        for (let d = 0; d < headDim; d++) score += turned[place(row, 0) + d]! * turned[place(key, 1) + d]!
        weights.push(Math.exp(score / Math.sqrt(headDim)))
      }
      const total = weights.reduce((a, b) => a + b)
      weights.forEach((weight, key) => {
        for (let d = 0; d < headDim; d++)
          o[row * width + head * headDim + d]! += (weight / total) * turned[place(first + key, 2) + d]!
      })
    }
  }
  return o
}
