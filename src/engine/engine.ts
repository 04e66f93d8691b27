// The engine: one device with its memory, its compiled kernels, its recorded commands and its tape. It knows no model.
import { float16ToFloat32, float32ToFloat16 } from '../formats/float16.js'
import type { Kernel } from '../kernels/kernel.js'
import { Commands } from './commands.js'
import { Faults, type MatrixKind, openDevice, settled, subgroupMatrices, subgroupSize } from './device.js'
import { dryDevice } from './dry-device.js'
import { Memory } from './memory.js'
import { Pipelines } from './pipelines.js'
import { newStats, type Stats } from './stats.js'
import { type Backward, type Seeds, Tape } from './tape.js'
import { type Bound, bytesOf, type DType, elements, type Shape, type Storage, Tensor } from './tensor.js'
import { Variants } from './variants.js'

export interface EngineOptions {
  /** The WebGPU entry point; `navigator.gpu` by default. In Node open the engine from 'webgpu-trm/node'. */
  gpu?: GPU
  /**
   * How to wait for a promise of the GPU. Default: await it and the errors that belong to it. Node's Dawn spins the JavaScript thread meanwhile,
   * so 'webgpu-trm/node' waits in a way that leaves the processor to a software adapter.
   */
  wait?: <T>(promise: Promise<T>) => Promise<T>
  /**
   * Dispatches after which they are submitted although nothing asks for it; it changes no result. Default: never, but that a kernel's first run always is.
   * In a page short submits leave the GPU to the drawing of the page in between.
   */
  submitAfter?: number
  /** Whether the GPU object was opened with bounds checks; false only by 'webgpu-trm/node'. For `adapter.boundsChecks`. */
  boundsChecks?: boolean
  /** Called once by `close()`. */
  onClose?: () => void
}

export interface GradientOptions {
  /** Where the gradients go; new tensors by default. */
  into?: readonly Tensor[]
  /** Whether they are added to what stands there. Default false. */
  accumulate?: boolean
}

/** What the adapter is and offers. */
export interface AdapterSummary {
  readonly description: string
  readonly vendor: string
  readonly architecture: string
  readonly features: readonly string[]
  /** Whether it keeps kernels within their tensors, whatever they index. */
  readonly boundsChecks: boolean
  /** Computes on the processor. */
  readonly isSoftware: boolean
  /** Threads of every subgroup; undefined where it varies or where there are no subgroups. */
  readonly subgroupSize: number | undefined
  /** Kinds of subgroup matrices with sums in float32, where subgroups of 32 threads can be asked for. */
  readonly subgroupMatrices: readonly MatrixKind[]
  /** Largest tensor, bytes. */
  readonly maxTensorBytes: number
  /** Memory that the threads of a workgroup share, bytes; and how many threads there may be. */
  readonly workgroupBytes: number
  readonly workgroupThreads: number
}

export class Engine {
  readonly stats: Stats = newStats()
  /** Which of several kernels for one operation runs. */
  readonly variants: Variants
  private readonly memory: Memory
  private readonly pipelines: Pipelines
  private readonly commands: Commands
  private readonly faults: Faults
  private tape: Tape | undefined
  private closed = false

  private constructor(
    readonly device: GPUDevice,
    readonly adapter: AdapterSummary,
    private readonly wait: NonNullable<EngineOptions['wait']>,
    private readonly onClose: () => void,
    submitAfter?: number,
    variants?: Variants,
  ) {
    this.variants = new Variants(adapter, variants)
    this.memory = new Memory(device, this.stats, adapter.maxTensorBytes)
    this.pipelines = new Pipelines(device, this.stats)
    this.commands = new Commands(device, this.stats, wait, submitAfter)
    this.faults = new Faults(device, adapter.description)
  }

  /**
   * Opens the best adapter of `gpu` with every limit and feature it has.
   * @throws when there is no WebGPU or no adapter
   */
  static async open({
    gpu = globalThis.navigator?.gpu,
    wait = settled,
    onClose = () => {},
    submitAfter,
    boundsChecks = true,
  }: EngineOptions = {}): Promise<Engine> {
    const { adapter, device, description } = await openDevice(gpu)
    const {
      maxBufferSize,
      maxStorageBufferBindingSize,
      maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup,
    } = device.limits
    const summary: AdapterSummary = {
      description,
      vendor: adapter.info.vendor,
      architecture: adapter.info.architecture,
      features: [...device.features].sort(),
      boundsChecks,
      isSoftware: adapter.info.isFallbackAdapter,
      subgroupSize: subgroupSize(device, adapter.info),
      subgroupMatrices: subgroupMatrices(device, adapter.info),
      maxTensorBytes: Math.min(maxBufferSize, maxStorageBufferBindingSize),
      workgroupBytes: maxComputeWorkgroupStorageSize,
      workgroupThreads: maxComputeInvocationsPerWorkgroup,
    }
    return new Engine(device, summary, wait, onClose, submitAfter)
  }

  /**
   * An engine for the same adapter that computes nothing and takes no memory; what is read from it is zeros. Its `stats` are what
   * those of a new engine would be after the same calls, with the variants that this one would pick.
   */
  dryRun(): Engine {
    return new Engine(
      dryDevice(this.device),
      this.adapter,
      promise => promise,
      () => {},
      undefined,
      this.variants,
    )
  }

  /** An uninitialised tensor. It lives until the innermost open scope ends; outside of any scope it is a lasting one. */
  tensor(shape: Shape, dtype?: DType, label?: string): Tensor {
    return this.make(false, shape, dtype, label)
  }

  /** An uninitialised tensor that outlives every scope, until `release` or `close`. */
  lasting(shape: Shape, dtype?: DType, label?: string): Tensor {
    return this.make(true, shape, dtype, label)
  }

  /** A tensor that holds `data` and lives as long as one of `tensor`; the element type follows the array's. A host write. */
  from(data: Float32Array | Int32Array | Uint32Array, shape: Shape = [data.length], label?: string): Tensor {
    const dtype = data instanceof Float32Array ? 'f32' : data instanceof Int32Array ? 'i32' : 'u32'
    const tensor = this.tensor(shape, dtype, label)
    this.write(tensor, data)
    return tensor
  }

  /** A tensor of zeros that lives as long as one of `tensor`. */
  zeros(shape: Shape, dtype?: DType, label?: string): Tensor {
    const tensor = this.tensor(shape, dtype, label)
    this.clear(tensor)
    return tensor
  }

  /** Overwrites elements from `at` on. Submits what was recorded before. */
  write(tensor: Tensor, data: Float32Array | Int32Array | Uint32Array, at = 0): void {
    if (at + data.length > tensor.size)
      throw new Error(
        `write: ${data.length} values at ${at} do not fit the ${tensor.size} elements of a tensor of shape [${tensor.shape}]`,
      )
    this.alive()
    if (tensor.dtype !== 'f16') return this.commands.write(tensor, data, at)
    if (at !== 0 || data.length !== tensor.size || !(data instanceof Float32Array))
      throw new Error(`write: a float16 tensor takes all its elements at once, as Float32Array`)
    const bits = new Uint16Array(tensor.bytes / 2)
    bits.set(float32ToFloat16(data))
    this.commands.write(tensor, bits)
  }

  /** Copies all elements of `from` over those of `to` that start at element `at`. */
  copy(from: Tensor, to: Tensor, at = 0): void {
    if (from.dtype !== to.dtype || (to.dtype === 'f16' && at % 2))
      throw new Error(
        `copy: ${from.dtype} to element ${at} of ${to.dtype}, expected one type, and even elements of f16`,
      )
    if (at + from.size > to.size)
      throw new Error(`copy: ${from.size} elements at ${at} do not fit into shape [${to.shape}]`)
    this.alive()
    this.commands.copy(from, to, at)
  }

  clear(tensor: Tensor): void {
    this.alive()
    this.commands.clear(tensor)
  }

  /** The elements of a tensor, in row-major order. The copy is recorded at once, so the tensor may die meanwhile. */
  async read(tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
    const bytes = await this.readBytes(tensor)
    return tensor.dtype === 'f16' ? float16ToFloat32(new Uint16Array(bytes, 0, tensor.size)) : new Float32Array(bytes)
  }

  async readInt32(tensor: Tensor): Promise<Int32Array<ArrayBuffer>> {
    return new Int32Array(await this.readBytes(tensor))
  }

  /** Resolves when all that was submitted is done; throws what went wrong since the last wait. */
  async finish(): Promise<void> {
    this.alive()
    this.submit()
    await this.wait(this.device.queue.onSubmittedWorkDone())
    this.faults.check()
  }

  private readonly inFlight: Promise<undefined>[] = []

  /**
   * Submits, and waits while more than `ahead` earlier calls are still being computed:
   * a loop that records faster than the GPU computes stays that far ahead of it. Reads nothing back.
   */
  async pace(ahead = 2): Promise<void> {
    this.submit()
    this.inFlight.push(this.device.queue.onSubmittedWorkDone())
    if (this.inFlight.length > ahead) await this.wait(this.inFlight.shift()!)
    this.faults.check()
  }

  /**
   * Compiles in parallel every kernel that ran on a dry run of this engine, so that none has to be compiled when it first runs.
   * Does nothing on software adapters: their drivers compile at the first run, while the host goes on recording.
   * An error of a kernel is thrown by the first wait after it ran, as without this.
   */
  async compile(dry: Engine): Promise<void> {
    this.alive()
    if (!this.adapter.isSoftware) await this.wait(this.pipelines.compile(dry.pipelines))
  }

  /**
   * Records one dispatch.
   * @param bound a tensor for each of the kernel's bindings; a resource where the binding is a layout entry
   */
  dispatch<Size>(kernel: Kernel<Size>, bound: Readonly<Record<string, Bound>>, size: Size): void {
    this.alive()
    const halves: number[] = []
    let binding = 0
    for (const name in kernel.bindings) {
      if ((bound[name] as Partial<Tensor> | undefined)?.dtype === 'f16') halves.push(binding)
      binding++
    }
    const pipeline = this.pipelines.get(kernel, size, halves)
    const isFirst = pipeline.groups.size === 0
    this.commands.dispatch(
      pipeline.pipeline,
      this.pipelines.bindGroup(pipeline, kernel, bound, size),
      kernel.workgroups(size),
    )
    // Drivers that compile when a kernel first runs do so while the host goes on recording.
    if (isFirst) this.commands.submit()
  }

  /** Records commands of the caller's own, such as copies into textures, in order with the dispatches. */
  encode(work: (encoder: GPUCommandEncoder) => void): void {
    this.alive()
    work(this.commands.outsidePass())
  }

  /** Sends what was recorded to the GPU. */
  submit(): void {
    this.commands.submit()
  }

  /**
   * Runs `work` and gives back the memory of every tensor born in it. Synchronous; what must last is copied out,
   * or read: a `read` inside copies at once, its promise may leave the scope.
   */
  scope<T>(work: () => T): T {
    if (this.tape?.isRecording)
      throw new Error('scope: not while gradients are recorded — the tape needs the tensors of the scope')
    const { reads } = this.stats
    this.memory.mark()
    try {
      if (work.constructor.name !== 'AsyncFunction') {
        const result = work() as T & Partial<PromiseLike<unknown>>
        if (typeof result?.then !== 'function' || this.stats.reads > reads) return result
        // This error is thrown instead of what becomes of that work.
        result.then(undefined, () => {})
      }
    } finally {
      this.memory.rewind()
    }
    throw new Error('scope: the work is asynchronous, expected a synchronous function — await outside of the scope')
  }

  /** Runs `work` and releases every tensor born in it that `isKept` does not name; unlike a scope also while the tape records. For the tape. */
  transient<T>(work: () => T, isKept: (storage: Storage, result: T) => boolean): T {
    return this.memory.transient(work, isKept)
  }

  /** Lets the memory of a tensor be reused; no command recorded later may read it. */
  release(...tensors: readonly (Tensor | undefined)[]): void {
    for (const tensor of tensors) if (tensor?.isAlive) this.memory.release(tensor.storage)
  }

  /** What else gives memory back in `trim`: wings' textures. */
  readonly onTrim: (() => void)[] = []

  /** Destroys all memory that no tensor has, whatever earlier work left for later. Using a released tensor is an error from then on. */
  trim(): void {
    this.submit()
    for (const part of [this.memory, this.pipelines, this.commands]) part.trim()
    for (const give of this.onTrim) give()
  }

  /** Tells the tape how to differentiate what was just computed; without an open `gradients` it does nothing. Returns `y`. */
  record(y: Tensor, inputs: readonly Tensor[], backward: Backward): Tensor {
    this.tape?.record(y, inputs, backward)
    return y
  }

  /**
   * Gradients of an objective with respect to `wanted` tensors.
   * @param objective computes it: a tensor, whose sum is differentiated, or seeds for other objectives
   * @throws when a wanted tensor received no gradient
   */
  gradients(wanted: readonly Tensor[], objective: () => Tensor | Seeds, options?: GradientOptions): Tensor[] {
    return this.valueAndGradients(wanted, objective, options).gradients
  }

  /** The same, and as `value` what the objective gave. */
  valueAndGradients<Value extends Tensor | Seeds>(
    wanted: readonly Tensor[],
    objective: () => Value,
    { into, accumulate = false }: GradientOptions = {},
  ): { value: Value; gradients: Tensor[] } {
    if (this.tape) throw new Error('gradients: already recording; gradients of gradients are not supported')
    const tape = (this.tape = new Tape(this, wanted))
    try {
      const value = tape.recording(objective)
      const gradients = [...(into ?? wanted.map(({ shape }) => this.tensor(shape)))]
      const seeds: Seeds = value instanceof Tensor ? [[value, this.ones(value.shape)]] : value
      tape.walkBack(seeds, gradients, accumulate)
      return { value, gradients }
    } finally {
      this.tape = undefined
    }
  }

  /** Whether what is computed now is recorded for its derivative: an operation without one may be used where not. */
  get isRecording(): boolean {
    return this.tape?.isRecording ?? false
  }

  /**
   * Memory for time: keeps the result of `compute` alone, and computes again what lies between when the gradients want it.
   * The gradients have the same bits. Outside of `gradients` it just computes.
   * @param compute gives the same each time: what it reads stays as it is until the gradients are there. Of its tensors only the result may be used
   */
  recompute(compute: () => Tensor): Tensor {
    return this.tape?.isRecording ? this.tape.recompute(compute) : compute()
  }

  /** Bytes of all tensor buffers. */
  get bytes(): number {
    return this.stats.bytes
  }

  /** True once the device is gone; every later call throws the reason, a `DeviceLost`. */
  get isLost(): boolean {
    return this.faults.lost !== undefined
  }

  /** Frees everything. */
  close(): void {
    if (this.closed) return
    this.closed = true
    this.faults.closing = true
    this.memory.trim(true)
    this.device.destroy()
    this.onClose()
  }

  private readonly onesByShape = new Map<number, Tensor>()

  /** Ones, shared and never written to. */
  private ones(shape: Shape): Tensor {
    const size = elements(shape)
    let ones = this.onesByShape.get(size)
    if (!ones) {
      this.onesByShape.set(size, (ones = this.lasting([size])))
      this.write(ones, new Float32Array(size).fill(1))
    }
    return ones.reshape(shape)
  }

  private async readBytes(tensor: Tensor): Promise<ArrayBuffer> {
    this.alive()
    try {
      const bytes = await this.commands.read(tensor)
      this.faults.check()
      return bytes
    } catch (error) {
      // A failed map is a symptom; the kept error is the cause.
      await Promise.resolve()
      this.faults.check()
      throw error
    }
  }

  /** @throws when the adapter does not have this element type; `label` begins the message */
  requireDtype(dtype: DType, label: string): void {
    if (dtype === 'f16' && !this.adapter.features.includes('shader-f16'))
      throw new Error(
        `${label}: float16 was asked for, but ${this.adapter.description} has no feature shader-f16 — use float32`,
      )
  }

  private make(lasting: boolean, shape: Shape, dtype: DType = 'f32', label = 'tensor'): Tensor {
    this.alive()
    const n = elements(shape)
    if (!Number.isInteger(n) || n < 1)
      throw new Error(`${label}: shape [${shape}] has no elements, expected positive integers`)
    this.requireDtype(dtype, label)
    return new Tensor(this, shape, dtype, this.memory.allocate(bytesOf(n, dtype), label, lasting), 0, label)
  }

  private alive(): void {
    if (this.closed) throw new Error('engine: it was closed')
    if (this.faults.lost) throw this.faults.lost
  }
}
