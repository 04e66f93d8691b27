// trm verify: recomputes the results in golden files of the published code on this adapter, and compares.
import { foreign } from '../formats/recognise.js'
import type { Precision } from '../trm/model.js'
import { verify, type Verification } from '../verify/verify.js'
import { printable } from '../formats/shown.js'
import { adapterOptions, dtypeOption, openEngine } from './adapter.js'
import { parseArguments } from './arguments.js'
import { readBytes } from './files.js'

const usage = {
  command: 'trm verify',
  summary: 'Recompute all results in golden files of the published code, and compare.',
  options: {
    json: {
      type: 'boolean',
      description: 'one line of JSON per file: {file, adapter, ok, rows: [{name, error, allowed}]}',
    },
    'micro-batch': { type: 'number', description: 'slots computed at a time', min: 1 },
    dtype: dtypeOption,
    ...adapterOptions,
  },
  positionals: ['FILE…'],
  notes: 'Exit code 1 when a difference is over what is allowed, or when a file holds nothing to check.',
} as const

export const verifyCommand = {
  name: 'verify',
  summary: 'is this GPU computing TRM correctly? compare with the published code',
  async run(args: string[]): Promise<void> {
    const parsed = parseArguments(args, usage)
    if (!parsed) return
    const { json, 'micro-batch': microBatch, dtype } = parsed.values
    const files = await Promise.all(parsed.positionals.map(readGolden))
    const engine = await openEngine(parsed.values)
    try {
      if (!json) console.log(`adapter: ${engine.adapter.description}`)
      let failed = 0
      for (const { file, bytes } of files) {
        const result = await verify(engine, bytes, { file, microBatch, dtype: dtype as Precision })
        console.log(json ? JSON.stringify(result) : table(result))
        if (!result.ok) failed++
      }
      if (failed)
        throw new Error(
          `verify: ${failed} of ${files.length} files differ from the published code ` +
            `on ${engine.adapter.description}`,
        )
    } finally {
      engine.close()
    }
  },
}

/** The bytes of a golden file. @throws where the file is something else, with what it is */
async function readGolden(file: string): Promise<{ file: string; bytes: Uint8Array }> {
  const bytes = await readBytes(file, 'golden')
  const stranger = foreign(bytes, 'a golden: a safetensors file')
  if (stranger) throw new Error(`${file}: ${stranger}`)
  return { file, bytes }
}

/** Kinds of results in golden files: the first part of a tensor's name. */
const GROUPS = ['eval', 'grad', 'train', 'final', 'ema', 'adam_m', 'adam_v']

function table({ file, rows, ok }: Verification): string {
  const width = Math.max(...rows.map(({ name }) => name.length))
  const lines = rows.map(({ name, error, allowed }) => {
    const share = error === 0 ? 0 : error / allowed
    const verdict = error <= allowed ? `${(100 * share).toFixed(0).padStart(4)} %` : 'OVER'
    const numbers = `${error.toExponential(2).padStart(9)}  of ${allowed.toExponential(2)}`
    return `  ${printable(name).padEnd(width)}  ${numbers}  ${verdict}`
  })
  const over = rows.filter(({ error, allowed }) => !(error <= allowed)).length
  const counts = GROUPS.map(group => [group, rows.filter(({ name }) => name.startsWith(`${group}.`)).length] as const)
  const held = counts
    .filter(([, count]) => count)
    .map(([group, count]) => `${group} ${count}`)
    .join(', ')
  const lacking = counts
    .filter(([, count]) => !count)
    .map(([group]) => group)
    .join(', ')
  const compared = `compared: ${held || 'nothing'}${lacking && `; the file holds no ${lacking}`}`
  const verdict = `${rows.length} quantities, ${over} over what is allowed: ${ok ? 'ok' : 'FAILED'}`
  return `${file}\n${lines.join('\n')}\n  ${compared}\n  ${verdict}`
}
