// The options --adapter and --dtype, and the engine that the first opens.
import type { Adapter } from '../adapters.js'
import type { Engine } from '../engine/index.js'
import * as node from '../node.js'
import type { Option } from './arguments.js'

const CHOICES = ['auto', 'hardware', 'lavapipe', 'swiftshader'] as const

export const adapterOption = {
  type: 'string',
  description: `which adapter computes: ${CHOICES.join(', ')} (default: the environment variable TRM_ADAPTER, else auto)`,
  placeholder: 'NAME',
  choices: CHOICES,
} as const satisfies Option

export const dtypeOption = {
  type: 'string',
  description: 'how activations and operands of products are stored; f16 needs shader-f16, sums and the weights themselves are f32',
  choices: ['f32', 'f16'],
  default: 'f32',
} as const satisfies Option

export function openEngine({ adapter }: { adapter?: string }): Promise<Engine> {
  return node.openEngine({ adapter: adapter as Adapter | undefined })
}
