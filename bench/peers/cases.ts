// The cases that every backend computes, their FLOP, and the check of their results against truth or golden.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseSafetensors, type SafetensorsFile, toFloat32 } from '../../src/formats/safetensors.js'
import { fail, root } from './common.js'
import type { Job } from './protocol.js'
import { lossOf, SIZES, transformer } from './transformer.js'

const goldens = join(process.env.TRM_SHARED ?? resolve(root, '../shared'), 'goldens')

/** A quantity that a backend computed: its error, and the error that is allowed. */
export interface Compared {
  name: string
  error: number
  allowed: number
}

export interface Case {
  name: Job['case']
  size: string
  /** FLOP of one step or product. */
  flops: number
  /** The job, with its files in this folder. */
  job(folder: string): Job
  /** Compares the outputs of a backend. */
  check(outputs: Map<string, Float32Array>): Compared[]
}

/** m, n and k of the products. */
const PRODUCTS = [
  [1088, 512, 64],
  [1088, 64, 256],
  [1296, 1024, 128],
  [1296, 128, 512],
  [1024, 1024, 512],
] as const

/** Whether a case is chosen: all are, if `only` is empty. */
const isChosen = (only: readonly string[], name: string, size: string) =>
  only.length === 0 || only.some(part => `${name} ${size}`.includes(part))

/** The cases whose "name size" contains one of the parts, or all cases. Ends the process if there are none. */
export function chooseCases(only: readonly string[]): Case[] {
  const all = [...productCases(), transformerCase(), ...stepCases(only)]
  const chosen = all.filter(({ name, size }) => isChosen(only, name, size))
  const names = all.map(({ name, size }) => `${name} ${size}`)
  if (chosen.length === 0) fail(`no case of that name, expected parts of: ${names.join(', ')}`)
  return chosen
}

function productCases(): Case[] {
  return PRODUCTS.map(([m, n, k]) => {
    const [a, b] = [noise(m * k, 1), noise(n * k, 2)]
    return {
      name: 'matmul' as const,
      size: `${m}x${n}x${k}`,
      flops: 2 * m * n * k,
      job(folder) {
        const [fileA, fileB] = [join(folder, `a-${m}-${n}-${k}`), join(folder, `b-${m}-${n}-${k}`)]
        writeFileSync(fileA, a)
        writeFileSync(fileB, b)
        return { case: 'matmul', m, n, k, a: fileA, b: fileB }
      },
      check(outputs) {
        const c = outputs.get('c')
        if (c?.length !== m * n) return [{ name: 'c', error: Infinity, allowed: 0 }]
        // Every 17th row in float64: all columns, and rows of every tile.
        let [difference, norm] = [0, 0]
        for (let row = 0; row < m; row += 17) {
          for (let column = 0; column < n; column++) {
            let sum = 0
            for (let i = 0; i < k; i++) sum += a[row * k + i]! * b[column * k + i]!
            difference += (sum - c[row * n + column]!) ** 2
            norm += sum ** 2
          }
        }
        return [{ name: 'c', error: Math.sqrt(difference / norm), allowed: 1e-5 }]
      },
    }
  })
}

/** A training step of a causal transformer: its loss, and its gradients along a random direction, against float64. */
function transformerCase(): Case {
  const { batch, length, width, heads, layers, inner, characters } = SIZES
  const layer = width * (4 * width + 3 * inner) + 2 * length * width
  return {
    name: 'transformer-step',
    size: `${batch}x${length}x${width}, ${layers} layers of ${heads} heads`,
    flops: 3 * 2 * batch * length * (layers * layer + width * characters),
    job: () => ({ case: 'transformer-step' }),
    check(outputs) {
      const problem = transformer()
      const direction = Object.entries(problem.weights).map(([name, { data }], i) => ({
        name,
        data: noise(data.length, i + 3),
      }))
      const lossAt = (t: number) => {
        const moved = direction.map(({ name, data }) => {
          const { shape, data: values } = problem.weights[name]!
          return [name, { shape, data: Float64Array.from(values, (value, i) => value + t * data[i]!) }]
        })
        return lossOf({ ...problem, weights: Object.fromEntries(moved) })
      }
      const h = 1e-4
      const slope = (lossAt(h) - lossAt(-h)) / (2 * h)
      let [along, squares] = [0, 0]
      for (const { name, data } of direction) {
        const gradient = outputs.get(`grad.${name}`)
        for (const [i, value] of data.entries()) {
          along += value * (gradient?.[i] ?? NaN)
          squares += (value * (gradient?.[i] ?? NaN)) ** 2
        }
      }
      const loss = lossAt(0)
      return [
        { name: 'loss', error: Math.abs((outputs.get('loss')?.[0] ?? NaN) - loss) / loss, allowed: 1e-5 },
        // Terms of either sign cancel: the error is one of the terms.
        { name: 'gradients', error: Math.abs(along - slope) / Math.sqrt(squares), allowed: 1e-3 },
      ]
    },
  }
}

/** Steps of the goldens' models; goldens that no chosen case needs are not read. */
function stepCases(only: readonly string[]): Case[] {
  const all: Case[] = []
  for (const size of ['small', 'middle']) {
    const file = join(goldens, `bench-${size}.safetensors`)
    if (!['inference-step', 'train-step'].some(name => isChosen(only, name, size))) continue
    if (!existsSync(file))
      fail(
        `${file} is not there, expected a golden of the published code — ` +
          'set TRM_SHARED to the folder that holds goldens/',
      )
    const golden = parseSafetensors(readFileSync(file), file)
    const c = JSON.parse(golden.metadata.config!) as Record<string, number>
    const cost = stepFlops(c)
    for (const name of ['inference-step', 'train-step'] as const) {
      all.push({
        name,
        size,
        flops:
          name === 'train-step'
            ? (c.H_cycles! - 1) * cost.cycle + 3 * (cost.cycle + cost.heads)
            : c.H_cycles! * cost.cycle + cost.heads,
        job: () => ({ case: name, golden: file }),
        check: outputs => compare(golden, outputs, name),
      })
    }
  }
  return all
}

/** FLOP of the products of one cycle and of the heads, forward, for the whole batch. */
function stepFlops(c: Record<string, number>): { cycle: number; heads: number } {
  const width = c.hidden_size!
  const prefix = c.puzzle_emb_ndim! > 0 ? c.puzzle_emb_len! || Math.ceil(c.puzzle_emb_ndim! / width) : 0
  const length = prefix + c.seq_len!
  const inner = (size: number) => 256 * Math.ceil(Math.round((c.expansion! * size * 2) / 3) / 256)
  const swiglu = (rows: number, size: number) => 2 * rows * size * 3 * inner(size)
  const mixing = c.mlp_t ? swiglu(width, length) : 2 * length * width * 4 * width + 4 * length * length * width
  const network = c.L_layers! * (mixing + swiglu(length, width))
  return {
    cycle: c.batch_size! * (c.L_cycles! + 1) * network,
    heads: c.batch_size! * 2 * width * (length * c.vocab_size! + 2),
  }
}

/**
 * Compares with a golden, by the law in the README of the goldens. For training: losses, gradients (or the sums that
 * stand for them), the slots that halted, and the trained state.
 */
function compare(golden: SafetensorsFile, outputs: Map<string, Float32Array>, name: string): Compared[] {
  const noise = JSON.parse(golden.metadata.noise!) as Record<string, number>
  const log = JSON.parse(golden.metadata.train_log!) as { loss: number }[]
  const compared: Compared[] = []
  const floors: Record<string, number> = { eval: 1e-5, grad: 1e-4, loss: 1e-4, final: 1e-3, ema: 1e-3 }
  const wanted =
    name === 'inference-step'
      ? ['eval.1.logits', 'eval.1.q_halt_logits']
      : [
          ...log.map((_, i) => `loss.${i}`),
          ...[...golden.tensors.keys()].filter(
            key => /^(grad|final|ema)\.|^train\.\d+\.halted$/.test(key) && !/_init$|local_weights$/.test(key),
          ),
        ]
  for (const key of wanted) {
    const [group] = key.split('.') as [string]
    const ours = outputs.get(key) ?? new Float32Array()
    if (group === 'train') {
      const theirs = toFloat32(golden.tensors.get(key)!)
      compared.push({
        name: key,
        error: theirs.length === ours.length ? theirs.filter((value, i) => value !== ours[i]).length : Infinity,
        allowed: 0,
      })
      continue
    }
    const theirs =
      group === 'loss' ? Float32Array.of(log[Number(key.split('.')[1])]!.loss) : toFloat32(golden.tensors.get(key)!)
    compared.push({
      name: key,
      error: relativeError(ours, theirs),
      allowed: Math.max(floors[group]!, 50 * (noise[group === 'loss' ? 'loss' : key] ?? 0)),
    })
  }
  return compared
}

function relativeError(ours: Float32Array, theirs: Float32Array): number {
  if (ours.length !== theirs.length) return Infinity
  let [difference, norm] = [0, 0]
  for (let i = 0; i < ours.length; i++) {
    difference += (ours[i]! - theirs[i]!) ** 2
    norm += theirs[i]! ** 2
  }
  const error = Math.sqrt(difference / (norm || 1))
  return Number.isNaN(error) ? Infinity : error
}

/** The same values on every run, between −0.5 and 0.5. */
function noise(count: number, seed: number): Float32Array {
  let state = seed
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32 - 0.5
  })
}
