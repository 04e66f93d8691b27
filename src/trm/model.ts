// The Tiny Recursive Model and its relatives, to be read top to bottom: parameters, embedding, recursion and heads.
// Jolicoeur-Martineau, "Less is More: Recursive Reasoning with Tiny Networks", arXiv 2510.04871.
import { inputEmbedding, prefixGradient } from '../kernels/input-embedding.js'
import { embeddingBackward } from '../kernels/embedding.js'
import { columnSums } from '../kernels/column-sums.js'
import { ropeTable } from '../kernels/rope.js'
import {
  add,
  type AdapterSummary,
  type DType,
  type Engine,
  firstPosition,
  linear,
  Parameters,
  Random,
  type Shape,
  type Tensor,
  truncatedNormal,
} from '../engine/index.js'
import { TooLarge } from '../engine/memory.js'
import { checkConfig, headWidth, innerWidth, lengthOf, prefixOf, type TrmConfig } from './config.js'
import { layers, layerShapes, type LayerSizes } from './network.js'
import { type Call, type Net, netsOf, type Recursion, recursionOf, runsOf } from './architectures.js'

/** How activations and operands of products are stored. Sums, norms, losses and trained values are always float32. */
export type Precision = Extract<DType, 'f32' | 'f16'>

/** A precision to ask for. WebGPU has no bfloat16: `bf16` means float16 on a GPU that has it, else float32. */
export type AskedPrecision = Precision | 'bf16'

/** The precision that a model gets. Only `bf16` depends on the adapter: `f16` stays where it is refused later. */
export const precisionOf = (
  { adapter: { isSoftware, features } }: { adapter: Pick<AdapterSummary, 'isSoftware' | 'features'> },
  asked: AskedPrecision,
): Precision => (asked !== 'bf16' ? asked : !isSoftware && features.includes('shader-f16') ? 'f16' : 'f32')

/** What one supervision step hands to the next: states of shape (batch, L, hidden). */
export interface Carry {
  /** The answer, which the heads read. */
  y: Tensor
  /** The latents: z, or z1, z2, …, or none. */
  [state: string]: Tensor
}

/** What the heads compute from the answer y. */
export interface Outputs {
  /** (batch, L, vocabulary); the first P positions have no meaning. */
  logits: Tensor
  /** (batch, 2): [q_halt, q_continue]. */
  q: Tensor
}

export class Trm {
  /** What the architecture computes in a cycle, and how it is trained. */
  readonly recursion: Recursion
  /** P and L = P + S. */
  readonly prefix: number
  readonly length: number
  /** Rows of the puzzle embedding, shape (puzzles, puzzleWidth). An optimiser of its own trains them. */
  readonly puzzleTable: Tensor | undefined
  /** Start value of each state of the carry, shape (hidden); drawn once, never trained. */
  readonly starts: Readonly<Carry>
  readonly #ropeTable: Tensor | undefined

  /** The engine, until the model is released, and the values that the model was made with. Copies share this object. */
  readonly #own: { engine?: Engine; readonly parameters: Parameters }

  private constructor(
    engine: Engine,
    readonly config: Readonly<TrmConfig>,
    /** The values that the network computes with: the trained ones or their moving average. */
    readonly parameters: Parameters,
    readonly dtype: Precision,
    original?: Trm,
  ) {
    const { hidden, puzzles, puzzleWidth, positions, tokenMixing, ropeTheta } = config
    this.recursion = recursionOf(config.architecture)
    this.prefix = prefixOf(config)
    this.length = lengthOf(config)
    this.starts = original?.starts ?? this.carryOf(state => engine.zeros([hidden], 'f32', `start of ${state}`))
    this.puzzleTable = original
      ? original.puzzleTable
      : puzzleWidth > 0
        ? engine.zeros([puzzles, puzzleWidth], 'f32', 'puzzle embedding')
        : undefined
    const isRotary = !tokenMixing && positions === 'rope'
    const width = headWidth(config)
    this.#ropeTable = original
      ? original.#ropeTable
      : isRotary
        ? engine.from(ropeTable(this.length, width, ropeTheta), [this.length, width / 2, 2])
        : undefined
    this.#own = original ? original.#own : { engine, parameters }
  }

  /** @throws when the model was released */
  get engine(): Engine {
    const { engine } = this.#own
    if (!engine) throw new Error('model: it was released — load or create it again')
    return engine
  }

  /**
   * Gives the model's memory back. Using the model, or a copy of other values or depth, is an error from then on.
   * A trainer's moving average stays with the trainer. Releasing twice does no harm.
   */
  release(): void {
    const { engine, parameters } = this.#own
    this.#own.engine = undefined
    parameters.release()
    engine?.release(...Object.values(this.starts), this.puzzleTable, this.#ropeTable)
    engine?.trim()
  }

  /**
   * A model of zeros.
   * @throws on an invalid configuration, on float16 where the adapter lacks it, and on a puzzle table that is too large
   */
  static empty(engine: Engine, config: TrmConfig, asked: AskedPrecision = 'f32'): Trm {
    const checked = checkConfig(config)
    const dtype = precisionOf(engine, asked)
    engine.requireDtype(dtype, 'model')
    const { puzzles, puzzleWidth } = checked
    const { maxTensorBytes: most } = engine.adapter
    const row = 4 * puzzleWidth
    if (puzzles * row > most) {
      const name = `puzzle_emb (num_puzzle_identifiers ${puzzles} × puzzle_emb_ndim ${puzzleWidth})`
      const remedy = `use data with fewer augmentations, or puzzle_emb_ndim ${Math.floor(most / 4 / puzzles)}`
      throw new TooLarge(name, puzzles * row, most, remedy)
    }
    return new Trm(engine, checked, new Parameters(engine, parameterShapes(checked)), dtype)
  }

  /** A model with random initial values. The same seed gives the same values everywhere. */
  static create(
    engine: Engine,
    config: TrmConfig,
    { seed = 0, dtype }: { seed?: number; dtype?: AskedPrecision } = {},
  ): Trm {
    const model = Trm.empty(engine, config, dtype)
    const random = new Random(seed)
    for (const [name, shape] of Object.entries(model.parameters.shapes)) {
      // σ = 1 / sqrt(in) for linear weights, 1 / sqrt(hidden) for embeddings. The halting head begins at "no".
      if (name === 'haltHead.bias') model.parameters.write(name, new Float32Array(2).fill(-5))
      else if (name !== 'haltHead.weight')
        model.parameters.write(name, truncatedNormal(random, shape[0] * shape[1], 1 / Math.sqrt(shape[1])))
    }
    for (const start of Object.values(model.starts))
      engine.write(start, truncatedNormal(random, model.config.hidden, 1))
    return model
  }

  /** The same model computing with other values of its parameters, e.g. their moving average. */
  withParameters(parameters: Parameters): Trm {
    return new Trm(this.engine, this.config, parameters, this.dtype, this)
  }

  /** The same model at another depth. @throws on a depth that its architecture cannot have */
  withDepth(depth: Pick<TrmConfig, 'cycles' | 'latentSteps'>): Trm {
    const config = checkConfig({ ...this.config, ...depth })
    if (config.cycles !== depth.cycles || config.latentSteps !== depth.latentSteps)
      throw new Error(
        `config: a ${config.architecture} has no other depth than ${config.cycles} × ${config.latentSteps}`,
      )
    return new Trm(this.engine, config, this.parameters, this.dtype, this)
  }

  /** A value for each state of the carry. */
  carryOf(make: (state: string) => Tensor): Carry {
    return Object.fromEntries(this.recursion.states.map(state => [state, make(state)])) as Carry
  }

  /** A weight as the network reads it: the halting head in float32, the others in `dtype`. */
  #weight(name: string): Tensor {
    return (this.dtype === 'f16' && !name.startsWith('haltHead.') ? this.parameters.f16() : this.parameters).get(name)
  }

  /** The tensors whose gradients train the parameters, in their order. */
  get weights(): Tensor[] {
    return this.parameters.names.map(name => this.#weight(name))
  }

  /**
   * The input x: puzzle embedding, token embeddings and position embeddings, scaled.
   * @param inputs i32 (batch, cells)
   * @param puzzleRows (batch, puzzleWidth), the slots' rows of the puzzle table
   * @returns (batch, L, hidden)
   */
  embed(inputs: Tensor, puzzleRows: Tensor | undefined): Tensor {
    const { engine, length, prefix } = this
    const { hidden, cells, vocabulary, puzzleWidth, positions } = this.config
    const batch = inputs.shape[0]
    const tokens = this.#weight('tokens')
    const learned = positions === 'learned' ? this.#weight('positions') : undefined
    // 1 / sqrt(2), rounded as in the published code: it gives the sum of two embeddings unit variance.
    const factor = Math.sqrt(hidden) * (learned ? 0.707106781 : 1)
    const size = {
      batch,
      cells,
      prefix,
      width: hidden,
      vocabulary,
      puzzleWidth,
      hasPositions: learned !== undefined,
      factor,
    }
    const x = engine.tensor([batch, length, hidden], this.dtype)
    engine.dispatch(
      inputEmbedding,
      { ids: inputs, tokens, puzzles: puzzleRows ?? tokens, positions: learned ?? tokens, x },
      size,
    )
    const sources = [tokens, ...(puzzleRows ? [puzzleRows] : []), ...(learned ? [learned] : [])]
    return engine.record(x, sources, dx =>
      sources.map(source => (into: Tensor, accumulate: boolean) => {
        if (source === puzzleRows) engine.dispatch(prefixGradient, { dx, dPuzzles: into }, { ...size, accumulate })
        else if (source === learned)
          engine.dispatch(columnSums, { x: dx, y: into }, { rows: batch, width: length * hidden, factor, accumulate })
        else
          engine.dispatch(
            embeddingBackward,
            { ids: inputs, dy: dx, dTable: into },
            { rows: vocabulary, width: hidden, batch, length: cells, prefix, factor, accumulate },
          )
      }),
    )
  }

  /**
   * A network over h + injection. Without a tape only the result stays in memory.
   * @param into receives the result; it may be h, it may not be the injection
   */
  network(h: Tensor, injection?: Tensor, into?: Tensor, net: Net = 'layers'): Tensor {
    const { engine, config } = this
    const sizes = { ...layerSizes(config), layers: config[net], epsilon: config.epsilon }
    const apply = (into?: Tensor) =>
      layers(h, injection, sizes, (k, name) => this.#weight(`${net}.${k}.${name}`), this.#ropeTable, into)
    if (engine.isRecording) return apply(into)
    const y = into ?? engine.tensor(h.shape, h.dtype)
    engine.scope(() => apply(y))
    return y
  }

  /** `cycles` cycles without gradient. They overwrite the carry's tensors and leave nothing else behind. */
  withoutGradient(carry: Carry, x: Tensor, cycles: number): void {
    for (let c = 0; c < cycles; c++) this.engine.scope(() => this.#overwrite(carry, x, this.#cycle()))
  }

  /** A supervision step up to its first call that carries gradient. It overwrites the carry's tensors. */
  beforeGradient(carry: Carry, x: Tensor): void {
    this.withoutGradient(carry, x, this.config.cycles - 1)
    this.#overwrite(carry, x, this.#cycle().slice(0, this.#firstWithGradient))
  }

  /**
   * The rest of a supervision step, after `beforeGradient`: the calls that carry gradient. They make new tensors.
   * @param recompute keeps only the result of each call; the carry must not change until the gradients are computed
   */
  withGradient(carry: Carry, x: Tensor, recompute = false): Carry {
    const { engine } = this
    const next = { ...carry }
    for (const run of runsOf(this.#cycle().slice(this.#firstWithGradient))) {
      const injection = sum(run[0].injected, next, x)
      for (const { state, net, from } of run) {
        // The terms as they are now: the call may be computed again later.
        const before = { ...next }
        const call = () => this.network(sum(from, before, x)!, injection, undefined, net)
        next[state] = recompute ? engine.recompute(call) : call()
      }
    }
    return next
  }

  /** The calls of one cycle. */
  #cycle(): Call[] {
    return [...this.recursion.cycle(this.config.latentSteps)]
  }

  /** Number of the first call of the last cycle that carries gradient. */
  get #firstWithGradient(): number {
    const { callsWithGradient = Infinity } = this.recursion
    return Math.max(0, this.#cycle().length - callsWithGradient)
  }

  /** Network calls without gradient. Each overwrites its state's tensor. The calls of a run share what they inject. */
  #overwrite(carry: Carry, x: Tensor, calls: readonly Call[]): void {
    const { engine } = this
    for (const run of runsOf(calls)) {
      engine.scope(() => {
        const injection = sum(run[0].injected, carry, x)
        for (const { state, net, from } of run)
          engine.scope(() => this.network(sum(from, carry, x)!, injection, carry[state], net))
      })
    }
  }

  /** The heads, applied to the answer y. @throws when the model was released */
  heads(y: Tensor): Outputs {
    void this.engine // The getter throws when the model was released.
    const logits = linear(y, this.#weight('head'), { dtype: 'f32' })
    const q = add(
      linear(firstPosition(y, { dtype: 'f32' }), this.#weight('haltHead.weight')),
      this.#weight('haltHead.bias'),
    )
    return { logits, q }
  }
}

/** The sum of some states, or of states and x; undefined without terms. */
function sum(terms: readonly string[], carry: Carry, x: Tensor): Tensor | undefined {
  const tensors = terms.map(term => (term === 'x' ? x : carry[term]))
  return tensors.length ? tensors.reduce((a, b) => add(a, b)) : undefined
}

/** Names and shapes of the trained parameters, in the order in which they are drawn. */
export function parameterShapes(config: TrmConfig): Record<string, Shape> {
  const { architecture, hidden, vocabulary, positions } = config
  const shapes: Record<string, Shape> = {
    tokens: [vocabulary, hidden],
    head: [vocabulary, hidden],
    'haltHead.weight': [2, hidden],
    'haltHead.bias': [2],
  }
  if (positions === 'learned') shapes.positions = [lengthOf(config), hidden]
  const layer = Object.entries(layerShapes(layerSizes(config)))
  for (const net of netsOf(architecture)) {
    for (let k = 0; k < config[net]; k++) for (const [name, shape] of layer) shapes[`${net}.${k}.${name}`] = shape
  }
  return shapes
}

function layerSizes(config: TrmConfig): LayerSizes {
  const { hidden: width, heads, expansion, tokenMixing } = config
  const length = lengthOf(config)
  return {
    length,
    width,
    heads: tokenMixing ? 0 : heads,
    headsWidth: heads * headWidth(config),
    inner: innerWidth(width, expansion),
    mixInner: tokenMixing ? innerWidth(length, expansion) : 0,
  }
}
