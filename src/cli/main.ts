#!/usr/bin/env node
// The program `trm`: runs a command, and turns errors into one line and an exit code (2: wrong usage, 1: the rest).
import { printable } from '../formats/shown.js'
import { UsageError } from './arguments.js'
import { benchCommand } from './bench.js'
import { dataCommand } from './data.js'
import { demoCommand } from './demo.js'
import { doctorCommand } from './doctor.js'
import { evalCommand } from './eval.js'
import { exportCommand } from './export.js'
import { importCommand } from './import.js'
import { scoreCommand } from './score.js'
import { solveCommand } from './solve.js'
import { trainCommand } from './train.js'
import { verifyCommand } from './verify.js'

/** A sub-command of `trm`. */
interface Command {
  name: string
  summary: string
  run(args: string[]): Promise<void>
}

const commands: readonly Command[] = [
  demoCommand,
  dataCommand,
  trainCommand,
  evalCommand,
  solveCommand,
  scoreCommand,
  importCommand,
  exportCommand,
  verifyCommand,
  benchCommand,
  doctorCommand,
]

const help = () => `trm — train and run Tiny Recursive Models on WebGPU

Usage: trm COMMAND [options]

${commands.map(({ name, summary }) => `  ${name.padEnd(10)}${summary}`).join('\n')}

trm COMMAND --help shows the options of a command.`

async function main([name, ...args]: string[]): Promise<void> {
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') return console.log(help())
  const command = commands.find(c => c.name === name)
  if (!command)
    throw new UsageError(
      `unknown command "${name}", expected one of ${commands.map(c => c.name).join(', ')} — trm --help`,
    )
  await command.run(args)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  // A damaged file may have put control characters into a message: the terminal must not get them.
  const message = String(error instanceof Error ? error.message : error).replace(/\s*\n\s*/g, ' ')
  console.error(`trm: ${printable(message, Infinity)}`)
  if (process.env.TRM_DEBUG && error instanceof Error) console.error(error.stack)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
