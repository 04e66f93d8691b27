// Cases of the steps of a model: one application of the network, a supervision step of inference, a training step.
import type { Engine } from '../src/engine/index.js'
import type { TrmConfig } from '../src/trm/config.js'
import { type Precision, Trm } from '../src/trm/model.js'
import { Slots } from '../src/trm/slots.js'
import { Trainer } from '../src/trm/training/trainer.js'
import { type Case, inMode, mayUseMatrices, modeName, PLAIN } from './case.js'
import { type ModelSize, randomPuzzles, randomTensor } from './models.js'
import { inferenceWork, networkWork, trainingWork } from './work.js'

/** Part of the names of all training cases. */
export const TRAINING_STEP = 'training step'

/** The steps of a model, in this mode. */
export function modelCases({ size, label: model, config, batch, microBatch }: ModelSize, mode = PLAIN): Case[] {
  const { dtype } = mode
  const usesMatrices = mayUseMatrices(mode)
  const label = model + (mode === PLAIN ? '' : `${modeName(mode).trim()} `)
  const slotsName = `batch ${batch}${microBatch < batch ? ` by ${microBatch}` : ''}`
  return [
    {
      name: `${label}recursion step, batch ${microBatch}`,
      size,
      work: networkWork(config, microBatch, dtype),
      usesMatrices,
      prepare(plain) {
        const engine = inMode(plain, mode)
        const model = Trm.create(engine, config, { dtype })
        const shape = [microBatch, model.length, config.hidden]
        const [z, injection] = [randomTensor(engine, shape, dtype), randomTensor(engine, shape, dtype)]
        return () => engine.scope(() => void model.network(z, injection, z))
      },
    },
    {
      name: `${label}supervision step, inference, batch ${microBatch}`,
      size,
      work: inferenceWork(config, microBatch, dtype),
      usesMatrices,
      prepare(plain) {
        const engine = inMode(plain, mode)
        const { slots } = filledSlots(engine, config, microBatch, dtype)
        return () => engine.scope(() => void slots.advance())
      },
    },
    ...(mode === PLAIN ? [false, true] : [false]).map((recompute): Case => ({
      name: `${label}${TRAINING_STEP}${recompute ? ', recomputing' : ''}, ${slotsName}`,
      size,
      work: trainingWork(config, batch, microBatch, dtype),
      usesMatrices,
      prepare(engine) {
        const trainer = new Trainer(Trm.create(inMode(engine, mode), config, { dtype }), {
          batchSize: batch,
          microBatch,
          recompute,
        })
        const puzzles = randomPuzzles(config, batch)
        return () => trainer.step(puzzles)
      },
    })),
  ]
}

/** A model, and slots with random puzzles. */
export function filledSlots(
  engine: Engine,
  config: TrmConfig,
  batch: number,
  dtype?: Precision,
): { model: Trm; slots: Slots } {
  const model = Trm.create(engine, config, { dtype })
  const slots = new Slots(model, batch)
  slots.offer(randomPuzzles(config, batch))
  slots.restart()
  return { model, slots }
}
