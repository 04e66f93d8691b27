// Inference with more than the paper has: early halting, more supervision steps, and rollouts with Gaussian noise.
// Rollouts: Sghaier, Parviz and Jolicoeur-Martineau, "Probabilistic Tiny Recursive Model", arXiv 2605.19943.
import type { Engine, Tensor } from '../../engine/index.js'
import { latentNoise, NOISE_KEY } from '../../kernels/latent-noise.js'
import { SLOT_RESULTS } from '../../kernels/supervision-loss.js'
import { type LossType, Slots } from '../slots.js'
import { Trm } from '../model.js'

/** How a model answers. The defaults are those of the paper. */
export interface InferenceOptions {
  /** Most supervision steps; more than in training may help. Default: as many as in training. */
  steps?: number
  /** Ends a puzzle, or a rollout of it, when the model halts: q_halt > 0, or q_halt > q_continue. Default false. */
  halt?: boolean
  /**
   * The probability, sigmoid(q_halt), above which the model halts; above 0 and below 1. Default 0.5, as in training.
   * A higher one costs steps and is more accurate.
   */
  confidence?: number
  /** How many times every puzzle is answered, each with noise of its own. Default 1. */
  rollouts?: number
  /** Standard deviation of the Gaussian noise that is added to the latents before every supervision step. Default 0. */
  noise?: number
  /** Seed of the noise, 0 … 2³² − 1. Default 0. */
  seed?: number
  /** Takes the most frequent answer of the rollouts. Default: that of the rollout with the highest q_halt. */
  vote?: boolean
}

/** Fills in the defaults. @throws on an invalid value, and on one without effect; `where` begins the message */
export function checkInference({ config }: Trm, options: InferenceOptions, where: string): Required<InferenceOptions> {
  const {
    steps = config.supervisionSteps,
    halt = false,
    confidence = 0.5,
    rollouts = 1,
    noise = 0,
    seed = 0,
    vote = false,
  } = options
  const whole = {
    steps: [steps, 1, 2 ** 31 - 1],
    rollouts: [rollouts, 1, 2 ** 31 - 1],
    seed: [seed, 0, 2 ** 32 - 1],
  } as const
  for (const [name, [value, least, most]] of Object.entries(whole)) {
    if (!Number.isInteger(value) || value < least || value > most)
      throw new Error(`${where}: ${name} is ${value}, expected a whole number of ${least} … ${most}`)
  }
  if (!Number.isFinite(noise) || noise < 0)
    throw new Error(`${where}: noise is ${noise}, expected a standard deviation of 0 or more`)
  if (!(confidence > 0 && confidence < 1))
    throw new Error(`${where}: confidence is ${confidence}, expected a share above 0 and below 1`)
  if (confidence !== 0.5 && !halt)
    throw new Error(`${where}: confidence ${confidence} decides when a puzzle halts, and none halts — give halt too`)
  if (rollouts > 1 && noise === 0)
    throw new Error(
      `${where}: ${rollouts} rollouts without noise are the same ${rollouts} times — give noise, e.g. 0.3`,
    )
  if (vote && rollouts === 1) throw new Error(`${where}: a vote of 1 rollout is none — give rollouts, e.g. 16`)
  return { steps, halt, confidence, rollouts, noise, seed, vote }
}

/** @throws when a puzzle or its id does not fit the model; `where` begins the message */
export function checkPuzzle({ config }: Trm, puzzle: ArrayLike<number>, puzzleId: number, where: string): void {
  const { cells, vocabulary, puzzleWidth, puzzles } = config
  if (puzzle.length !== cells)
    throw new Error(`${where}: the puzzle has ${puzzle.length} cells, the model takes ${cells}`)
  const isKnown = (id: number, count: number) => Number.isInteger(id) && id >= 0 && id < count
  const wrong = Array.from(puzzle).findIndex(id => !isKnown(id, vocabulary))
  if (wrong >= 0)
    throw new Error(`${where}: token ${puzzle[wrong]} at cell ${wrong + 1}, the model knows 0 … ${vocabulary - 1}`)
  if (puzzleWidth > 0 && !isKnown(puzzleId, puzzles))
    throw new Error(`${where}: puzzle id ${puzzleId}, the model knows 0 … ${puzzles - 1}`)
}

/** One rollout of one puzzle. */
export interface InferenceTask {
  /** Token ids, (cells). */
  inputs: ArrayLike<number>
  /** Token ids, (cells); −100: not scored. */
  labels: ArrayLike<number>
  /** Row of the puzzle embedding. */
  puzzleId: number
  /** Number of the puzzle, for the noise. */
  puzzle: number
  rollout: number
}

/** What a slot holds after a supervision step. */
export interface SlotResult {
  /** q_halt, a logit. */
  q: number
  /** Whether the model halts, at the confidence that was asked for. */
  halts: boolean
  /** Comparison with the labels, columns as `SLOT_RESULTS`. */
  scores: Float32Array
  /** Token ids, (cells). */
  answer: Int32Array
}

/** What was compiled in advance, by engine. */
const compiled = new WeakMap<Engine, Set<string>>()

/**
 * Compiles the kernels of a supervision step of `count` slots in parallel, by `Engine.compile`.
 * It takes a dry run, so it happens once for each engine, model and number of slots.
 */
export async function compileInference(
  { engine, config, dtype }: Trm,
  count: number,
  options: { noise: number; seed: number; confidence: number; loss?: LossType },
): Promise<void> {
  if (engine.adapter.isSoftware) return
  const known = compiled.get(engine) ?? new Set()
  compiled.set(engine, known)
  const key = JSON.stringify([config, dtype, count, options.loss, options.noise > 0])
  if (known.has(key)) return
  known.add(key)
  const dry = engine.dryRun()
  await new RolloutSlots(Trm.empty(dry, config, dtype), count, options).step()
  await engine.compile(dry)
}

/** Slots that take tasks one by one; each counts its own steps. */
export class RolloutSlots {
  readonly #slots: Slots
  readonly #keys: Tensor
  readonly #keysByHost: Uint32Array<ArrayBuffer>
  readonly #halted: Uint32Array<ArrayBuffer>
  readonly #offered: { inputs: Int32Array; labels: Int32Array; puzzleIds: Int32Array }

  /** `count` slots. They hold memory until `release`. */
  constructor(
    private readonly model: Trm,
    readonly count: number,
    private readonly options: { noise: number; seed: number; confidence: number; loss?: LossType },
  ) {
    const { engine, config } = model
    this.#slots = new Slots(model, count)
    this.#keys = engine.zeros([count, NOISE_KEY.length], 'u32', 'keys of the noise')
    this.#keysByHost = new Uint32Array(count * NOISE_KEY.length)
    this.#halted = new Uint32Array(count).fill(1)
    this.#offered = {
      inputs: new Int32Array(count * config.cells),
      labels: new Int32Array(count * config.cells).fill(-100),
      puzzleIds: new Int32Array(count),
    }
  }

  /** Gives a slot a new task. The next step begins it from the start states. */
  place(slot: number, { inputs, labels, puzzleId, puzzle, rollout }: InferenceTask): void {
    const { cells } = this.model.config
    this.#offered.inputs.set(inputs, slot * cells)
    this.#offered.labels.set(labels, slot * cells)
    this.#offered.puzzleIds[slot] = puzzleId
    this.#keysByHost.set([this.options.seed, puzzle, rollout, 0], slot * NOISE_KEY.length)
    this.#halted[slot] = 1
  }

  /** One supervision step of all slots. */
  async step(): Promise<SlotResult[]> {
    const { model, count, options } = this
    const [slots, halted] = [this.#slots, this.#halted]
    const { engine, config, recursion } = model
    const { noise, confidence, loss = 'stablemax' } = options
    const threshold = Math.log(confidence / (1 - confidence))
    if (halted.includes(1)) {
      slots.offer(this.#offered)
      engine.write(slots.halted, halted)
      slots.restart()
      halted.fill(0)
    }
    if (noise > 0) {
      engine.write(this.#keys, this.#keysByHost)
      this.#perturb(noise)
      for (let at = NOISE_KEY.indexOf('step'); at < this.#keysByHost.length; at += NOISE_KEY.length)
        this.#keysByHost[at]++
    }
    const readings = engine.scope(() => {
      const outputs = slots.advance()
      const { results, predictions } = slots.loss(outputs, loss, 1)
      return Promise.all([engine.read(outputs.q), engine.read(results), engine.readInt32(predictions)])
    })
    const [q, scores, predictions] = await readings
    const width = SLOT_RESULTS.length
    return Array.from({ length: count }, (_, slot) => ({
      q: q[2 * slot],
      halts: q[2 * slot] - (recursion.haltsAbove === 'continue' ? q[2 * slot + 1] : 0) > threshold,
      scores: scores.subarray(slot * width, (slot + 1) * width),
      answer: predictions.subarray(slot * config.cells, (slot + 1) * config.cells),
    }))
  }

  /** Adds noise to the latents, or to y where it is the only state. */
  #perturb(sigma: number): void {
    const { engine, length, config } = this.model
    const carry: Record<string, Tensor> = { ...this.#slots.carry }
    const names = Object.keys(carry)
    const latents = names.length > 1 ? names.filter(name => name !== 'y') : names
    for (const [stream, name] of latents.entries())
      engine.dispatch(
        latentNoise,
        { keys: this.#keys, state: carry[name] },
        { slots: this.count, perSlot: length * config.hidden, sigma, stream },
      )
  }

  release(): void {
    this.#slots.release(this.#keys)
  }
}

/** The number of the rollout whose answer counts, of equal ones the first. `rollouts` are those of one puzzle. */
export function choose(rollouts: readonly SlotResult[], vote: boolean): number {
  const votes = vote ? countVotes(rollouts) : []
  const isBetter = (a: number, b: number) =>
    vote && votes[a] !== votes[b] ? votes[a] > votes[b] : rollouts[a].q > rollouts[b].q
  return rollouts.reduce((best, _, i) => (isBetter(i, best) ? i : best), 0)
}

/** For each rollout: how many rollouts have the same answer, itself included. */
export function countVotes(rollouts: readonly SlotResult[]): number[] {
  const answers = rollouts.map(({ answer }) => answer.join())
  const votes = new Map<string, number>()
  for (const answer of answers) votes.set(answer, (votes.get(answer) ?? 0) + 1)
  return answers.map(answer => votes.get(answer)!)
}

/**
 * Answers every task in `count` slots: a slot that ends takes the next task at once.
 * @returns each task as it ends, with one result for each of its steps
 */
export async function* infer<T extends InferenceTask>(
  model: Trm,
  tasks: AsyncIterable<T>,
  {
    count,
    steps,
    halt,
    ...options
  }: { count: number; steps: number; halt: boolean; noise: number; seed: number; confidence: number; loss?: LossType },
): AsyncGenerator<{ task: T; results: SlotResult[] }, void, undefined> {
  const slots = new RolloutSlots(model, count, options)
  const waiting = tasks[Symbol.asyncIterator]()
  const running: ({ task: T; results: SlotResult[] } | undefined)[] = new Array(count).fill(undefined)
  try {
    while (true) {
      for (let slot = 0; slot < count; slot++) {
        if (running[slot]) continue
        const { value, done } = await waiting.next()
        if (done) break
        running[slot] = { task: value, results: [] }
        slots.place(slot, value)
      }
      if (!running.some(Boolean)) return
      const stepResults = await slots.step()
      for (const [slot, result] of stepResults.entries()) {
        const current = running[slot]
        if (!current) continue
        current.results.push(result)
        if (current.results.length < steps && !(halt && result.halts)) continue
        running[slot] = undefined
        yield current
      }
    }
  } finally {
    slots.release()
  }
}

/**
 * The same, puzzle by puzzle.
 * @returns a task of each puzzle as its last rollout ends, with the results of each rollout, step by step
 */
export async function* inferPuzzles<T extends InferenceTask>(
  model: Trm,
  tasks: AsyncIterable<T>,
  options: Parameters<typeof infer>[2] & { rollouts: number },
): AsyncGenerator<{ task: T; results: SlotResult[][] }, void, undefined> {
  const open = new Map<number, SlotResult[][]>()
  for await (const { task, results } of infer(model, tasks, options)) {
    const ended = open.get(task.puzzle) ?? []
    open.set(task.puzzle, ended)
    ended[task.rollout] = results
    if (ended.filter(Boolean).length < options.rollouts) continue
    open.delete(task.puzzle)
    yield { task, results: ended }
  }
}

/** sigmoid(q), 0 … 1. */
export const probability = (q: number): number => 1 / (1 + Math.exp(-q))
