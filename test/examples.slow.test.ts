// The examples and the README's code run and do what they say; the demo's loop is tested with its commands.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

/** What an example prints. */
function outputOf(name: string, ...args: string[]): string {
  const file = `build/examples/${name}.js`
  assert.ok(existsSync(file), `${file} is built by scripts/test.js`)
  return execFileSync(process.execPath, [file, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

test('a two-layer network learns the sine', () => {
  const output = outputOf('fit-a-function')
  const errors = [...output.matchAll(/mean squared error ([\d.]+)/g)].map(([, error]) => Number(error))
  assert.is(errors.length, 5)
  assert.ok(errors.at(-1)! < 0.001, output)
})

test('a small model learns to mirror grids, a task of its own', () => {
  const output = outputOf('mirror-grids')
  const share = Number(/mirrored without a mistake: ([\d.]+) % of 200/.exec(output)?.[1])
  assert.ok(share >= 80, output)
})

test('a causal transformer learns a rhyme and writes it', () => {
  const output = outputOf('char-transformer', '100')
  const losses = [...output.matchAll(/loss ([\d.]+)/g)].map(([, loss]) => Number(loss))
  assert.is(losses.length, 2)
  assert.ok(losses[1] < 0.3, output)
  assert.match(output, /the malt that lay in\nthe house that Jack built\./)
})

test('squared ReLU is as exact as its page says, and the code of the page is its code', () => {
  assert.match(outputOf('squared-relu'), /^squared ReLU: at most \S+ off\nits derivative: at most \S+ off\n$/)
  const page = readFileSync('docs/add-an-operation.md', 'utf8')
  const code = readFileSync('examples/squared-relu.ts', 'utf8')
  const blocks = [...page.matchAll(/```ts\n([^]*?)```/g)].map(([, block]) =>
    block.replace("'webgpu-trm/engine'", "'../src/engine/index.js'").replace("'webgpu-trm/node'", "'../src/node.js'"),
  )
  assert.is(blocks.length, 6)
  for (const block of blocks) assert.ok(code.includes(block), `not in examples/squared-relu.ts:\n${block}`)
})

test('the code of the README, in a project that has the package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trm-readme-'))
  try {
    mkdirSync(join(folder, 'node_modules'))
    for (const name of ['webgpu-trm', 'webgpu'])
      symlinkSync(name === 'webgpu' ? resolve('node_modules/webgpu') : resolve('.'), join(folder, 'node_modules', name))
    // The code has no types, so Node can run it.
    const run = (code: string) => {
      writeFileSync(join(folder, 'readme.mjs'), code)
      return execFileSync(process.execPath, ['readme.mjs'], {
        cwd: folder,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
    }
    const blocks = [...readFileSync('README.md', 'utf8').matchAll(/```ts\n([^]*?)```/g)].map(([, code]) => code)
    assert.is(blocks.length, 2)
    const [engine, model] = blocks
    const losses = [...run(engine).matchAll(/^\d00 ([\d.e-]+)$/gm)].map(([, loss]) => Number(loss))
    assert.is(losses.length, 2)
    assert.ok(losses[1] < 0.05, `${losses}`)
    assert.match(model, /steps: 400/)
    // Fewer steps are enough to see that it works.
    const output = run(model.replace('steps: 400', 'steps: 20'))
    assert.match(output, /^20 \d\.\d+ [\d.]+$/m)
    assert.match(output, /examples: 500/)
    assert.is([...output.matchAll(/Int32Array\(16\)/g)].length, 4)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
