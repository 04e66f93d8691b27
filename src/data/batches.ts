// The examples of each step, in the published order, as flat integer arrays. The randomness is seeded and can be
// resumed.
import { exampleCount, IGNORE_LABEL, type Examples } from './dataset.js'
import { Random, type RandomState } from './random.js'

/** B rows; rows `count` … B − 1 are padding (pad token, `IGNORE_LABEL`, blank identifier). */
export interface Batch {
  /** (B × S) tokens. */
  inputs: Int32Array
  /** (B × S) labels, `IGNORE_LABEL` where not scored. */
  labels: Int32Array
  /** (B) */
  puzzleIds: Int32Array
  /** Real rows; always B in training. */
  count: number
}

/** The state of a training order: plain JSON, small even for millions of groups. */
export interface BatchesState {
  batchSize: number
  groups: number
  epochsPerPass: number
  /** Number of epochs that have begun. */
  epoch: number
  /** Number of groups of this epoch that are used. */
  position: number
  /** Whether this pass has given a batch, so that its short last one is dropped. */
  dealt: boolean
  /** Random state before this epoch's groups were shuffled: the permutation follows from it. */
  shuffle: RandomState
  /** Random state now. */
  random: RandomState
}

export interface TrainingOptions {
  batchSize: number
  /** A whole number, 0 … 2⁵³ − 1. */
  seed: number
  /** Epochs after which a short batch is dropped (`epochs_per_iter` of the published loader). Default 1. */
  epochsPerPass?: number
}

/** A batch that is being read, and the state of the order after it. */
interface Coming {
  batch: Promise<Batch>
  state: BatchesState
}

/**
 * Training batches without end. In each epoch the groups are shuffled. Each group gives one random puzzle, and that
 * puzzle gives examples without replacement until the batch is full. The short batch at the end of a pass of
 * `epochsPerPass` epochs is dropped. A pass with fewer examples than `batchSize` gives no batch; then the batch goes on
 * into the next pass, so that every `next()` gives a full batch. Several sets have passes in turn.
 * The next batch is drawn, and its rows are read, while this one is used.
 * Source: `_sample_batch` and `_iter_train` of the published loader; the random numbers are this project's own.
 */
export class TrainingBatches {
  readonly batchSize: number
  /** The state after the last batch that `next` gave; see `restore`. */
  state: BatchesState
  #dataset: Examples
  #epochsPerPass: number
  #random: Random
  #shuffle: RandomState
  #order: Int32Array = new Int32Array(0)
  #epoch = 0
  #position = 0
  #dealt = false
  /** The batch that is read ahead. */
  #ahead: Coming | undefined

  /** @throws when the batch size is not a whole number from 1, or the dataset is empty */
  constructor(dataset: Examples, { batchSize, seed, epochsPerPass = 1 }: TrainingOptions) {
    checkBatchSize(batchSize)
    if (!Number.isSafeInteger(epochsPerPass) || epochsPerPass < 1)
      throw new Error(`batches: expected epochsPerPass to be a whole number from 1, got ${epochsPerPass}`)
    if (exampleCount(dataset) === 0)
      throw new Error('batches: expected a dataset with examples, got an empty one — build it with "trm data"')
    this.batchSize = batchSize
    this.#dataset = dataset
    this.#epochsPerPass = epochsPerPass
    this.#random = new Random(seed)
    this.#shuffle = this.#random.state
    this.state = this.#now()
  }

  /** Continues, bit for bit, from `state`. @throws when it belongs to another dataset size or another batch size */
  static restore(dataset: Examples, state: BatchesState): TrainingBatches {
    const { batchSize, epochsPerPass, groups, epoch, position, dealt, shuffle, random } = state
    const batches = new TrainingBatches(dataset, { batchSize, epochsPerPass, seed: 0 })
    const total = dataset.metadata.totalGroups
    if (groups !== total)
      throw new Error(
        `batches: expected the state of a dataset of ${total} groups, got one of ${groups} — ` +
          'resume with the data the run began with',
      )
    if (
      !Number.isSafeInteger(epoch) ||
      epoch < 0 ||
      !Number.isSafeInteger(position) ||
      position < 0 ||
      position > (epoch ? total : 0)
    ) {
      throw new Error(
        `batches: expected epoch and position within ${total} groups, got ${epoch} and ${position} — ` +
          'the state is damaged',
      )
    }
    const generator = (name: string, given: RandomState) => {
      try {
        return Random.restore(given)
      } catch (error) {
        throw new Error(`batches: ${name}: ${(error as Error).message} — the state is damaged`)
      }
    }
    batches.#random = generator('shuffle', shuffle)
    batches.#shuffle = batches.#random.state
    if (epoch > 0) {
      batches.#epoch = epoch - 1
      batches.#beginEpoch()
    }
    batches.#position = position
    batches.#dealt = dealt
    batches.#random = generator('random', random)
    batches.state = batches.#now()
    return batches
  }

  #now(): BatchesState {
    return {
      batchSize: this.batchSize,
      groups: this.#dataset.metadata.totalGroups,
      epochsPerPass: this.#epochsPerPass,
      epoch: this.#epoch,
      position: this.#position,
      dealt: this.#dealt,
      shuffle: this.#shuffle,
      random: this.#random.state,
    }
  }

  /** The next full batch, in fresh arrays. Rejects when its rows cannot be read. */
  async next(): Promise<Batch> {
    const { batch, state } = this.#ahead ?? this.#fetch()
    this.state = state
    this.#ahead = this.#fetch()
    return batch
  }

  #fetch(): Coming {
    const batch = this.#draw()
    // The caller of `next` gets the error; a batch without a caller must not stop the program.
    batch.catch(() => {})
    return { batch, state: this.#now() }
  }

  #draw(): Promise<Batch> {
    const { puzzleIndices, groupIndices } = this.#dataset
    const examples = new Int32Array(this.batchSize)
    const puzzles = new Int32Array(this.batchSize)
    let count = 0
    while (count < this.batchSize) {
      while (this.#position === this.#order.length) {
        const passEnds = this.#epoch % this.#epochsPerPass === 0
        if (passEnds && this.#dealt) count = 0
        if (passEnds) this.#dealt = false
        this.#beginEpoch()
      }
      const group = this.#order[this.#position++]
      const puzzle = groupIndices[group] + this.#random.below(groupIndices[group + 1] - groupIndices[group])
      const start = puzzleIndices[puzzle]
      const size = puzzleIndices[puzzle + 1] - start
      const taken = Math.min(size, this.batchSize - count)
      draw(this.#random, size, taken, examples.subarray(count, count + taken), start)
      puzzles.fill(puzzle, count, count + taken)
      count += taken
    }
    this.#dealt = true
    return collate(this.#dataset, examples, puzzles, this.batchSize)
  }

  #beginEpoch(): void {
    this.#shuffle = this.#random.state
    const { setGroups: sets = [0, this.#dataset.metadata.totalGroups] } = this.#dataset
    const set = Math.floor(this.#epoch++ / this.#epochsPerPass) % (sets.length - 1)
    this.#order = this.#random.permutation(sets[set + 1] - sets[set]).map(group => sets[set] + group)
    this.#position = 0
  }
}

/**
 * All examples in order, or the first `limit`, each once. The last batch is padded with the pad token, `IGNORE_LABEL`
 * and the blank identifier.
 * @throws when the batch size is not a whole number from 1
 */
export async function* testBatches(
  dataset: Examples,
  batchSize: number,
  limit = Infinity,
): AsyncGenerator<Batch, void> {
  checkBatchSize(batchSize)
  const total = Math.min(limit, exampleCount(dataset))
  let puzzle = 0
  for (let start = 0; start < total; start += batchSize) {
    const count = Math.min(batchSize, total - start)
    const examples = Int32Array.from({ length: count }, (_, i) => start + i)
    const puzzles = examples.map(example => {
      while (example >= dataset.puzzleIndices[puzzle + 1]) puzzle++
      return puzzle
    })
    yield collate(dataset, examples, puzzles, batchSize)
  }
}

async function collate(
  dataset: Examples,
  examples: Int32Array,
  puzzles: Int32Array,
  batchSize: number,
): Promise<Batch> {
  const { cells, padId, blankPuzzleId } = dataset.metadata
  const count = examples.length
  const inputs = new Int32Array(batchSize * cells).fill(padId, count * cells)
  const labels = new Int32Array(batchSize * cells).fill(IGNORE_LABEL, count * cells)
  const puzzleIds = new Int32Array(batchSize).fill(blankPuzzleId, count)
  for (let row = 0; row < count; row++) puzzleIds[row] = dataset.puzzleIds[puzzles[row]]
  if ('read' in dataset) {
    await dataset.read(examples, inputs, labels)
  } else {
    for (let row = 0; row < count; row++) {
      const from = examples[row] * cells
      inputs.set(dataset.inputs.subarray(from, from + cells), row * cells)
      labels.set(dataset.labels.subarray(from, from + cells), row * cells)
    }
  }
  return { inputs, labels, puzzleIds, count }
}

/**
 * Writes `taken` different numbers of start … start + size − 1 in random order into `out`: a Fisher–Yates shuffle that
 * stops early.
 */
function draw(random: Random, size: number, taken: number, out: Int32Array, start: number): void {
  if (size === 1) {
    if (taken) out[0] = start
    return
  }
  const rest = new Int32Array(size)
  for (let i = 0; i < size; i++) rest[i] = i
  for (let i = 0; i < taken; i++) {
    const j = i + random.below(size - i)
    out[i] = start + rest[j]
    rest[j] = rest[i]
  }
}

function checkBatchSize(batchSize: number): void {
  if (!Number.isSafeInteger(batchSize) || batchSize < 1)
    throw new Error(`batches: expected a batch size that is a whole number from 1, got ${batchSize}`)
}
