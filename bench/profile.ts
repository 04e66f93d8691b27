// Where the time of a case goes: times each of its dispatches by timestamps of the adapter.
import type { Engine } from '../src/engine/index.js'
import { BufferUsage, MAP_READ } from '../src/engine/device.js'
import type { Case } from './case.js'
import { allCases } from './cases.js'
import { measure, WALL } from './measure.js'
import { planner, type Size, SIZES } from './models.js'
import { alignTable, digits } from './report.js'
import { chooseCases, keepWarm, noCase, type SuiteOptions } from './suite.js'

/** The dispatches of one kernel with as many workgroups. */
export interface ProfileRow {
  kernel: string
  workgroups: number
  dispatches: number
  /** Of all these dispatches, on the adapter. */
  ms: number
}

export interface Profile {
  size: Size
  case: string
  /** Median wall time of one run without timestamps. */
  wallMs: number
  /** The longest first. */
  rows: ProfileRow[]
}

/** Cases that have many kernels. */
export const PROFILE_CASES = ['training step,', 'inference']

/** Dispatches that one set of timestamps has room for. */
const SET_SIZE = 2048

/**
 * Profiles the chosen cases: of `repeats` runs the one that is shortest on the adapter. With timestamps each dispatch
 * is a pass of its own, so dispatches do not overlap.
 * @throws when the adapter has no timestamps, or no case is left
 */
export async function profileCases({
  open,
  only = PROFILE_CASES,
  sizes = SIZES,
  repeats = 3,
  onProgress = () => {},
}: SuiteOptions): Promise<Profile[]> {
  const first = await open()
  try {
    const { adapter } = first
    if (!adapter.features.includes('timestamp-query'))
      throw new Error(
        `bench profile: ${adapter.description} has no feature timestamp-query, which times dispatches — ` +
          'trm bench times whole cases without it',
      )
    const warm = await keepWarm(first, WALL)
    const cases = chooseCases(allCases(adapter, planner(first)), only, sizes)
    if (!cases.length) throw noCase('bench profile', only, sizes)
    const profiles: Profile[] = []
    for (const [i, chosen] of cases.entries()) {
      onProgress(i, cases.length, `${chosen.size} ${chosen.name}`)
      profiles.push(await profileCase(chosen, open, repeats, warm))
    }
    onProgress(cases.length, cases.length, 'done')
    return profiles
  } finally {
    first.close()
  }
}

async function profileCase(
  { size, name, prepare }: Case,
  open: () => Promise<Engine>,
  repeats: number,
  warm?: () => Promise<void>,
): Promise<Profile> {
  const engine = await open()
  try {
    const work = prepare(engine)
    const { median } = await measure(engine, work, { repeats, warm })
    let best: ProfileRow[] | undefined
    for (let i = 0; i < repeats; i++) {
      const rows = await timed(engine, work)
      if (!best || total(rows) < total(best)) best = rows
    }
    return { size, case: name, wallMs: median, rows: best!.sort((a, b) => b.ms - a.ms) }
  } finally {
    engine.close()
  }
}

const total = (rows: readonly ProfileRow[]) => rows.reduce((sum, { ms }) => sum + ms, 0)

/** Runs the work with a timestamp before and after each dispatch. */
async function timed(engine: Engine, work: () => void): Promise<ProfileRow[]> {
  const { device } = engine
  const sets: GPUQuerySet[] = []
  const dispatched: { kernel: string; workgroups: number }[] = []
  engine.submit()
  const create = device.createCommandEncoder.bind(device)
  device.createCommandEncoder = () => inPasses(create(), pass)
  try {
    work()
    await engine.finish()
  } finally {
    // The device has the method of its class again.
    Reflect.deleteProperty(device, 'createCommandEncoder')
  }
  const times = (await Promise.all(sets.map(set => readTimes(device, set)))).flat()
  for (const set of sets) set.destroy()
  const rows = new Map<string, ProfileRow>()
  dispatched.forEach(({ kernel, workgroups }, i) => {
    const key = `${kernel} ${workgroups}`
    const row = rows.get(key) ?? { kernel, workgroups, dispatches: 0, ms: 0 }
    row.dispatches++
    row.ms += times[i]
    rows.set(key, row)
  })
  return [...rows.values()]

  /** What a pass of this dispatch begins with. */
  function pass(kernel: string, workgroups: number): GPUComputePassDescriptor {
    const at = dispatched.length % SET_SIZE
    if (at === 0) sets.push(device.createQuerySet({ type: 'timestamp', count: 2 * SET_SIZE }))
    dispatched.push({ kernel, workgroups })
    const querySet = sets.at(-1)!
    return { timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * at, endOfPassWriteIndex: 2 * at + 1 } }
  }
}

/** The encoder, which makes each dispatch a pass of its own. */
function inPasses(
  encoder: GPUCommandEncoder,
  descriptor: (kernel: string, workgroups: number) => GPUComputePassDescriptor,
): GPUCommandEncoder {
  const beginComputePass = () => {
    let pipeline: GPUComputePipeline
    let group: GPUBindGroup
    const split: Pick<GPUComputePassEncoder, 'dispatchWorkgroups' | 'end'> & Record<string, unknown> = {
      setPipeline: (given: GPUComputePipeline) => void (pipeline = given),
      setBindGroup: (_: number, given: GPUBindGroup) => void (group = given),
      dispatchWorkgroups(x: number, y = 1, z = 1) {
        const pass = encoder.beginComputePass(descriptor(pipeline.label, x * y * z))
        pass.setPipeline(pipeline)
        pass.setBindGroup(0, group)
        pass.dispatchWorkgroups(x, y, z)
        pass.end()
      },
      end() {},
    }
    return split
  }
  return new Proxy(encoder, {
    get(_, name) {
      if (name === 'beginComputePass') return beginComputePass
      const value: unknown = Reflect.get(encoder, name, encoder)
      return typeof value === 'function' ? value.bind(encoder) : value
    },
  })
}

/** The milliseconds between each two timestamps of a set. */
async function readTimes(device: GPUDevice, set: GPUQuerySet): Promise<number[]> {
  const size = set.count * 8
  const resolved = device.createBuffer({ size, usage: BufferUsage.QUERY_RESOLVE | BufferUsage.COPY_SRC })
  const read = device.createBuffer({ size, usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST })
  const encoder = device.createCommandEncoder()
  encoder.resolveQuerySet(set, 0, set.count, resolved, 0)
  encoder.copyBufferToBuffer(resolved, 0, read, 0, size)
  device.queue.submit([encoder.finish()])
  await read.mapAsync(MAP_READ)
  const stamps = new BigUint64Array(read.getMappedRange())
  const times = Array.from({ length: set.count / 2 }, (_, i) => Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e6)
  resolved.destroy()
  read.destroy()
  return times
}

/** One table a case. */
export function profileTable({ size, case: name, wallMs, rows }: Profile): string {
  const sum = total(rows)
  const dispatches = rows.reduce((count, row) => count + row.dispatches, 0)
  const lines = rows.map(row => [
    row.kernel,
    String(row.workgroups),
    String(row.dispatches),
    digits(row.ms),
    digits((1000 * row.ms) / row.dispatches),
    digits((100 * row.ms) / sum),
  ])
  return (
    `${size} ${name}: ${digits(wallMs)} ms; ${dispatches} dispatches of ${digits(sum)} ms one after the other\n` +
    alignTable([['kernel', 'workgroups', 'dispatches', 'ms', 'µs each', '%'], ...lines], 1)
  )
}
