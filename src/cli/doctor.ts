// trm doctor: what this machine computes with, what is missing, and the command that mends it.
import { diagnose, formatDiagnosis, type Adapter } from '../adapters.js'
import { adapterOption } from './adapter.js'
import { parseArguments } from './arguments.js'

const usage = {
  command: 'trm doctor',
  summary: 'Show adapter, driver, limits and features, what is missing, and the command that mends it.',
  options: { json: { type: 'boolean', description: 'print everything as JSON' }, adapter: adapterOption },
  notes: 'Exit code 1 when there is no adapter.',
} as const

export const doctorCommand = {
  name: 'doctor',
  summary: 'which adapter there is, what is missing and how to mend it',
  async run(args: string[]): Promise<void> {
    const parsed = parseArguments(args, usage)
    if (!parsed) return
    const { json, adapter } = parsed.values
    const diagnosis = await diagnose({ adapter: adapter as Adapter | undefined })
    console.log(json ? JSON.stringify(diagnosis, null, 2) : formatDiagnosis(diagnosis))
    if (!diagnosis.ok) process.exitCode = 1
  },
}
