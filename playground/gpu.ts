// Opens engines for the worker: short submits, so that the page is drawn in between, and losses noticed when they happen.
import { Engine } from '../src/engine/index.js'

/** Dispatches of one submit: a few milliseconds of most GPUs. */
const SUBMIT_AFTER = 64

/** @param onLost called when the device is lost before the engine is closed */
export async function openEngine(onLost?: (message: string) => void): Promise<Engine> {
  const engine = await Engine.open({ submitAfter: SUBMIT_AFTER })
  void engine.device.lost.then(({ reason, message }) => {
    if (engine.isLost)
      onLost?.(
        `the GPU was lost${reason === 'destroyed' ? ' (destroyed on purpose)' : ''}: ${message.replace(/\s+/g, ' ').slice(0, 200) || 'the browser gives no reason'}`,
      )
  })
  return engine
}

/** Whether an error comes of a lost device; the loss may be told a moment after the error. */
export async function wasLost(engine: Engine): Promise<boolean> {
  const moment = new Promise<void>(resolve => setTimeout(resolve, 500))
  await Promise.race([engine.device.lost, moment])
  return engine.isLost
}
