// The output of Dawn and its drivers reaches no file or pipe of standard error, and nothing else is lost. Needs Node.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MODELS } from '../../src/models/names.js'

const test = suite('standard error', { folder: '' })
test.before(context => void (context.folder = mkdtempSync(join(tmpdir(), 'trm-stderr-'))))
test.after(({ folder }) => rmSync(folder, { recursive: true, force: true }))

const program = `"${process.execPath}" dist/cli.js`
/** Answers one puzzle, which has one solution, then fails with one line. */
const work = (more = '') =>
  `${more} ${program} solve 123.341.214.432. --checkpoint sudoku-4x4` + `; ${program} solve 1 --checkpoint none`
const shell = (script: string) =>
  execFileSync('/bin/sh', ['-c', `${script}; true`], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
const NAMES = Object.keys(MODELS).join(', ')
const REFUSAL = `trm: checkpoint none: no such file or directory — expected a file or one of ${NAMES}\n`

test('a file, a file in append mode, a pipe', ({ folder }) => {
  if (process.platform !== 'linux') return console.log('skipped: only Linux tells what is needed')
  const file = join(folder, 'log.txt')
  shell(`(${work('TRM_DAWN_LOG=1')}) 2> ${file} > /dev/null`)
  if (readFileSync(file, 'utf8') === REFUSAL)
    return console.log('skipped: this adapter is opened without a word anyway')
  shell(`rm ${file}; (${work()}) 2>> ${file} > /dev/null`)
  assert.is(readFileSync(file, 'utf8'), REFUSAL)
  assert.is(shell(`(${work()}) 2>&1 > /dev/null | cat`), REFUSAL)
  // Both in one file: each line stands where it was written.
  shell(`(echo begin; ${work()}; echo end) > ${file} 2>&1`)
  const text = readFileSync(file, 'utf8')
  assert.match(text, /^begin\n[^]*step 1: [^]*\n(not )?solved: .*\ntrm: .*\nend\n$/)
  assert.not.match(text, /artificially|\0/)
})

test.run()
