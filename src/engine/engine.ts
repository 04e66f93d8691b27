// The engine: one device with its memory, compiled kernels, recorded commands and tape. It knows no model.
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
   * How to wait for a promise of the GPU. Default: await it and the errors that belong to it.
   * Node's Dawn keeps the JavaScript thread busy while it waits; 'webgpu-trm/node' waits without that.
   */
  wait?: <T>(promise: Promise<T>) => Promise<T>
  /**
   * Submits by itself after this many dispatches. It changes no result. Default 32: the GPU computes while the host
   * goes on recording, and a browser can draw in between. A kernel's first dispatch is always submitted at once.
   */
  submitAfter?: number
  /** Whether the GPU object has bounds checks, for `adapter.boundsChecks`. Only 'webgpu-trm/node' gives false. */
  boundsChecks?: boolean
  /** `close()` calls it once. */
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
  /** Whether no kernel can reach beyond its tensors. */
  readonly boundsChecks: boolean
  /** Whether it computes on the processor. */
  readonly isSoftware: boolean
  /** Threads of every subgroup. Undefined if that varies or if there are no subgroups. */
  readonly subgroupSize: number | undefined
  /** Kinds of subgroup matrices with sums in float32. None unless a kernel can ask for subgroups of 32 threads. */
  readonly subgroupMatrices: readonly MatrixKind[]
  /** Largest tensor, bytes. */
  readonly maxTensorBytes: number
  /** Memory that the threads of a workgroup share, bytes. */
  readonly workgroupBytes: number
  /** Most threads of a workgroup. */
  readonly workgroupThreads: number
}

export class Engine {
  readonly stats: Stats = newStats()
  /** Chooses among the kernels of an operation. */
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
    private readonly submitAfter?: number,
    variants?: Variants,
  ) {
    this.variants = new Variants(adapter, variants)
    this.memory = new Memory(device, this.stats, adapter.maxTensorBytes)
    this.pipelines = new Pipelines(device, this.stats)
    this.commands = new Commands(device, this.stats, wait, submitAfter)
    this.faults = new Faults(device, adapter.description)
  }

  /**
   * Opens the best adapter of `gpu` with the limits and features that kernels use, as far as it has them.
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
   * An engine for the same adapter that computes nothing and takes no memory. Reads give zeros.
   * Its `stats` are those of a new engine after the same calls, with the variants that this engine would pick.
   */
  dryRun(): Engine {
    return new Engine(
      dryDevice(this.device),
      this.adapter,
      promise => promise,
      () => {},
      this.submitAfter,
      this.variants,
    )
  }

  /** An uninitialised tensor. It lives until the innermost open scope ends. Outside of scopes it is a lasting one. */
  tensor(shape: Shape, dtype?: DType, label?: string): Tensor {
    return this.make(false, shape, dtype, label)
  }

  /** An uninitialised tensor that outlives every scope, until `release` or `close`. */
  lasting(shape: Shape, dtype?: DType, label?: string): Tensor {
    return this.make(true, shape, dtype, label)
  }

  /** A tensor that holds `data`, with the array's element type. It lives as long as one of `tensor`. A host write. */
  from(data: Float32Array | Int32Array | Uint32Array, shape: Shape = [data.length], label?: string): Tensor {
    const dtype = data instanceof Float32Array ? 'f32' : data instanceof Int32Array ? 'i32' : 'u32'
    if (data.length !== elements(shape)) throw new Error(`from: ${data.length} values do not fill shape [${shape}]`)
    const tensor = this.tensor(shape, dtype, label)
    this.write(tensor, data)
    return tensor
  }

  /** A tensor of zeros. It lives as long as one of `tensor`. */
  zeros(shape: Shape, dtype?: DType, label?: string): Tensor {
    const tensor = this.tensor(shape, dtype, label)
    this.clear(tensor)
    return tensor
  }

  /** Overwrites elements from `at` on. It submits the commands that were recorded before. */
  write(tensor: Tensor, data: Float32Array | Int32Array | Uint32Array, at = 0): void {
    if (at + data.length > tensor.size)
      throw new Error(
        `write: ${data.length} values at ${at} do not fit the ${tensor.size} elements ` +
          `of a tensor of shape [${tensor.shape}]`,
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

  /** Sets all elements to 0. */
  clear(tensor: Tensor): void {
    this.alive()
    this.commands.clear(tensor)
  }

  /**
   * The elements of a tensor, in row-major order.
   * The copy is recorded at once, so the tensor's scope may end before the values arrive.
   */
  async read(tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
    const bytes = await this.readBytes(tensor)
    return tensor.dtype === 'f16' ? float16ToFloat32(new Uint16Array(bytes, 0, tensor.size)) : new Float32Array(bytes)
  }

  async readInt32(tensor: Tensor): Promise<Int32Array<ArrayBuffer>> {
    return new Int32Array(await this.readBytes(tensor))
  }

  /** Submits, and resolves when all work is done. @throws the first error since the last wait */
  async finish(): Promise<void> {
    this.alive()
    this.submit()
    await this.wait(this.device.queue.onSubmittedWorkDone())
    this.faults.check()
  }

  private readonly inFlight: Promise<undefined>[] = []

  /**
   * Submits, and waits while the work of more than `ahead` earlier calls is not done.
   * So a loop stays that far ahead of the GPU. It reads nothing back.
   */
  async pace(ahead = 2): Promise<void> {
    this.submit()
    this.inFlight.push(this.device.queue.onSubmittedWorkDone())
    if (this.inFlight.length > ahead) await this.wait(this.inFlight.shift()!)
    this.faults.check()
  }

  /**
   * Compiles in parallel every kernel that ran on a dry run of this engine. None has to be compiled when it first runs.
   * It does nothing on software adapters: their drivers compile at the first run, while the host goes on recording.
   * The first wait after a kernel ran throws its error, as without this.
   */
  async compile(dry: Engine): Promise<void> {
    this.alive()
    if (!this.adapter.isSoftware) await this.wait(this.pipelines.compile(dry.pipelines))
  }

  /**
   * Records one dispatch.
   * @param bound a tensor for each of the kernel's bindings, or a resource if the binding is a layout entry
   * @throws when a binding is missing, and on a name that the kernel does not bind
   */
  dispatch<Size>(kernel: Kernel<Size>, bound: Readonly<Record<string, Bound>>, size: Size): void {
    this.alive()
    const halves: number[] = []
    let binding = 0
    for (const name in kernel.bindings) {
      if ((bound[name] as Partial<Tensor> | undefined)?.dtype === 'f16') halves.push(binding)
      binding++
    }
    const plan = this.pipelines.plan(kernel, size, halves)
    const { entry, workgroups } = plan
    this.commands.dispatch(entry.pipeline, this.pipelines.bindGroup(kernel, size, plan, bound), workgroups)
    // Some drivers compile a kernel when it first runs. They do it while the host goes on recording.
    if (!entry.ran) this.commands.submit()
    entry.ran = true
  }

  /** Records other commands, such as copies into textures, in order with the dispatches. */
  encode(work: (encoder: GPUCommandEncoder) => void): void {
    this.alive()
    work(this.commands.outsidePass())
  }

  /** Sends the recorded commands to the GPU. */
  submit(): void {
    this.commands.submit()
  }

  /**
   * Runs `work` and gives back the memory of every tensor that was created in it. To keep values, copy them to a tensor
   * from outside, or read them: a `read` copies at once, and its promise may leave the scope.
   * @throws when the work is asynchronous, and while gradients are recorded
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
        // The error below stands for this work, whatever becomes of it.
        result.then(undefined, () => {})
      }
    } finally {
      this.memory.rewind()
    }
    throw new Error('scope: the work is asynchronous, expected a synchronous function — await outside of the scope')
  }

  /**
   * Runs `work` and releases every tensor that was created in it, except if `isKept`. The tape may record.
   * @internal
   */
  transient<T>(work: () => T, isKept: (storage: Storage, result: T) => boolean): T {
    return this.memory.transient(work, isKept)
  }

  /** Gives the memory of tensors back. Using them is an error from then on. Releasing twice does no harm. */
  release(...tensors: readonly (Tensor | undefined)[]): void {
    for (const tensor of tensors) if (tensor?.isAlive) this.memory.release(tensor.storage)
  }

  /**
   * Called by `trim`: wings give their textures back.
   * @internal
   */
  readonly onTrim: (() => void)[] = []

  /** Destroys all memory that no tensor has: earlier work left it for later work. */
  trim(): void {
    this.submit()
    for (const part of [this.memory, this.pipelines, this.commands]) part.trim()
    for (const give of this.onTrim) give()
  }

  /** Tells the tape how to differentiate `y`, which was just computed. Outside of `gradients` it does nothing. */
  record(y: Tensor, inputs: readonly Tensor[], backward: Backward): Tensor {
    this.tape?.record(y, inputs, backward)
    return y
  }

  /**
   * Gradients of an objective with respect to `wanted` tensors.
   * @param objective computes a tensor, whose sum is differentiated, or seeds for another objective
   * @throws when a wanted tensor received no gradient
   */
  gradients(wanted: readonly Tensor[], objective: () => Tensor | Seeds, options?: GradientOptions): Tensor[] {
    return this.valueAndGradients(wanted, objective, options).gradients
  }

  /** Gradients as from `gradients`, and the `value` that the objective returned. */
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

  /** Whether the tape records what is computed now. If not, an operation without a derivative may be used. */
  get isRecording(): boolean {
    return this.tape?.isRecording ?? false
  }

  /**
   * Saves memory for time: keeps only the result of `compute`. The tensors between are computed again when the
   * gradients need them. The gradients have the same bits. Outside of `gradients` it just computes.
   * @param compute must give the same each time: the tensors that it reads must not change before the gradients exist.
   * Of the tensors that it creates, only the result may be used
   */
  recompute(compute: () => Tensor): Tensor {
    return this.tape?.isRecording ? this.tape.recompute(compute) : compute()
  }

  /** Bytes of all tensor buffers. */
  get bytes(): number {
    return this.stats.bytes
  }

  /** True once the device is gone. Every later call throws a `DeviceLost` with the reason. */
  get isLost(): boolean {
    return this.faults.lost !== undefined
  }

  /** Frees everything. Later calls throw. */
  close(): void {
    if (this.closed) return
    this.closed = true
    this.faults.closing = true
    this.memory.trim(true)
    this.device.destroy()
    this.onClose()
  }

  private readonly onesBySize = new Map<number, Tensor>()

  /** A shared tensor of ones. Nothing writes to it. */
  private ones(shape: Shape): Tensor {
    const size = elements(shape)
    let ones = this.onesBySize.get(size)
    if (!ones) {
      this.onesBySize.set(size, (ones = this.lasting([size])))
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

  /**
   * @throws when the adapter does not have this element type; `label` begins the message
   * @internal
   */
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
