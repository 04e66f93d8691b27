// A stand-in for a GPU device that takes every call and does nothing: an engine on it counts what it would make.

/** Any property and any call of it is itself again; not a promise. */
const nothing: unknown = new Proxy(() => nothing, {
  get: (_, name) => (name === 'then' ? undefined : nothing),
  apply: () => nothing,
})

const withNothing = <T extends object>(own: object): T =>
  new Proxy(own, { get: (target, name) => (name in target ? Reflect.get(target, name) : nothing) }) as T

/** A device of the limits and features of `device` without any memory; what is read from it is zeros. */
export function dryDevice({ limits, features }: GPUDevice): GPUDevice {
  return withNothing({
    limits,
    features,
    lost: new Promise(() => {}),
    createBuffer: ({ size }: GPUBufferDescriptor) =>
      withNothing({ getMappedRange: (_: number, bytes = size) => new ArrayBuffer(bytes), mapAsync: async () => {} }),
  })
}
