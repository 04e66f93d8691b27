// The page's side of the protocol: every call is a promise, and its progress a callback.
import type { CallName, Calls, Reply, Request } from './protocol.js'

interface Pending {
  resolve(result: unknown): void
  reject(error: Error): void
  onProgress(progress: unknown): void
}

export class Connection {
  readonly #worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'webgpu-trm' })
  readonly #pending = new Map<number, Pending>()
  #last = 0

  /** @param onNotice takes messages of the worker that belong to no call */
  constructor(onNotice: (text: string, isTrouble: boolean) => void) {
    this.#worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      if ('notice' in data) return onNotice(data.notice, data.isTrouble)
      const pending = this.#pending.get(data.id)
      if (!pending) return
      if ('progress' in data) return pending.onProgress(data.progress)
      this.#pending.delete(data.id)
      if ('error' in data) pending.reject(new Error(data.error))
      else pending.resolve(data.result)
    }
    this.#worker.onerror = event => {
      const error = new Error(`the worker failed: ${event.message || 'it could not be loaded'} — reload the page`)
      onNotice(error.message, true)
      for (const { reject } of this.#pending.values()) reject(error)
      this.#pending.clear()
    }
  }

  call<Name extends CallName>(
    call: Name,
    argument: Calls[Name]['argument'],
    onProgress: (progress: Calls[Name]['progress']) => void = () => {},
  ): Promise<Calls[Name]['result']> {
    return new Promise((resolve, reject) => {
      const id = ++this.#last
      this.#pending.set(id, {
        resolve: resolve as Pending['resolve'],
        reject,
        onProgress: onProgress as Pending['onProgress'],
      })
      const request: Request<Name> = { id, call, argument }
      this.#worker.postMessage(request)
    })
  }
}
