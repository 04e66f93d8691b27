// A task of your own: small grids in, their mirror images out.
// Random pairs become a dataset, a small TRM learns them, and held-out pairs judge it.
// Run it as the other examples. On the command line: trm data grids, trm train, trm eval (docs/custom-task.md).
import { gridDataset, gridTaskOf, Random, type GridPair } from '../src/data/index.js'
import { DEFAULTS, evaluate, train, Trm } from '../src/index.js'
import { openEngine } from '../src/node.js'

const random = new Random(1)
const row = () => Array.from({ length: 4 }, () => '.ox'[random.below(3)]).join('')
const mirrored = (text: string) => [...text].reverse().join('')
const pairs: GridPair[] = Array.from({ length: 2200 }, (_, i) => {
  const input = [row(), row(), row(), row()]
  return { input, output: input.map(mirrored), place: `pair ${i}` }
})
const task = gridTaskOf(pairs)
const [training, heldOut] = [gridDataset(pairs.slice(0, 2000), task), gridDataset(pairs.slice(2000), task)]

const engine = await openEngine()
const { vocabulary, cells } = training.metadata
const model = Trm.create(engine, {
  ...DEFAULTS,
  vocabulary,
  cells,
  puzzles: 1,
  hidden: 32,
  heads: 2,
  expansion: 1,
  cycles: 1,
  latentSteps: 2,
  supervisionSteps: 2,
  positions: 'none',
  tokenMixing: true,
  puzzleWidth: 0,
  prefix: 0,
})
let trained = model
const options = {
  batchSize: 32,
  steps: 200,
  logInterval: 40,
  learningRate: 4e-3,
  warmupSteps: 20,
  weightDecay: 0.1,
  emaRate: 0.95,
}
for await (const { step, loss, averaged } of train(model, training, options)) {
  console.log(`step ${step}: loss ${loss.toFixed(4)}`)
  trained = averaged
}
const { exactAccuracy, examples } = await evaluate(trained, heldOut)
console.log(`held-out grids mirrored without a mistake: ${(100 * exactAccuracy!).toFixed(1)} % of ${examples}`)
engine.close()
