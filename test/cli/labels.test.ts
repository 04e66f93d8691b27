// Puzzles without labels: trm train and trm eval count the others alone, and say where there are none.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { dataCommand } from '../../src/cli/data.js'
import { evalCommand } from '../../src/cli/eval.js'
import { trainCommand } from '../../src/cli/train.js'
import { parseNpy, writeNpy } from '../../src/formats/npy.js'
import { here } from './here.js'
import { pattern } from '../pattern.js'
import { words } from './words.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-labels-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const path = (...parts: string[]) => join(folder, ...parts)
const [data, run] = [path('data'), path('run')]

/** Removes the labels of rows of the test split. */
function forget(isForgotten: (row: number) => boolean): void {
  const file = join(data, 'test', 'all__labels.npy')
  const { shape, dtype, data: labels } = parseNpy(new Uint8Array(readFileSync(file)), file)
  writeFileSync(
    file,
    writeNpy({
      shape,
      dtype,
      data: (labels as Uint8Array).map((label, i) => (isForgotten(Math.floor(i / shape[1])) ? 0 : label)),
    }),
  )
}

test('half of the held-out puzzles has labels, then none has', async () => {
  await here(dataCommand, ...words('generate sudoku --size 4 --train 16 --test 6 --clues 8 --out'), data)
  const train = () =>
    here(
      trainCommand,
      '--data',
      data,
      '--out',
      run,
      ...words(
        '--config tiny --steps 1 global_batch_size=4 arch.hidden_size=16 arch.puzzle_emb_ndim=16 arch.halt_max_steps=2',
      ),
    )
  const evaluate = (...more: string[]) =>
    here(evalCommand, '--checkpoint', join(run, 'model.safetensors'), '--data', data, ...more)
  forget(row => row < 3)
  assert.match(
    await train(),
    pattern(
      /step 1\/1 .* exact – .*\n(?:.*\n)*.*held-out exact accuracy [\d.]+ %/,
      /, cells [\d.]+ % \(3 puzzles with labels of 6\)/,
    ),
  )
  assert.ok(existsSync(join(run, 'best.safetensors')))
  assert.match(await evaluate(), /6 examples in .*; the means are over the 3 that have labels\n/)

  forget(() => true)
  assert.match(await train(), /none of 6 held-out puzzles has labels: no accuracy, and no best\.safetensors/)
  assert.not.ok(existsSync(join(run, 'best.safetensors')))
  assert.is(
    JSON.parse(readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n').at(-1)!).evaluation.exactAccuracy,
    null,
  )
  const printed = await evaluate('--halt')
  assert.match(printed, /none has labels, so there is nothing to be right about\nexact accuracy: –\ncell accuracy: –\n/)
  assert.not.match(printed, /NaN|null|\d %/)
})

test.run()
