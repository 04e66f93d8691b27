// What the kept results share: errors for the user, commits, and documents of which a part is written by a script.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** An error whose message is a line for the user. */
export class ResultError extends Error {}

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
