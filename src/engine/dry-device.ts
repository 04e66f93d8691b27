// A GPU device that takes every call and does nothing: an engine on it only counts.

/** Every property and every call of it gives the object itself. It is no promise. */
const nothing: unknown = new Proxy(() => nothing, {
  get: (_, name) => (name === 'then' ? undefined : nothing),
  apply: () => nothing,
})

const withNothing = <T extends object>(own: object): T =>
  new Proxy(own, { get: (target, name) => (name in target ? Reflect.get(target, name) : nothing) }) as T

/** A device with the limits and features of `device` and without memory. Reads give zeros. */
export function dryDevice({ limits, features }: GPUDevice): GPUDevice {
  return withNothing({
    limits,
    features,
    lost: new Promise(() => {}),
    createBuffer: ({ size }: GPUBufferDescriptor) =>
      withNothing({ getMappedRange: (_: number, bytes = size) => new ArrayBuffer(bytes), mapAsync: async () => {} }),
  })
}
