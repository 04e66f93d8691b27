// The Tiny Recursive Model and its relatives, read top to bottom: parameters, and one supervision step of recursion as schedules.ts has it.
// Jolicoeur-Martineau, "Less is More: Recursive Reasoning with Tiny Networks", arXiv 2510.04871, and the published code.
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
import { type Net, netsOf, type Schedule, scheduleOf } from './architectures.js'

/** How activations and operands of products are stored; sums, norms, losses and the trained values are float32 in any case. */
export type Precision = Extract<DType, 'f32' | 'f16'>

/** A precision to ask for. WebGPU has no bfloat16: `bf16` means float16 on a GPU that has it, and float32 elsewhere. */
export type AskedPrecision = Precision | 'bf16'

/** The precision that is used on this adapter where `asked` is asked for: f32 and f16 are what they are, also where f16 is then refused. */
export const precisionOf = (
  { adapter: { isSoftware, features } }: { adapter: Pick<AdapterSummary, 'isSoftware' | 'features'> },
  asked: AskedPrecision,
): Precision => (asked !== 'bf16' ? asked : !isSoftware && features.includes('shader-f16') ? 'f16' : 'f32')

/** The carry of one supervision step to the next, each of shape (batch, L, hidden). */
export interface Carry {
  /** The answer, which the heads read. */
  y: Tensor
  /** The latents: z, or z1, z2, …, or none. */
  [state: string]: Tensor
}

/** What a supervision step says: logits (batch, L, vocabulary), of which the first P positions mean nothing, and q (batch, 2): [halt, continue]. */
export interface Outputs {
  logits: Tensor
  q: Tensor
}

export class Trm {
  /** How its architecture thinks. */
  readonly schedule: Schedule
  /** P and L = P + S. */
  readonly prefix: number
  readonly length: number
  /** Rows of the puzzle embedding, shape (puzzles, puzzleWidth); trained apart from the parameters. */
  readonly puzzleTable: Tensor | undefined
  /** Start value of each state of the carry, shape (hidden); drawn once, never trained. */
  readonly starts: Readonly<Carry>
  private readonly ropeTable: Tensor | undefined

  /** The engine until it is released, and the values it was made with; shared with its likes of other values or another depth. */
  readonly #own: { engine?: Engine; readonly parameters: Parameters }

  private constructor(
    engine: Engine,
    readonly config: Readonly<TrmConfig>,
    /** What the network computes with; a moving average may stand in for the trained values. */
    readonly parameters: Parameters,
    readonly dtype: Precision,
    kept?: Trm,
  ) {
    const { hidden, puzzles, puzzleWidth, positions, tokenMixing, ropeTheta } = config
    this.schedule = scheduleOf(config.architecture)
    this.prefix = prefixOf(config)
    this.length = lengthOf(config)
    this.starts = kept?.starts ?? this.carryOf(state => engine.zeros([hidden], 'f32', `start of ${state}`))
    this.puzzleTable = kept
      ? kept.puzzleTable
      : puzzleWidth > 0
        ? engine.zeros([puzzles, puzzleWidth], 'f32', 'puzzle embedding')
        : undefined
    const turns = !tokenMixing && positions === 'rope'
    const width = headWidth(config)
    this.ropeTable = kept
      ? kept.ropeTable
      : turns
        ? engine.from(ropeTable(this.length, width, ropeTheta), [this.length, width / 2, 2])
        : undefined
    this.#own = kept ? kept.#own : { engine, parameters }
  }

  /** @throws when the model was released */
  get engine(): Engine {
    const { engine } = this.#own
    if (!engine) throw new Error('model: it was released — load or create it again')
    return engine
  }

  /**
   * Lets the model go, with its likes of other values or another depth: the engine has the memory of before it, and using it is an error.
   * What others made stays theirs, such as a trainer's moving average. Twice does no harm.
   */
  release(): void {
    const { engine, parameters } = this.#own
    this.#own.engine = undefined
    parameters.release()
    engine?.release(...Object.values(this.starts), this.puzzleTable, this.ropeTable)
    engine?.trim()
  }

  /** A model of zeros. @throws on a configuration that cannot be, for float16 where the adapter does not have it, and for more puzzle embeddings than it binds */
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
      // Linear weights: 1 / sqrt(in); embeddings: 1 / sqrt(hidden); the halting head starts at "do not halt".
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

  /** The same model thinking to another depth. @throws on one that its architecture cannot have */
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
    return Object.fromEntries(this.schedule.states.map(state => [state, make(state)])) as Carry
  }

  /** What the network computes with: the halting head in float32, the others rounded as `dtype` says. */
  #weight(name: string): Tensor {
    return (this.dtype === 'f16' && !name.startsWith('haltHead.') ? this.parameters.f16() : this.parameters).get(name)
  }

  /** The tensors whose gradients train the parameters, in their order. */
  get weights(): Tensor[] {
    return this.parameters.names.map(name => this.#weight(name))
  }

  /**
   * The input x: puzzle embedding, token embeddings and positions, scaled.
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
    // With learned positions the sum of two embeddings is brought back to unit variance: 1 / sqrt(2), as rounded in the published code.
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
   * A network over h + injection, `times` times: h = net(h + injection). With `into` the result goes there; it may be h, it may not be the injection.
   * While gradients are recorded it runs once; otherwise nothing but the result stays.
   */
  network(h: Tensor, injection?: Tensor, into?: Tensor, net: Net = 'layers', times = 1): Tensor {
    const { engine, config, ropeTable } = this
    const sizes = { ...layerSizes(config), layers: config[net], epsilon: config.epsilon }
    const apply = (h: Tensor, into?: Tensor) =>
      layers(h, injection, sizes, (k, name) => this.#weight(`${net}.${k}.${name}`), ropeTable, into)
    if (engine.isRecording) return apply(h, into)
    const y = into ?? engine.tensor(h.shape, h.dtype)
    for (let i = 0; i < times; i++) engine.scope(() => apply(i === 0 ? h : y, y))
    return y
  }

  /**
   * The part of a supervision step that carries gradient, from where `approach` leaves off; for a tape's hands, it makes new tensors.
   * @param recompute keep only what each network call results in; the carry must then stay as it is until the gradients are there
   */
  cycle(carry: Carry, x: Tensor, recompute = false): Carry {
    const next = { ...carry }
    this.#calls(next, x, this.#firstGradientCall(), Infinity, false, recompute)
    return next
  }

  /** The part of a supervision step before that, without gradient; the carry's own tensors are overwritten. */
  approach(carry: Carry, x: Tensor): void {
    this.think(carry, x, this.config.cycles - 1)
    this.#calls(carry, x, 0, this.#firstGradientCall(), true)
  }

  /** `cycles` whole cycles without gradient; the carry's own tensors are overwritten. */
  think(carry: Carry, x: Tensor, cycles: number): void {
    for (let c = 0; c < cycles; c++) this.engine.scope(() => this.#calls(carry, x, 0, Infinity, true))
  }

  #firstGradientCall(): number {
    const { cycle, gradientCalls = Infinity } = this.schedule
    const all = cycle.reduce((sum, { times }) => sum + (times ? this.config[times] : 1), 0)
    return Math.max(0, all - gradientCalls)
  }

  /** Network calls `from` … `to` − 1 of one cycle. They replace the carry's tensors by new ones or, in place, overwrite them and leave nothing behind. */
  #calls(carry: Carry, x: Tensor, from: number, to: number, inPlace: boolean, recompute = false): void {
    const { engine, schedule, config } = this
    const within = inPlace ? (work: () => void) => engine.scope(work) : (work: () => void) => work()
    const call = recompute ? (compute: () => Tensor) => engine.recompute(compute) : (compute: () => Tensor) => compute()
    const tensors = (terms: readonly string[]) => terms.map(term => (term === 'x' ? x : carry[term]))
    const sum = (terms: readonly Tensor[]) => terms.reduce((a, b) => add(a, b))
    let before = 0
    for (const { net, states, plus, times } of schedule.cycle) {
      const count = times ? config[times] : 1
      const [first, last] = [Math.max(from - before, 0), Math.min(to - before, count)]
      before += count
      if (first >= last) continue
      within(() => {
        const injection = plus.length ? sum(tensors(plus)) : undefined
        if (inPlace && states.length === 1)
          return void this.network(carry[states[0]], injection, carry[states[0]], net, last - first)
        for (let i = first; i < last; i++) {
          const state = states[i % states.length]
          // As they are now, for a call that is computed again later.
          const terms = tensors(states)
          within(
            () =>
              (carry[state] = call(() => this.network(sum(terms), injection, inPlace ? carry[state] : undefined, net))),
          )
        }
      })
    }
  }

  /** Reads the heads off an answer. */
  heads(y: Tensor): Outputs {
    const logits = linear(y, this.#weight('head'), { dtype: 'f32' })
    const q = add(
      linear(firstPosition(y, { dtype: 'f32' }), this.#weight('haltHead.weight')),
      this.#weight('haltHead.bias'),
    )
    return { logits, q }
  }
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
    seen: heads * headWidth(config),
    inner: innerWidth(width, expansion),
    mixInner: tokenMixing ? innerWidth(length, expansion) : 0,
  }
}
