// How each architecture thinks, as a table: its networks, its states, the network calls of one cycle, and which of them carry gradient.

/** A network, named by the configuration field that says how many layers it has. */
export type Net = 'layers' | 'highLayers'

/** Calls of one network. Call i assigns one of the states, in turn: `states[i mod m] = net(Σ states + Σ plus)`. */
export interface Phase {
  net: Net
  states: readonly string[]
  /** States, or x: the embedded input. None of them changes during the phase. */
  plus: readonly string[]
  /** The field that says how many calls; 1 without. */
  times?: 'latentSteps'
}

export interface Schedule {
  /** What is carried from one supervision step to the next. The heads read y. */
  states: readonly ['y', ...string[]]
  /** One cycle; a supervision step is `cycles` of them. */
  cycle: readonly Phase[]
  /** How many calls at the end of the last cycle carry gradient; all of that cycle without. */
  gradientCalls?: number
  /** A slot halts in training when q_halt > 0, or when q_halt > q_continue. */
  haltsAbove: 'zero' | 'continue'
  /** Trains q_continue to foretell the q of the next supervision step. */
  trainsContinue: boolean
  /** Fields of the configuration that mean nothing here, with the value they then have. */
  fixed: Readonly<{ layers?: 1; highLayers?: 0; cycles?: 1; latentSteps?: 1; tokenMixing?: false; prefix?: 0 }>
}

const LATENTS = ['z1', 'z2', 'z3', 'z4', 'z5', 'z6'] as const

export const SCHEDULES = {
  // n times z = net(z, y + x); y = net(y, z)
  trm: {
    states: ['y', 'z'],
    cycle: [
      { net: 'layers', states: ['z'], plus: ['y', 'x'], times: 'latentSteps' },
      { net: 'layers', states: ['y'], plus: ['z'] },
    ],
    haltsAbove: 'zero',
    trainsContinue: false,
    fixed: { highLayers: 0 },
  },
  // One state, answer and latent at once: n times y = net(y, x); y = net(y)
  'single-z': {
    states: ['y'],
    cycle: [
      { net: 'layers', states: ['y'], plus: ['x'], times: 'latentSteps' },
      { net: 'layers', states: ['y'], plus: [] },
    ],
    haltsAbove: 'zero',
    trainsContinue: false,
    fixed: { highLayers: 0 },
  },
  // For i = 1 … n: z_i = net(Σ z, y + x); y = net(y, Σ z)
  hier6: {
    states: ['y', ...LATENTS],
    cycle: [
      { net: 'layers', states: LATENTS, plus: ['y', 'x'], times: 'latentSteps' },
      { net: 'layers', states: ['y'], plus: LATENTS },
    ],
    haltsAbove: 'zero',
    trainsContinue: false,
    fixed: { highLayers: 0 },
  },
  // The Hierarchical Reasoning Model: n times z = low(z, y + x); y = high(y, z)
  hrm: {
    states: ['y', 'z'],
    cycle: [
      { net: 'layers', states: ['z'], plus: ['y', 'x'], times: 'latentSteps' },
      { net: 'highLayers', states: ['y'], plus: ['z'] },
    ],
    gradientCalls: 2,
    haltsAbove: 'continue',
    trainsContinue: true,
    fixed: { prefix: 0 },
  },
  // A plain transformer under deep supervision: y = high(y, x)
  transformer: {
    states: ['y'],
    cycle: [{ net: 'highLayers', states: ['y'], plus: ['x'] }],
    haltsAbove: 'continue',
    trainsContinue: false,
    fixed: { layers: 1, cycles: 1, latentSteps: 1, tokenMixing: false, prefix: 0 },
  },
} as const satisfies Record<string, Schedule>

export type Architecture = keyof typeof SCHEDULES

/** @throws on a name that is no architecture */
export function scheduleOf(architecture: Architecture): Schedule {
  const schedule: Schedule | undefined = SCHEDULES[architecture]
  if (!schedule)
    throw new Error(`config: architecture is "${architecture}", expected ${Object.keys(SCHEDULES).join(', ')}`)
  return schedule
}

/** The networks of an architecture. */
export function netsOf(architecture: Architecture): Net[] {
  return [...new Set(scheduleOf(architecture).cycle.map(({ net }) => net))]
}
