// A disk that fills up while a checkpoint is written: the last one stays whole, nothing half written is left, and the training goes on from it.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { appendWhole, removePartials, writeTogether } from '../../src/cli/files.js'
import { trm } from './trm.js'

const folder = mkdtempSync(join(tmpdir(), 'trm-disk-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const path = (...parts: string[]) => join(folder, ...parts)
const data = path('data')
const settings = (run: string) => ['train', '--data', data, '--out', run, '--config', 'tiny', '--eval-limit', '4', 'global_batch_size=4', 'log_interval=1', 'checkpoint_interval=2', 'eval_interval=2', 'lr_min_ratio=1']
const contents = (run: string) => Object.fromEntries(readdirSync(run).filter(name => name !== 'metrics.jsonl').sort().map(name => [name, readFileSync(join(run, name)).toString('base64')]))

/** Runs `trm` where no file may be larger than so many kilobytes. */
async function within(kilobytes: number, ...args: string[]): Promise<{ code: number | null; stderr: string }> {
  const child = spawn('bash', ['-c', `ulimit -f ${kilobytes}; exec "$0" dist/cli.js "$@"`, process.execPath, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', text => (stderr += text))
  const code = await new Promise<number | null>(resolve => child.on('close', resolve))
  return { code, stderr: stderr.split('\n').filter(line => line && !/artificially reduced|Loader Message/.test(line)).join('\n') }
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  return promise.then(() => 'nothing', error => (error as Error).message)
}

test('files that belong together are replaced together', async () => {
  const [a, b] = [path('a'), path('b')]
  await writeTogether([[a, 'old a'], [b, 'old b']])
  const missing = path('absent', 'c')
  assert.is(await refusal(writeTogether([[a, 'new a'], [b, 'new b'], [missing, 'c']])), `cannot write ${missing}: no such file or directory`)
  assert.equal([a, b].map(file => readFileSync(file, 'utf8')), ['old a', 'old b'])
  assert.equal(readdirSync(folder).filter(name => name.includes('partial')), [])
  writeFileSync(path('.a.partial-123'), '')
  await removePartials(folder)
  assert.equal(readdirSync(folder).filter(name => name.includes('partial')), [])
  await appendWhole(a, 'more')
  assert.is(readFileSync(a, 'utf8'), 'old amore')
  if (existsSync('/dev/full')) {
    symlinkSync('/dev/full', path('full'))
    assert.is(await refusal(appendWhole(path('full'), 'x')), `cannot write ${path('full')}: no space left`)
  }
})

test('no file may be as large as the state of the training', async () => {
  await trm('data', 'generate', 'sudoku', '--size', '4', '--train', '20', '--test', '4', '--clues', '8', '--out', data)
  const [whole, cut] = [path('whole'), path('cut')]
  assert.is((await trm(...settings(whole), '--steps', '6')).code, 0)
  assert.is((await trm(...settings(cut), '--steps', '2')).code, 0)
  const before = contents(cut)
  const [model, state] = ['model', 'training'].map(name => statSync(join(cut, `${name}.safetensors`)).size)
  const kilobytes = Math.floor((model + state) / 2 / 1024)
  const { code, stderr } = await within(kilobytes, 'train', '--data', data, '--out', cut, '--eval-limit', '4', '--resume', '--steps', '6')
  assert.is(code, 1)
  assert.is(stderr, `trm: cannot write ${join(cut, 'training.safetensors')}: it would be larger than is allowed here — the checkpoint of step 2 is whole: "trm train --resume" goes on from there`)
  // The best model and the settings are of this life, and whole.
  assert.equal(Object.keys(contents(cut)), Object.keys(before))
  for (const name of ['model.safetensors', 'training.safetensors']) assert.is(contents(cut)[name], before[name], name)
  assert.is((await trm('train', '--data', data, '--out', cut, '--eval-limit', '4', '--resume', '--steps', '6')).code, 0)
  assert.is(contents(cut)['model.safetensors'], contents(whole)['model.safetensors'])
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
    assert.is((await trm(...settings(run), '--steps', '2')).code, 0)
    const before = contents(run)
    // All but a little of the room.
    const [, free] = execFileSync('df', ['-k', '--output=avail', disk], { encoding: 'utf8' }).trim().split('\n').map(Number)
    writeFileSync(join(disk, 'filler'), new Uint8Array(1024 * (free - Math.floor(statSync(join(run, 'model.safetensors')).size / 1024) - 40)))
    const { code, stderr } = await trm('train', '--data', data, '--out', run, '--eval-limit', '4', '--resume', '--steps', '6')
    assert.is(code, 1)
    assert.match(stderr, /^trm: cannot write .*\.(safetensors|yaml|jsonl): no space left — the checkpoint of step 2 is whole: "trm train --resume" goes on from there\n$/)
    assert.equal(Object.keys(contents(run)), Object.keys(before))
    for (const name of ['model.safetensors', 'training.safetensors']) assert.is(contents(run)[name], before[name], name)
    rmSync(join(disk, 'filler'))
    assert.is((await trm('train', '--data', data, '--out', run, '--eval-limit', '4', '--resume', '--steps', '6')).code, 0)
    assert.is(contents(run)['model.safetensors'], contents(path('whole'))['model.safetensors'])
  } finally {
    execFileSync('umount', [disk])
  }
})

test.run()
