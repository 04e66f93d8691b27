// Runs commands that need no adapter in the test's own process. No test is here.
import * as assert from 'uvu/assert'
import { dataCommand } from '../../src/cli/data.js'
import { scoreCommand } from '../../src/cli/score.js'
import { here } from './here.js'

const commands = { data: dataCommand, score: scoreCommand }
export type CommandName = keyof typeof commands

/** Runs a command; returns what it printed. */
export async function run(command: CommandName, ...args: string[]): Promise<string> {
  return (await here(commands[command], ...args)).slice(0, -1)
}

/** The error that a command throws; it must be one line. */
export async function refusal(command: CommandName, ...args: string[]): Promise<string> {
  try {
    await run(command, ...args)
  } catch (error) {
    assert.instance(error, Error)
    assert.not.match((error as Error).message, /\n/)
    return `${(error as Error).name}: ${(error as Error).message}`
  }
  throw new Error(`expected a refusal of ${args.join(' ')}`)
}
