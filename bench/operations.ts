// Cases of single operations: products, norms, gates, attention, the optimiser, the input embedding and the loss.
import {
  Adam,
  attention,
  type Engine,
  gated,
  Parameters,
  rmsnorm,
  ropeTable,
  swiglu,
  type Tensor,
} from '../src/engine/index.js'
import { add } from '../src/engine/ops/add.js'
import { matmul } from '../src/engine/ops/matmul.js'
import type { MatmulSize } from '../src/kernels/matmul.js'
import { headWidth, innerWidth, lengthOf } from '../src/trm/config.js'
import { type Precision, Trm } from '../src/trm/model.js'
import { type Case, inMode, mayUseMatrices, type Mode, modeName, PLAIN } from './case.js'
import { type ModelSize, randomPuzzles, randomTensor, randomValues, type Size } from './models.js'
import { filledSlots } from './steps.js'
import {
  addWork,
  attentionBackwardWork,
  type AttentionShape,
  attentionWork,
  embeddingBackwardWork,
  embeddingWork,
  gatedWork,
  linearSizes,
  lossWork,
  matmulWork,
  mixSizes,
  optimizerWork,
  rmsnormBackwardWork,
  rmsnormWork,
  stored,
  swigluBackwardWork,
  swigluWork,
  type Work,
} from './work.js'

/** The smallest dispatch: its host time is the cost of recording one. */
export function dispatchCase(): Case {
  return {
    name: 'dispatch of 64 sums',
    size: 'small',
    work: addWork(64),
    prepare(engine) {
      const [a, b] = [randomTensor(engine, [64]), randomTensor(engine, [64])]
      return () => engine.scope(() => void add(a, b))
    },
  }
}

/** The products of a layer. @param kind part of their names */
export function products(size: Size, kind: string, sizes: ReturnType<typeof linearSizes>, mode = PLAIN): Case[] {
  return Object.entries(sizes).map(([part, product]) =>
    matmulCase(size, `matmul${modeName(mode)}${kind} ${part}`, product, mode),
  )
}

function matmulCase(size: Size, name: string, product: MatmulSize, mode: Mode): Case {
  const { m, n, k, batch = 1, reduce = 1, sharedA, sharedB, transposeA, transposeB } = product
  const form = `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`
  const pairs = batch > 1 ? `${batch} × ` : reduce > 1 ? `Σ ${reduce} × ` : ''
  return {
    name: `${name} ${form} ${pairs}${m}×${n}×${k}`,
    size,
    work: matmulWork(product, mode.dtype),
    usesMatrices: mayUseMatrices(mode),
    prepare(plain) {
      const engine = inMode(plain, mode)
      const a = randomTensor(engine, [sharedA ? 1 : batch * reduce, m, k], mode.dtype)
      const b = randomTensor(engine, [sharedB ? 1 : batch * reduce, k, n], mode.dtype)
      const c = engine.lasting([batch, m, n], mode.dtype)
      return () => matmul({ a, b, c }, product)
    },
  }
}

/**
 * An operation and its derivative as two cases, in this mode.
 * @param make makes the operands; the returned function computes from them
 */
function both(
  size: Size,
  name: string,
  make: (engine: Engine) => () => Tensor,
  forward: Work,
  backward: Work,
  mode = PLAIN,
): Case[] {
  return [
    {
      name,
      size,
      work: stored(mode.dtype, forward),
      prepare(plain) {
        const engine = inMode(plain, mode)
        const compute = make(engine)
        return () => engine.scope(() => void compute())
      },
    },
    {
      name: `${name} backward`,
      size,
      work: stored(mode.dtype, backward),
      prepare(plain) {
        const engine = inMode(plain, mode)
        return derivative(engine, make(engine))
      },
    },
  ]
}

/** The products of a model with token mixing, and a layer with its gate in one. */
export function modelProducts({ size, config, microBatch: batch }: ModelSize, mode: Mode): Case[] {
  const { hidden, expansion } = config
  const [length, inner] = [lengthOf(config), innerWidth(hidden, expansion)]
  const [rows, mixInner] = [batch * length, innerWidth(length, expansion)]
  const product = linearSizes(rows, 2 * inner, hidden).forward
  return [
    ...products(size, '', linearSizes(rows, 2 * inner, hidden), mode),
    ...products(size, '', linearSizes(rows, hidden, inner), mode),
    ...products(size, ' mix', mixSizes(batch, 2 * mixInner, length, hidden), mode),
    ...products(size, ' mix', mixSizes(batch, length, mixInner, hidden), mode),
    {
      name: `gated${modeName(mode)} ${rows}×${2 * inner}×${hidden}`,
      size,
      work: gatedWork(product, mode.dtype),
      usesMatrices: mayUseMatrices(mode),
      prepare(plain) {
        const engine = inMode(plain, mode)
        const x = randomTensor(engine, [rows, hidden], mode.dtype)
        const weight = randomTensor(engine, [2 * inner, hidden], mode.dtype)
        return () => engine.scope(() => void gated(x, weight))
      },
    },
  ]
}

/** The norms and gates of a model. */
export function elementwise({ size, config, microBatch: batch }: ModelSize, mode = PLAIN): Case[] {
  const { hidden, expansion, tokenMixing } = config
  const length = lengthOf(config)
  const rows = batch * length
  const inner = innerWidth(hidden, expansion)
  const shape = [batch, length, hidden]
  const norm = (axis: -1 | -2, normed: number, width: number) =>
    both(
      size,
      `rmsnorm${modeName(mode)} axis ${axis} ${batch}×${length}×${hidden}`,
      engine => {
        const [x, residual] = [randomTensor(engine, shape, mode.dtype), randomTensor(engine, shape, mode.dtype)]
        return () => rmsnorm(x, { residual, axis })
      },
      rmsnormWork(normed, width),
      rmsnormBackwardWork(normed, width),
      mode,
    )
  const gate = (engine: Engine) => {
    const gateUp = randomTensor(engine, [rows, 2 * inner], mode.dtype)
    return () => swiglu(gateUp)
  }
  return [
    ...norm(-1, rows, hidden),
    ...(tokenMixing ? norm(-2, batch * hidden, length) : []),
    ...both(
      size,
      `swiglu${modeName(mode)} ${rows}×${inner}`,
      gate,
      swigluWork(rows * inner),
      swigluBackwardWork(rows * inner),
      mode,
    ),
  ]
}

const shapeName = ({ batch, length, heads, headDim }: AttentionShape) =>
  `${batch}×${length}, ${heads} heads of ${headDim}`
const packed = ({ batch, length, heads, headDim }: AttentionShape) => [batch, length, 3 * heads * headDim]

/** Attention and its derivative. @param theta of the rotary positions; undefined: there are none */
export function attentionCases(size: Size, shape: AttentionShape, theta?: number, mode = PLAIN): Case[] {
  const make = (engine: Engine) => {
    const qkv = randomTensor(engine, packed(shape), mode.dtype)
    const rope =
      theta === undefined
        ? undefined
        : engine.from(ropeTable(shape.length, shape.headDim, theta), [shape.length, shape.headDim / 2, 2])
    return () => attention(qkv, shape.heads, { rope })
  }
  const hasRope = theta !== undefined
  return both(
    size,
    `attention${modeName(mode)} ${hasRope ? 'with rope ' : ''}${shapeName(shape)}`,
    make,
    attentionWork(shape, hasRope),
    attentionBackwardWork(shape, hasRope),
    mode,
  )
}

/** The attention of a model. */
export function modelAttention({ size, config, microBatch }: ModelSize, mode = PLAIN): Case[] {
  const { heads, ropeTheta } = config
  return attentionCases(
    size,
    { batch: microBatch, length: lengthOf(config), heads, headDim: headWidth(config) },
    ropeTheta,
    mode,
  )
}

/** An optimiser step. @param millions of parameters */
export function optimizerCase(size: Size, millions: number): Case {
  const count = millions * 1e6
  return {
    name: `optimiser, ${millions} M parameters`,
    size,
    work: optimizerWork(count),
    prepare(engine) {
      const parameters = new Parameters(engine, { weights: [count / 1000, 1000] })
      const optimizer = new Adam(engine, parameters, { emaRate: 0.999 })
      const [values, gradients] = [randomValues(count), randomValues(count)]
      optimizer.values.write('weights', values)
      optimizer.gradients.write('weights', gradients)
      // Only the dispatches of a step are measured, without its host write.
      const dispatches: DispatchArguments[] = []
      const dispatch = (...given: DispatchArguments) => void dispatches.push(given)
      replacing(engine, { dispatch }, () => optimizer.step({ step: 1, learningRate: 1e-4 }))
      return () => dispatches.forEach(given => engine.dispatch(...given))
    },
  }
}

/** The input embedding, with its derivative, and the loss of a model. */
export function endsOfTheModel({ size, config, microBatch: batch }: ModelSize): Case[] {
  const ids = (engine: Engine) => engine.from(randomPuzzles(config, batch).inputs, [batch, config.cells])
  const puzzleRows = (engine: Engine) =>
    config.puzzleWidth ? randomTensor(engine, [batch, config.puzzleWidth]) : undefined
  const embedding = (engine: Engine) => {
    const [inputs, rows] = [ids(engine), puzzleRows(engine)]
    const model = Trm.create(engine, config)
    return () => model.embed(inputs, rows)
  }
  const loss: Case = {
    name: `supervision loss ${batch}×${config.cells}×${config.vocabulary}`,
    size,
    work: lossWork(config, batch),
    prepare(engine) {
      const { slots, model } = filledSlots(engine, config, batch)
      const logits = randomTensor(engine, [batch, model.length, config.vocabulary])
      const q = randomTensor(engine, [batch, 2])
      return () => engine.scope(() => void slots.loss({ logits, q }, 'stablemax', 1 / batch))
    },
  }
  return [
    ...both(
      size,
      `input embedding ${batch}×${lengthOf(config)}×${config.hidden}`,
      embedding,
      embeddingWork(config, batch),
      embeddingBackwardWork(config, batch),
    ),
    loss,
  ]
}

/** Runs the derivative of `compute`, as the tape would. */
function derivative(engine: Engine, compute: () => Tensor): () => void {
  const [dy, inputs, backward] = recordedBy(engine, compute)
  const targets = inputs.map(({ shape, dtype }) => engine.lasting(shape, dtype))
  return () =>
    engine.scope(() => {
      backward(
        dy,
        inputs.map(() => true),
      ).forEach((gradient, i) => {
        if (typeof gradient === 'function') gradient(targets[i], false)
      })
    })
}

/** What `compute` tells the tape last, with a random gradient in place of the result. */
function recordedBy(engine: Engine, compute: () => Tensor): RecordArguments {
  let recorded: RecordArguments | undefined
  const record: Engine['record'] = (y, inputs, backward) => {
    recorded = [randomTensor(engine, y.shape, y.dtype as Precision), inputs, backward]
    return y
  }
  replacing(engine, { record }, compute)
  return recorded!
}

/** Runs `work` while the engine has other methods. */
function replacing(engine: Engine, methods: Partial<Pick<Engine, 'record' | 'dispatch'>>, work: () => void): void {
  const before = Object.keys(methods).map(name => [name, Object.getOwnPropertyDescriptor(engine, name)] as const)
  Object.assign(engine, methods)
  try {
    work()
  } finally {
    for (const [name, property] of before) {
      // Without a property of its own the engine has the method of its class again.
      if (property) Object.defineProperty(engine, name, property)
      else Reflect.deleteProperty(engine, name)
    }
  }
}

type ArgumentsOf<Call> = Call extends (...given: infer Given) => unknown ? Given : never
type DispatchArguments = ArgumentsOf<Engine['dispatch']>
type RecordArguments = ArgumentsOf<Engine['record']>
