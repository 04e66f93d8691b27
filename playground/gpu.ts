// Opens engines for the worker; a lost device is reported.
import { Engine } from '../src/engine/index.js'

/** Characters of the browser's reason that are shown. */
const MOST_CHARACTERS = 200

/** @param onLost called when the device is lost before the engine is closed */
export async function openEngine(onLost?: (message: string) => void): Promise<Engine> {
  const engine = await Engine.open()
  void engine.device.lost.then(({ reason, message }) => {
    if (!engine.isLost) return
    const purpose = reason === 'destroyed' ? ' (destroyed on purpose)' : ''
    const words = message.replace(/\s+/g, ' ').slice(0, MOST_CHARACTERS) || 'the browser gives no reason'
    onLost?.(`the GPU was lost${purpose}: ${words}`)
  })
  return engine
}

/** Whether a lost device explains an error; the browser may report the loss a moment after the error. */
export async function wasLost(engine: Engine): Promise<boolean> {
  const moment = new Promise<void>(resolve => setTimeout(resolve, 500))
  await Promise.race([engine.device.lost, moment])
  return engine.isLost
}
