// A full disk: the last checkpoint stays whole, no partial file is left, and the training goes on from the checkpoint.
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { appendWhole, removePartials, writeTogether } from '../../src/cli/files.js'
import { openEngine } from '../engine-under-test.js'
import { contents, training } from '../torture/losses.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-disk-'))
const engine = await openEngine()
test.after(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})
const path = (...parts: string[]) => join(folder, ...parts)
const whole = path('whole')

async function refusal(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'nothing',
    error => (error as Error).message,
  )
}

test('files that belong together are replaced together', async () => {
  const [a, b] = [path('a'), path('b')]
  await writeTogether([
    [a, 'old a'],
    [b, 'old b'],
  ])
  const missing = path('absent', 'c')
  assert.is(
    await refusal(
      writeTogether([
        [a, 'new a'],
        [b, 'new b'],
        [missing, 'c'],
      ]),
    ),
    `cannot write ${missing}: no such file or directory`,
  )
  assert.equal(
    [a, b].map(file => readFileSync(file, 'utf8')),
    ['old a', 'old b'],
  )
  assert.equal(
    readdirSync(folder).filter(name => name.includes('partial')),
    [],
  )
  writeFileSync(path('.a.partial-123'), '')
  await removePartials(folder)
  assert.equal(
    readdirSync(folder).filter(name => name.includes('partial')),
    [],
  )
  await appendWhole(a, 'more')
  assert.is(readFileSync(a, 'utf8'), 'old amore')
  if (existsSync('/dev/full')) {
    symlinkSync('/dev/full', path('full'))
    assert.is(await refusal(appendWhole(path('full'), 'x')), `cannot write ${path('full')}: no space left`)
  }
})

/** Makes the disk full after half of each such file. Returns a function that makes room again. */
function fill(isMeant: (path: string) => boolean): () => void {
  const { open } = fs
  fs.open = async (...args: Parameters<typeof open>) => {
    const file = await open(...args)
    const write = file.writeFile.bind(file)
    const full = async (content: Parameters<typeof write>[0]) => {
      await write((content as Uint8Array).slice(0, content.toString().length / 2))
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    }
    if (isMeant(String(args[0]))) Object.assign(file, { writeFile: full, appendFile: full })
    return file
  }
  syncBuiltinESMExports()
  return () => {
    fs.open = open
    syncBuiltinESMExports()
  }
}

test('the disk is full at one file after the other', async () => {
  assert.is(await training(engine, whole), '')
  for (const name of ['training', 'model', 'best']) {
    const cut = path(name)
    let seen = 0
    // The best model is written at steps 3 and maybe 6, the others at 2, 4 and 6.
    const room = fill(file => file.includes(`${name}.safetensors.partial`) && ++seen === (name === 'best' ? 1 : 2))
    const message = await training(engine, cut)
    room()
    assert.is(
      message,
      `cannot write ${join(cut, `${name}.safetensors`)}: no space left` +
        ` — the checkpoint of step 2 is whole: "trm train --resume" goes on from there`,
    )
    assert.equal(
      readdirSync(cut).sort(),
      [
        'config.yaml',
        'metrics.jsonl',
        'model.safetensors',
        'training.safetensors',
        ...(name === 'best' ? [] : ['best.safetensors']),
      ].sort(),
    )
    assert.is(await training(engine, cut, { resume: true }), '')
    assert.equal(contents(cut), contents(whole), name)
  }
  // The rows of the metrics are whole too.
  const cut = path('metrics')
  const room = fill(
    file => file.endsWith('metrics.jsonl') && existsSync(file) && readFileSync(file, 'utf8').includes('"step":2'),
  )
  assert.match(
    await training(engine, cut),
    /^cannot write .*metrics\.jsonl: no space left — no checkpoint was written yet|the checkpoint of step 2 is whole/,
  )
  room()
  for (const line of readFileSync(join(cut, 'metrics.jsonl'), 'utf8').trim().split('\n'))
    assert.ok(JSON.parse(line).step <= 2)
})

test('a file system that is full', async () => {
  const disk = path('disk')
  mkdirSync(disk)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4096k', 'tmpfs', disk], { stdio: 'ignore' })
  } catch {
    return console.log('skipped: a full file system — no small one can be mounted here')
  }
  try {
    const run = join(disk, 'run')
    const size = (name: string) => Math.ceil(statSync(join(whole, `${name}.safetensors`)).size / 1024)
    let before: Record<string, string> = {}
    const message = await training(engine, run, {
      // After the first checkpoint there is room for the best model, and for a part of the training's state.
      onStep(step) {
        if (step !== 3) return
        before = contents(run)
        const [, free] = execFileSync('df', ['-k', '--output=avail', disk], { encoding: 'utf8' })
          .trim()
          .split('\n')
          .map(Number)
        writeFileSync(
          join(disk, 'filler'),
          new Uint8Array(1024 * (free - 2 * size('model') - Math.floor(size('training') / 2))),
        )
      },
    })
    assert.is(
      message,
      `cannot write ${join(run, 'training.safetensors')}: no space left` +
        ` — the checkpoint of step 2 is whole: "trm train --resume" goes on from there`,
    )
    for (const name of ['model.safetensors', 'training.safetensors', 'config.yaml'])
      assert.is(contents(run)[name], before[name], name)
    assert.equal(
      readdirSync(run).filter(name => name.includes('partial')),
      [],
    )
    rmSync(join(disk, 'filler'))
    assert.is(await training(engine, run, { resume: true }), '')
    assert.equal(contents(run), contents(whole))
  } finally {
    execFileSync('umount', [disk])
  }
})

test.run()
