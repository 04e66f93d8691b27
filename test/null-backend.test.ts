// Dawn's null backend takes every command and computes nothing: the tests must not accept it as a GPU.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Engine } from '../src/engine/index.js'
import { openGpu } from '../src/node.js'
import { checkComputes, openEngine } from './engine-under-test.js'

async function reason(promise: Promise<unknown>): Promise<string> {
  return promise.then(() => 'none', error => (error as Error).message)
}

test('it is found out', async () => {
  const { gpu } = await openGpu({ adapter: 'null' })
  const engine = await Engine.open({ gpu })
  assert.match(await reason(checkComputes(engine)), /the null backend is no GPU/)
  engine.close()
})

test('TRM_ADAPTER=null opens no engine for tests', async () => {
  const before = process.env.TRM_ADAPTER
  process.env.TRM_ADAPTER = 'null'
  assert.match(await reason(openEngine()), /the null backend is no GPU|computes nothing/)
  if (before === undefined) delete process.env.TRM_ADAPTER
  else process.env.TRM_ADAPTER = before
})

test.run()
