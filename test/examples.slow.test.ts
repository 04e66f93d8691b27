// The examples and the README's code run and do what they say; the demo's loop is tested with its commands.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

test('a two-layer network learns the sine', () => {
  const file = 'build/examples/fit-a-function.js'
  assert.ok(existsSync(file), `${file} is built by scripts/test.js`)
  const output = execFileSync(process.execPath, [file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const errors = [...output.matchAll(/mean squared error ([\d.]+)/g)].map(([, error]) => Number(error))
  assert.is(errors.length, 5)
  assert.ok(errors.at(-1)! < 0.001, output)
})

test('a small model learns to mirror grids, a task of its own', () => {
  const output = execFileSync(process.execPath, ['build/examples/mirror-grids.js'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const share = Number(/mirrored without a mistake: ([\d.]+) % of 200/.exec(output)?.[1])
  assert.ok(share >= 80, output)
})

test('the code of the README, in a project that has the package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trm-readme-'))
  try {
    mkdirSync(join(folder, 'node_modules'))
    for (const name of ['webgpu-trm', 'webgpu'])
      symlinkSync(name === 'webgpu' ? resolve('node_modules/webgpu') : resolve('.'), join(folder, 'node_modules', name))
    const code = readFileSync('README.md', 'utf8').split('```ts\n')[1].split('```')[0]
    assert.match(code, /steps: 400/)
    // The code has no types, so Node can run it. Fewer steps are enough to see that it works.
    writeFileSync(join(folder, 'readme.mjs'), code.replace('steps: 400', 'steps: 20'))
    const output = execFileSync(process.execPath, ['readme.mjs'], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    assert.match(output, /^20 \d\.\d+ [\d.]+$/m)
    assert.match(output, /examples: 500/)
    assert.is([...output.matchAll(/Int32Array\(16\)/g)].length, 4)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
