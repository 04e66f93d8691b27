// The options --adapter, --bounds-checks and --dtype, and the engine that the first two open.
import { type Adapter, BOUNDS_CHECKS, type OpenGpuOptions } from '../adapters/index.js'
import type { Engine } from '../engine/index.js'
import * as node from '../node.js'
import { withoutChecks } from '../formats/human.js'
import type { Option } from './arguments.js'

const CHOICES = ['auto', 'hardware', 'lavapipe', 'swiftshader'] as const

const adapterOption = {
  type: 'string',
  description: `which adapter computes: ${CHOICES.join(', ')}`,
  otherwise: 'the environment variable TRM_ADAPTER, else auto',
  placeholder: 'NAME',
  choices: CHOICES,
} as const satisfies Option

const boundsOption = {
  type: 'string',
  description:
    'whether the GPU keeps kernels within their tensors: on, or off, which makes matrix products about a fifth ' +
    'faster on GPUs',
  otherwise: 'the environment variable TRM_BOUNDS_CHECKS, else on',
  choices: BOUNDS_CHECKS,
} as const satisfies Option

/** Options of every command that computes; `openEngine` takes their values. */
export const adapterOptions = { adapter: adapterOption, 'bounds-checks': boundsOption }

export const dtypeOption = {
  type: 'string',
  description:
    'how activations and operands of matrix products are stored; f16 needs shader-f16; sums and weights stay f32',
  choices: ['f32', 'f16'],
  default: 'f32',
} as const satisfies Option

export interface AdapterValues {
  adapter?: string
  'bounds-checks'?: string
}

/** The values of `adapterOptions` as `openEngine` of src/node.ts takes them. */
export const gpuOptions = ({ adapter, 'bounds-checks': checks }: AdapterValues): OpenGpuOptions => ({
  adapter: adapter as Adapter | undefined,
  boundsChecks: checks === undefined ? undefined : checks === 'on',
})

export function openEngine(values: AdapterValues): Promise<Engine> {
  return node.openEngine(gpuOptions(values))
}

/** The adapter in a line. */
export const adapterName = ({ adapter: { description, boundsChecks } }: Engine): string =>
  `${description}${withoutChecks(boundsChecks)}`
