// One cycle of each architecture, call by call as the papers write it, and how the architecture is trained.

/** A network, named by the configuration field that says how many layers it has. */
export type Net = 'layers' | 'highLayers'

/** One network call: `state ← net(Σ from + Σ injected)`. Terms are states of the carry, or the embedded input x. */
export interface Call {
  state: string
  net: Net
  from: readonly string[]
  injected: readonly string[]
}

export interface Recursion {
  /** What is carried from one supervision step to the next. The heads read y. */
  states: readonly ['y', ...string[]]
  /** The network calls of one cycle, with n latent steps. A supervision step is T cycles. */
  cycle(n: number): Iterable<Call>
  /** How many calls at the end of the last cycle carry gradient. Default: that whole cycle. */
  callsWithGradient?: number
  /** A slot halts in training when q_halt > 0, or when q_halt > q_continue. */
  haltsAbove: 'zero' | 'continue'
  /** Trains q_continue to predict the q of the next supervision step. */
  trainsContinue: boolean
  /** Fields of the configuration without a meaning here, with the value they then have. */
  fixed: Readonly<{ layers?: 1; highLayers?: 0; cycles?: 1; latentSteps?: 1; tokenMixing?: false; prefix?: 0 }>
}

/** `net(h, a, b)` stands for net(h + a + b); where h is a list, for its sum. */
const network =
  (net: Net) =>
  (h: string | readonly string[], ...injected: string[]) => ({ net, from: [h].flat(), injected })

/** The state becomes what the network computes. */
const update = (state: string, value: Omit<Call, 'state'>): Call => ({ state, ...value })

/** The only network of TRM; the faster one of HRM. */
const net = network('layers')
/** The slower network of HRM, and that of the plain transformer. */
const high = network('highLayers')
const [x, y, z] = ['x', 'y', 'z'] as const
const LATENTS = ['z1', 'z2', 'z3', 'z4', 'z5', 'z6'] as const

export const RECURSIONS = {
  /** The Tiny Recursive Model: n latent steps refine the latent z, then z refines the answer y. */
  trm: {
    states: [y, z],
    *cycle(n) {
      for (let i = 0; i < n; i++) yield update(z, net(z, y, x))
      yield update(y, net(y, z))
    },
    haltsAbove: 'zero',
    trainsContinue: false,
    fixed: { highLayers: 0 },
  },
  /** One state is answer and latent at once. */
  'single-z': {
    states: [y],
    *cycle(n) {
      for (let i = 0; i < n; i++) yield update(y, net(y, x))
      yield update(y, net(y))
    },
    haltsAbove: 'zero',
    trainsContinue: false,
    fixed: { highLayers: 0 },
  },
  /** Six latents: each latent step refines the next one from the sum of all. */
  hier6: {
    states: [y, ...LATENTS],
    *cycle(n) {
      for (let i = 0; i < n; i++) yield update(LATENTS[i], net(LATENTS, y, x))
      yield update(y, net(y, ...LATENTS))
    },
    haltsAbove: 'zero',
    trainsContinue: false,
    fixed: { highLayers: 0 },
  },
  /** The Hierarchical Reasoning Model: two networks; the gradient flows through the last call of each. */
  hrm: {
    states: [y, z],
    *cycle(n) {
      for (let i = 0; i < n; i++) yield update(z, net(z, y, x))
      yield update(y, high(y, z))
    },
    callsWithGradient: 2,
    haltsAbove: 'continue',
    trainsContinue: true,
    fixed: { prefix: 0 },
  },
  /** A plain transformer under deep supervision. */
  transformer: {
    states: [y],
    *cycle() {
      yield update(y, high(y, x))
    },
    haltsAbove: 'continue',
    trainsContinue: false,
    fixed: { layers: 1, cycles: 1, latentSteps: 1, tokenMixing: false, prefix: 0 },
  },
} as const satisfies Record<string, Recursion>

export type Architecture = keyof typeof RECURSIONS

/** @throws on a name that is no architecture */
export function recursionOf(architecture: Architecture): Recursion {
  const recursion: Recursion | undefined = RECURSIONS[architecture]
  if (!recursion)
    throw new Error(`config: architecture is "${architecture}", expected ${Object.keys(RECURSIONS).join(', ')}`)
  return recursion
}

/** The networks of an architecture. */
export function netsOf(architecture: Architecture): Net[] {
  return [...new Set(Array.from(recursionOf(architecture).cycle(1), ({ net }) => net))]
}

/** Consecutive calls that inject the same terms, as long as none of these changes: their sum is computed once. */
export function runsOf(calls: Iterable<Call>): Call[][] {
  const runs: Call[][] = []
  for (const call of calls) {
    const run = runs.at(-1)
    const isSame = run?.[0].injected.join() === call.injected.join()
    if (isSame && !run.some(({ state }) => call.injected.includes(state))) run.push(call)
    else runs.push([call])
  }
  return runs
}
