// Records commands. Dispatches share one compute pass of one encoder until something forces a submit.
import { BufferUsage, MAP_READ } from './device.js'
import type { Stats } from './stats.js'
import { bytesOf, type Tensor } from './tensor.js'
import type { Workgroups } from '../kernels/kernel.js'

export class Commands {
  #encoder: GPUCommandEncoder | undefined
  #pass: GPUComputePassEncoder | undefined
  #current: GPUComputePipeline | undefined
  #sinceSubmit = 0
  /** Read-back buffers that are free. */
  readonly #staging: GPUBuffer[] = []

  constructor(
    private readonly device: GPUDevice,
    private readonly stats: Stats,
    private readonly wait: <T>(promise: Promise<T>) => Promise<T>,
    /** See `EngineOptions`. */
    private readonly submitAfter = 32,
  ) {}

  dispatch(pipeline: GPUComputePipeline, group: GPUBindGroup, workgroups: Workgroups): void {
    if (!this.#pass) {
      this.#encoder ??= this.device.createCommandEncoder()
      this.#pass = this.#encoder.beginComputePass()
      this.#current = undefined
    }
    if (this.#current !== pipeline) this.#pass.setPipeline((this.#current = pipeline))
    this.#pass.setBindGroup(0, group)
    this.#pass.dispatchWorkgroups(...workgroups)
    this.stats.dispatches++
    if (++this.#sinceSubmit >= this.submitAfter) this.submit()
  }

  /** Copies elements of `from` over those of `to` that start at element `at`. */
  copy(from: Tensor, to: Tensor, at = 0): void {
    this.outsidePass().copyBufferToBuffer(
      from.storage.buffer,
      from.offset,
      to.storage.buffer,
      to.offset + bytesOf(at, to.dtype),
      from.bytes,
    )
  }

  clear(tensor: Tensor): void {
    this.outsidePass().clearBuffer(tensor.storage.buffer, tensor.offset, tensor.bytes)
  }

  /** Host write. It submits recorded commands first: `writeBuffer` overtakes commands that are not submitted. */
  write(tensor: Tensor, data: ArrayBufferView, at = 0): void {
    this.submit()
    this.device.queue.writeBuffer(
      tensor.storage.buffer,
      tensor.offset + bytesOf(at, tensor.dtype),
      data.buffer as ArrayBuffer,
      data.byteOffset,
      data.byteLength,
    )
    this.stats.writes++
  }

  submit(): void {
    this.#pass?.end()
    this.#pass = undefined
    this.#sinceSubmit = 0
    if (!this.#encoder) return
    this.device.queue.submit([this.#encoder.finish()])
    this.#encoder = undefined
    this.stats.submits++
  }

  /** Copies in order with the recorded commands, and resolves when the bytes have arrived. */
  async read(tensor: Tensor): Promise<ArrayBuffer> {
    const bytes = tensor.bytes
    const size = 2 ** Math.ceil(Math.log2(Math.max(bytes, 256)))
    const waiting = this.#staging.findIndex(buffer => buffer.size === size)
    const buffer =
      this.#staging.splice(waiting, waiting < 0 ? 0 : 1)[0] ??
      this.device.createBuffer({ label: 'read-back', size, usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST })
    this.outsidePass().copyBufferToBuffer(tensor.storage.buffer, tensor.offset, buffer, 0, bytes)
    this.submit()
    this.stats.reads++
    await this.wait(buffer.mapAsync(MAP_READ, 0, bytes))
    const copy = buffer.getMappedRange(0, bytes).slice(0)
    buffer.unmap()
    this.#staging.push(buffer)
    return copy
  }

  /** Destroys the free read-back buffers. */
  trim(): void {
    for (const buffer of this.#staging.splice(0)) buffer.destroy()
  }

  /** Ends the pass, and returns the encoder for copies after it. */
  outsidePass(): GPUCommandEncoder {
    this.#pass?.end()
    this.#pass = undefined
    return (this.#encoder ??= this.device.createCommandEncoder())
  }
}
