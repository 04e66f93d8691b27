// Opens the engine that the tests run on: Dawn in Node, navigator.gpu in a page. No test is here.
import { add, Engine, type EngineOptions } from '../src/engine/index.js'

/** @throws where the adapter does not compute: Dawn's null backend accepts every command and does none */
export async function checkComputes(engine: Engine): Promise<void> {
  const sum = await engine.read(add(engine, engine.from(new Float32Array([1, 2])), engine.from(new Float32Array([3, 5]))))
  if (sum[0] !== 4 || sum[1] !== 7) throw new Error(`${engine.adapter.description || 'this adapter'} computes 1 + 3 = ${sum[0]} — the null backend is no GPU, choose another adapter`)
}

/** The adapter of TRM_ADAPTER in Node, the page's own in a browser. */
export async function openEngine(options: Pick<EngineOptions, 'submitAfter'> = {}): Promise<Engine> {
  const engine = globalThis.navigator?.gpu ? await Engine.open(options) : await (await import('../src/node.js')).openEngine(options)
  await checkComputes(engine)
  console.log(`adapter: ${engine.adapter.description}`)
  return engine
}
