// Puzzles without labels: trm train and trm eval count the others alone, and say where there are none.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseNpy, writeNpy } from '../../src/formats/npy.js'
import { trm } from './trm.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-labels-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const path = (...parts: string[]) => join(folder, ...parts)
const run = path('run')

/** Makes rows of the test split forget their labels. */
function forget(isForgotten: (row: number) => boolean): void {
  const file = path('data', 'test', 'all__labels.npy')
  const { shape, dtype, data } = parseNpy(new Uint8Array(readFileSync(file)), file)
  writeFileSync(file, writeNpy({ shape, dtype, data: (data as Uint8Array).map((label, i) => (isForgotten(Math.floor(i / shape[1])) ? 0 : label)) }))
}

test('half of the held-out puzzles has labels, then none has', async () => {
  const made = await trm('data', 'generate', 'sudoku', '--size', '4', '--train', '16', '--test', '6', '--clues', '8', '--out', path('data'))
  assert.is(made.code, 0, made.stderr)
  const settings = ['--data', path('data'), '--out', run, '--config', 'tiny', '--steps', '1', 'global_batch_size=4']
  forget(row => row < 3)
  const half = await trm('train', ...settings)
  assert.match(half.stdout, /step 1\/1 .* exact – .*\n(?:.*\n)*.*held-out exact accuracy [\d.]+ %, cells [\d.]+ % \(3 puzzles with labels of 6\)/)
  assert.ok(existsSync(join(run, 'best.safetensors')))
  const evaluated = await trm('eval', '--checkpoint', join(run, 'model.safetensors'), '--data', path('data'))
  assert.match(evaluated.stdout, /6 examples in .*; the means are over the 3 that have labels\n/)

  forget(() => true)
  const none = await trm('train', ...settings)
  assert.is(none.code, 0, none.stderr)
  assert.match(none.stdout, /none of 6 held-out puzzles has labels: no accuracy, and no best\.safetensors/)
  assert.not.ok(existsSync(join(run, 'best.safetensors')))
  assert.is(JSON.parse(readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n').at(-1)!).evaluation.exactAccuracy, null)
  const { code, stdout } = await trm('eval', '--checkpoint', join(run, 'model.safetensors'), '--data', path('data'), '--halt')
  assert.is(code, 0)
  assert.match(stdout, /none has labels, so there is nothing to be right about\nexact accuracy: –\ncell accuracy: –\n/)
  assert.not.match(stdout, /NaN|null|\d %/)
})

test.run()
