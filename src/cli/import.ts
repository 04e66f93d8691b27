// trm import: turns a checkpoint of the published code (.pt, safetensors) into one that the other commands read.
import { DEFAULTS } from '../trm/config.js'
import { type Checkpoint, writeCheckpoint } from '../trm/published/checkpoint.js'
import { partialFromOfficial } from '../trm/published/names.js'
import { modelFields, presets } from '../trm/published/settings.js'
import { parseArguments, UsageError } from './arguments.js'
import { keyOption, readAnyCheckpoint } from './checkpoint.js'
import { writeWhole } from './files.js'
import { GROUPS } from './groups.js'
import { giveSettings, presetList } from './settings.js'

const usage = {
  command: 'trm import',
  summary: 'Turn a checkpoint of the published PyTorch code into one that "trm eval" and "trm solve" read.',
  options: {
    from: {
      type: 'string',
      required: true,
      placeholder: 'F.pt',
      description: 'file of torch.save with a state_dict or a training, or safetensors',
    },
    key: keyOption,
    out: {
      type: 'string',
      required: true,
      placeholder: 'F.safetensors',
      description: 'checkpoint to write, in float32',
    },
    config: {
      type: 'string',
      placeholder: 'PRESET|F.yaml',
      description:
        `the configuration that the model was trained with: a preset (${Object.keys(presets).join(', ')}) ` +
        'or a YAML file, such as the all_config.yaml beside the checkpoint',
    },
  },
  positionals: ['[KEY=VALUE…]'],
  notes: `KEY=VALUE gives a field of the model by its official name:
  seq_len=81 L_cycles=6 halt_max_steps=16 num_heads=8
arch=NAME gives the values of a published group: ${Object.keys(GROUPS).join(', ')}.

The shapes of the tensors give vocab_size, hidden_size, L_layers, mlp_t and more. Of seq_len and puzzle_emb_len they
give at most the sum. With --config, the remaining fields take the published defaults.
num_puzzle_identifiers=N with another N than the file's refills the puzzle table: every row becomes the mean row.
Nothing in the file is executed. The names of the published code and its forks are known, and those of nano-trm
(github.com/olivkoch/nano-trm).

${presetList}`,
} as const

export const importCommand = {
  name: 'import',
  summary: 'read a PyTorch checkpoint (.pt) of the published code',
  async run(args: string[]): Promise<void> {
    const parsed = parseArguments(args, usage)
    if (!parsed) return
    const { from, out, key, config } = parsed.values
    if (!out.endsWith('.safetensors'))
      refuse(`--out: expected a name that ends in .safetensors, got ${JSON.stringify(out)}`)
    const { settings, typed, notes, isNamed } = await giveSettings({
      command: usage.command,
      config,
      pairs: parsed.positionals,
    })
    const [other] = modelFields(typed).rest
    if (other) refuse(`"${other}" is no field of the model, expected e.g. seq_len=81 or L_cycles=6`)
    const checkpoint = await readAnyCheckpoint(from, {
      key,
      config: partialFromOfficial(modelFields(settings).fields),
      fallback: isNamed ? DEFAULTS : undefined,
    })
    for (const note of notes) console.log(note)
    await writeWhole(out, writeCheckpoint(checkpoint))
    console.log(`${out}: ${describe(checkpoint)}`)
  },
}

function refuse(problem: string): never {
  throw new UsageError(`${usage.command}: ${problem}`)
}

/** A checkpoint in a line. */
function describe({ config, tensors }: Checkpoint): string {
  const { tokenMixing, hidden, layers, cells, vocabulary, puzzles, cycles, latentSteps, supervisionSteps } = config
  const values = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0)
  const fields = [
    tokenMixing ? 'token-mixing MLP' : 'attention',
    `hidden ${hidden}`,
    `${layers} layers`,
    `${cells} cells`,
    `${vocabulary} tokens`,
    `${puzzles} puzzle ids`,
    `H_cycles ${cycles}`,
    `L_cycles ${latentSteps}`,
    `halt_max_steps ${supervisionSteps}`,
  ]
  return `${fields.join(', ')}; ${tensors.size} tensors, ${values.toLocaleString('en')} values`
}
