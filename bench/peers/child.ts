// The process of one backend: opens Dawn, stands in for a browser if the backend needs one, and answers the parent.
//   node child.js MODULE [stand-in]
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { openGpu, waitAsleep } from '../../src/node.js'
import { parseSafetensors, toFloat32 } from '../../src/formats/safetensors.js'
import type { Backend, Model, Outputs, Prepared, Reply, Request } from './protocol.js'
import { transformer } from './transformer.js'

// Standard output is for the parent; messages of libraries go to standard error.
console.log = console.info = console.debug = console.warn = (...words) => console.error(...words)

const [path, standIn] = process.argv.slice(2)
const { gpu, globals, name } = await openGpu()
const bytes = { live: 0, peak: 0 }
countBytes(globals)
if (standIn) pretendToBeABrowser()

const { open } = (await import(pathToFileURL(path!).href)) as { open: (options: { gpu: GPU }) => Promise<Backend> }
const backend = await open({ gpu })
let prepared: Prepared | undefined

for await (const line of createInterface({ input: process.stdin })) {
  let reply: Reply
  try {
    reply = await obey(JSON.parse(line) as Request)
  } catch (error) {
    reply = {
      error: String((error as Error)?.message ?? error)
        .split('\n')[0]!
        .slice(0, 500),
    }
    if (process.env.BENCH_DEBUG) console.error(error)
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`)
}
process.exit(0)

async function obey(request: Request): Promise<Reply> {
  if (request.do === 'peak') return { gflops: await backend.peak!() }
  if (request.do === 'run') {
    bytes.peak = Math.max(bytes.peak, bytes.live)
    const before = process.cpuUsage()
    const start = performance.now()
    await prepared!.run(request.count)
    const ms = (performance.now() - start) / request.count
    const { user, system } = process.cpuUsage(before)
    return { ms, cpuMs: (user + system) / 1000 / request.count, peakBytes: bytes.peak }
  }
  const { job } = request
  if (job.case === 'matmul') prepared = await backend.matmul({ ...job, a: floats(job.a), b: floats(job.b) })
  else if (job.case === 'transformer-step') prepared = await backend.transformer(transformer())
  else if (job.case === 'train-step') prepared = await backend.train(readModel(job.golden))
  else prepared = await backend.infer(readModel(job.golden))
  const outputs: Outputs = {}
  for (const [key, values] of Object.entries(prepared.outputs))
    outputs[key] = Buffer.from(Float32Array.from(values).buffer).toString('base64')
  return { adapter: name, version: backend.version, firstMs: prepared.firstMs, outputs }
}

function floats(file: string): Float32Array {
  const content = readFileSync(file)
  return new Float32Array(content.buffer.slice(content.byteOffset, content.byteOffset + content.byteLength))
}

function readModel(file: string): Model {
  const { tensors, metadata } = parseSafetensors(readFileSync(file), file)
  const weights: Model['weights'] = {}
  for (const [key, tensor] of tensors)
    if (key.startsWith('init.')) weights[key.slice(5)] = { shape: tensor.shape, data: toFloat32(tensor) }
  const batches: Model['batches'] = []
  const get = (i: number, key: string) => tensors.get(`batch.${i}.${key}`)?.data as Int32Array
  for (let i = 0; get(i, 'inputs'); i++)
    batches.push({ inputs: get(i, 'inputs'), labels: get(i, 'labels'), ids: get(i, 'puzzle_identifiers') })
  const log = JSON.parse(metadata.train_log!) as { lr: number; puzzle_emb_lr: number }[]
  const rates = log.map(({ lr, puzzle_emb_lr: puzzleLr }) => ({ lr, puzzleLr }))
  return { config: JSON.parse(metadata.config!), train: JSON.parse(metadata.train!), rates, weights, batches }
}

/** Counts the bytes of all buffers that exist: the same measure for every backend on WebGPU. */
function countBytes({ GPUDevice, GPUBuffer }: Record<string, any>): void {
  const { createBuffer } = GPUDevice.prototype
  const { destroy } = GPUBuffer.prototype
  const alive = new WeakSet<object>()
  GPUDevice.prototype.createBuffer = function (descriptor: GPUBufferDescriptor) {
    const buffer = createBuffer.call(this, descriptor)
    alive.add(buffer)
    bytes.live += descriptor.size
    bytes.peak = Math.max(bytes.peak, bytes.live)
    return buffer
  }
  GPUBuffer.prototype.destroy = function () {
    if (alive.delete(this)) bytes.live -= this.size
    return destroy.call(this)
  }
}

/**
 * Defines what a library for browsers needs, in this process only: navigator.gpu and the constants. Promises of Dawn
 * are awaited asleep, as our engine does in Node. Else the event loop spins and takes a core from a software adapter.
 */
function pretendToBeABrowser(): void {
  Object.defineProperty(globalThis, 'navigator', { value: { gpu, userAgent: 'node' }, configurable: true })
  for (const [key, value] of Object.entries(globals))
    if (!(key in globalThis)) Object.defineProperty(globalThis, key, { value, configurable: true, writable: true })
  const waiting: [constructor: string, method: string][] = [
    ['GPUQueue', 'onSubmittedWorkDone'],
    ['GPUBuffer', 'mapAsync'],
    ['GPUDevice', 'createComputePipelineAsync'],
  ]
  for (const [constructor, method] of waiting) {
    const { prototype } = globals[constructor] as {
      prototype: Record<string, (...args: unknown[]) => Promise<unknown>>
    }
    const original = prototype[method]!
    prototype[method] = function (...args) {
      return waitAsleep(original.apply(this, args))
    }
  }
}
