// Inference past the paper: slots that halt one by one, more supervision steps, and rollouts with Gaussian noise of which one answers.
// Rollouts: Sghaier, Parviz and Jolicoeur-Martineau, "Probabilistic Tiny Recursive Model", arXiv 2605.19943; no retraining.
import type { Engine, Tensor } from '../../engine/index.js'
import { latentNoise, NOISE_KEY } from '../../kernels/latent-noise.js'
import { SLOT_RESULTS } from '../../kernels/supervision-loss.js'
import { type LossType, Slots } from '../slots.js'
import { Trm } from '../model.js'

/** How to think; without any field as in training and in the paper. */
export interface InferenceOptions {
  /** Supervision steps at most; more than trained may help. Default: as many as the model was trained with. */
  steps?: number
  /** A puzzle, or one rollout of it, ends as soon as the model says "halt": q_halt > 0, or what else its architecture halts by. */
  halt?: boolean
  /** How sure the model must be, sigmoid(q_halt), for its "halt" to count, above 0 and below 1. Default 0.5, as in training; more costs steps and saves accuracy. */
  confidence?: number
  /** Times that every puzzle is thought through, each with noise of its own. Default 1. */
  rollouts?: number
  /** Standard deviation of the Gaussian noise that every supervision step adds to the latents before it thinks. Default 0: none. */
  noise?: number
  /** Seed of the noise, 0 … 2³² − 1. Default 0. */
  seed?: number
  /** The answer is the most frequent one of the rollouts; by default that of the rollout with the highest q_halt. */
  vote?: boolean
}

/** Fills in the defaults. @throws on a value that cannot be, or that has no effect; `where` begins the message */
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

/** What a slot is to think about. */
export interface InferenceTask {
  /** Token ids, (cells). */
  inputs: ArrayLike<number>
  /** (cells), −100 where not scored. */
  labels: ArrayLike<number>
  /** Row of the puzzle embedding. */
  puzzleId: number
  /** Number of the puzzle, for the noise. */
  puzzle: number
  rollout: number
}

/** What a slot says after a supervision step. */
export interface SlotResult {
  /** Logit of "halt". */
  q: number
  /** Whether it is as sure of "halt" as was asked: of q, or of q above the logit of "continue", as the architecture has it. */
  halts: boolean
  /** Columns as `SLOT_RESULTS`. */
  results: Float32Array
  /** Token ids, (cells). */
  answer: Int32Array
}

/** What was compiled ahead of thinking, by engine. */
const compiled = new WeakMap<Engine, Set<string>>()

/** Compiles in parallel what a supervision step of `count` slots runs: see `Engine.compile`. Once for each engine, as it takes a dry run. */
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

/** Slots that take tasks one by one, each with a step count of its own. */
export class RolloutSlots {
  readonly #slots: Slots
  readonly #keys: Tensor
  readonly #keysByHost: Uint32Array<ArrayBuffer>
  readonly #halted: Uint32Array<ArrayBuffer>
  readonly #offered: { inputs: Int32Array; labels: Int32Array; puzzleIds: Int32Array }

  /** `count` slots; give them back with `release`. */
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

  /** Gives a slot a new task, from the start states; it begins with the next step. */
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
      model.withoutGradient(slots.carry, model.embed(slots.inputs, slots.puzzleRows()), config.cycles)
      const heads = model.heads(slots.carry.y)
      const { results, predictions } = slots.loss(heads, loss, 1)
      return Promise.all([engine.read(heads.q), engine.read(results), engine.readInt32(predictions)])
    })
    const [q, results, predictions] = await readings
    const width = SLOT_RESULTS.length
    return Array.from({ length: count }, (_, slot) => ({
      q: q[2 * slot],
      halts: q[2 * slot] - (recursion.haltsAbove === 'continue' ? q[2 * slot + 1] : 0) > threshold,
      results: results.subarray(slot * width, (slot + 1) * width),
      answer: predictions.subarray(slot * config.cells, (slot + 1) * config.cells),
    }))
  }

  /** Noise goes to the latents; to the answer only where there is no latent. */
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

/** The number of the rollout that answers. `sayings` are those of one puzzle's rollouts; of equals the first. */
export function choose(sayings: readonly SlotResult[], vote: boolean): number {
  const votes = vote ? countVotes(sayings) : []
  const isBetter = (a: number, b: number) =>
    vote && votes[a] !== votes[b] ? votes[a] > votes[b] : sayings[a].q > sayings[b].q
  return sayings.reduce((best, _, i) => (isBetter(i, best) ? i : best), 0)
}

/** How many of the rollouts give the same answer as each of them, itself counted. */
export function countVotes(sayings: readonly SlotResult[]): number[] {
  const answers = sayings.map(({ answer }) => answer.join())
  const votes = new Map<string, number>()
  for (const answer of answers) votes.set(answer, (votes.get(answer) ?? 0) + 1)
  return answers.map(answer => votes.get(answer)!)
}

/**
 * Thinks every task through in `count` slots: a slot that ends takes the next task at once.
 * @returns all that was said of each task, one entry per step, in the order in which the tasks end
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
): AsyncGenerator<{ task: T; said: SlotResult[] }, void, undefined> {
  const thinkers = new RolloutSlots(model, count, options)
  const coming = tasks[Symbol.asyncIterator]()
  const held: ({ task: T; said: SlotResult[] } | undefined)[] = new Array(count).fill(undefined)
  try {
    while (true) {
      for (let slot = 0; slot < count; slot++) {
        if (held[slot]) continue
        const { value, done } = await coming.next()
        if (done) break
        held[slot] = { task: value, said: [] }
        thinkers.place(slot, value)
      }
      if (!held.some(Boolean)) return
      const sayings = await thinkers.step()
      for (let slot = 0; slot < count; slot++) {
        const holder = held[slot]
        if (!holder) continue
        holder.said.push(sayings[slot])
        if (holder.said.length < steps && !(halt && sayings[slot].halts)) continue
        held[slot] = undefined
        yield holder
      }
    }
  } finally {
    thinkers.release()
  }
}
