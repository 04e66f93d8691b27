// trm export: a checkpoint as the published code loads it (.pt), or as safetensors in another float type.
import type { StoredTensor } from '../formats/safetensors.js'
import { toFloat32, writeSafetensors } from '../formats/safetensors.js'
import { fromFloat32 } from '../formats/torch.js'
import { writeTorch } from '../formats/torch-write.js'
import { readCheckpoint } from '../trm/published/checkpoint.js'
import type { TrmConfig } from '../trm/config.js'
import { configToOfficial } from '../trm/published/names.js'
import { parseArguments, UsageError } from './arguments.js'
import { checkpointOption, keyOption, openCheckpoint, otherFiles } from './checkpoint.js'
import { writeWhole } from './files.js'
import { writeYaml } from './yaml.js'

const DTYPES = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const

const usage = {
  command: 'trm export',
  summary: 'Write a checkpoint for PyTorch (.pt), or in another float type.',
  options: {
    checkpoint: checkpointOption,
    key: keyOption,
    out: { type: 'string', required: true, placeholder: 'F.pt|F.safetensors', description: 'file to write' },
    prefix: {
      type: 'string',
      placeholder: 'TEXT',
      description: 'prefix of the names of the tensors',
      otherwise: 'none in .safetensors; _orig_mod.model. in .pt, as the published code saves a compiled model',
    },
    dtype: {
      type: 'string',
      choices: ['float32', 'float16', 'bfloat16'],
      default: 'float32',
      description: 'float type of all tensors; values round to the nearest',
    },
    'config-out': {
      type: 'string',
      placeholder: 'F.yaml',
      description: 'also write the configuration with official field names',
    },
  },
} as const

export const exportCommand = {
  name: 'export',
  summary: 'write a checkpoint for PyTorch (.pt)',
  async run(args: string[]): Promise<void> {
    const parsed = parseArguments(args, usage)
    if (!parsed) return
    const { checkpoint, key, out, dtype, 'config-out': configOut } = parsed.values
    const torch = out.endsWith('.pt')
    if (!torch && !out.endsWith('.safetensors'))
      refuse(`--out: expected a name that ends in .pt or .safetensors, got ${JSON.stringify(out)}`)
    if (configOut !== undefined && !/\.ya?ml$/.test(configOut))
      refuse(`--config-out: expected a name that ends in .yaml, got ${JSON.stringify(configOut)}`)
    const { bytes } = await openCheckpoint(checkpoint, key)
    const { config, tensors, metadata } = readCheckpoint(bytes, checkpoint, otherFiles(key))
    const prefix = parsed.values.prefix ?? (torch ? '_orig_mod.model.' : '')
    const type = DTYPES[dtype as keyof typeof DTYPES]
    const entries = [...tensors].map(([name, stored]): [string, StoredTensor] => [
      `${prefix}${name}`,
      fromFloat32(toFloat32(stored), stored.shape, type),
    ])
    await writeWhole(out, torch ? writeTorch(entries) : writeSafetensors(entries, metadata))
    console.log(`${out}: ${entries.length} tensors in ${dtype}, named ${prefix}…`)
    if (configOut === undefined) return
    await writeWhole(configOut, officialYaml(config))
    console.log(`${configOut}: configuration`)
  },
}

function refuse(problem: string): never {
  throw new UsageError(`${usage.command}: ${problem}`)
}

/** The configuration as YAML for the published code, which takes the sizes from the data: they stand in a comment. */
function officialYaml(config: TrmConfig): string {
  const { vocab_size, seq_len, num_puzzle_identifiers, ...arch } = configToOfficial(config)
  const sizes = `vocab_size=${vocab_size} seq_len=${seq_len} num_puzzle_identifiers=${num_puzzle_identifiers}`
  const fields = {
    arch: {
      name: 'recursive_reasoning.trm@TinyRecursiveReasoningModel_ACTV1',
      loss: { name: 'losses@ACTLossHead', loss_type: 'stablemax_cross_entropy' },
      H_layers: 0,
      ...arch,
      no_ACT_continue: true,
      forward_dtype: 'float32',
    },
  }
  return `# Of the data: ${sizes}\n${writeYaml(fields)}`
}
