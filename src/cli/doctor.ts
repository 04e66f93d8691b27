// trm doctor: which adapter this machine has, what is missing, and the command that fixes it.
import { diagnose, formatDiagnosis } from '../adapters/diagnosis.js'
import { adapterOptions, gpuOptions } from './adapter.js'
import { parseArguments } from './arguments.js'

const usage = {
  command: 'trm doctor',
  summary: 'Show adapter, driver, limits and features, what is missing, and the command that fixes it.',
  options: { json: { type: 'boolean', description: 'print everything as JSON' }, ...adapterOptions },
  notes: 'Exit code 1 when there is no adapter.',
} as const

export const doctorCommand = {
  name: 'doctor',
  summary: 'which adapter there is, what is missing, and how to fix it',
  async run(args: string[]): Promise<void> {
    const parsed = parseArguments(args, usage)
    if (!parsed) return
    const { json } = parsed.values
    const diagnosis = await diagnose(gpuOptions(parsed.values))
    console.log(json ? JSON.stringify(diagnosis, null, 2) : formatDiagnosis(diagnosis))
    if (!diagnosis.ok) process.exitCode = 1
  },
}
