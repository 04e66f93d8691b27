// Resolves settings as `trm train` does, in the test's own process. No test is here.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UsageError } from '../../src/cli/arguments.js'
import { withoutEffect } from '../../src/cli/fields.js'
import { giveSettings } from '../../src/cli/settings.js'
import { generateSudoku } from '../../src/data/sudoku.js'
import { resolveRun } from '../../src/trm/published/settings.js'

export const folder = mkdtempSync(join(tmpdir(), 'trm-settings-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
export const { metadata } = generateSudoku({ size: 4, train: 1, test: 1, clues: 8 }).train

let files = 0

/** The path of a new YAML file with this text. */
export function fileOf(text: string): string {
  const file = join(folder, `${files++}.yaml`)
  writeFileSync(file, text)
  return file
}

/** The settings of `trm train` with these arguments, resolved for 4×4 Sudokus. */
export async function run(config: string | undefined, ...pairs: string[]) {
  const { settings, notes } = await giveSettings({ command: 'trm train', config, pairs, preset: 'small' })
  const resolved = resolveRun(settings, metadata)
  return { ...resolved, notes: [...notes, ...withoutEffect(settings, resolved.config)] }
}

/** Exit code and message of the error that these arguments cause. */
export async function refusal(config: string | undefined, ...pairs: string[]): Promise<string> {
  const error = await run(config, ...pairs).then(
    () => new Error('nothing was refused'),
    error => error as Error,
  )
  assert.not.match(error.message, /\n/)
  return `${error instanceof UsageError ? 2 : 1} ${error.message}`
}
