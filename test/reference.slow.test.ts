// The API reference is generated without a warning, and every entry of the package has its module in it.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

/** Whether typedoc is there, or could be installed. */
function hasTypedoc(): boolean {
  try {
    execFileSync(process.execPath, ['scripts/reference.js', '--install'], { stdio: 'ignore' })
    return true
  } catch {
    console.log('skipped: typedoc could not be installed, the npm registry is out of reach')
    return false
  }
}

const title = 'typedoc knows every type that the package shows'
const run = hasTypedoc() ? test : test.skip
run(title, () => {
  const folder = mkdtempSync(join(tmpdir(), 'trm-reference-'))
  try {
    execFileSync(process.execPath, ['scripts/reference.js', folder], { stdio: ['ignore', 'ignore', 'inherit'] })
    for (const name of ['index', 'engine', 'data', 'node', 'matrices', 'models', 'engine_tune'])
      assert.ok(existsSync(join(folder, 'modules', `${name}.html`)), name)
    assert.match(readFileSync(join(folder, 'functions/engine.linear.html'), 'utf8'), /over the last axis/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
