// What the kept results and the models' cards share: errors for the user, files, commits, figures in words.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { root } from './build.js'

/** An error whose message is a line for the user. */
export class ResultError extends Error {}

/** A file's content. @param hint what was expected there */
export function read(path, hint, encoding) {
  if (!existsSync(path)) throw new ResultError(`${path}: no such file — expected ${hint}`)
  return readFileSync(path, encoding)
}

export function readJson(path, hint) {
  const text = read(path, hint, 'utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ResultError(`${path}: ${error.message} — expected ${hint}`)
  }
}

/** The number of parameters of a checkpoint's tensors. */
export const parameterCount = tensors =>
  [...tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)

export const minutes = seconds => `${(seconds / 60).toFixed(1)} min`

/** A share in percent, without the sign. */
export const percent = share => (100 * share).toFixed(1)

/** The short hash of a commit of this repository. */
export function hashOf(commit) {
  const { status, stdout } = spawnSync(
    'git',
    ['rev-parse', '--short=10', '--verify', '--quiet', `${commit}^{commit}`],
    { cwd: root, encoding: 'utf8' },
  )
  if (status !== 0)
    throw new ResultError(`git knows no commit ${commit} here — name the one that trained the run: --commit HASH`)
  return stdout.trim()
}

const BEGIN = '<!-- begin: written by npm run results -->'
const END = '<!-- end -->'

/** Puts a text between the marks of a document; what stands around them stays. */
export function writeBetweenMarks(file, text) {
  const old = existsSync(file) ? readFileSync(file, 'utf8') : `# Results\n\n${BEGIN}\n${END}\n`
  const [from, to] = [old.indexOf(BEGIN), old.indexOf(END)]
  if (from < 0 || to < from) throw new ResultError(`${file}: expected the lines "${BEGIN}" and "${END}"`)
  writeFileSync(file, `${old.slice(0, from + BEGIN.length)}\n${text}${old.slice(to)}`)
}
