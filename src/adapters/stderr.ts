// Keeps from standard error what Dawn and the Vulkan loader print there while they list the drivers; never part of a browser bundle.
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isatty } from 'node:tty'
import { isMainThread } from 'node:worker_threads'

const keep = () => {}

/**
 * Mutes file descriptor 2 until the returned function is called: what is written straight there in between is of no use to a user.
 * Dawn has no switch for its log, and Node no dup2. So descriptor 2 is closed and opened again where that gives the same thing (a terminal,
 * a pipe with a reader, a file in append mode), and a file of another mode loses the lines that it got. A socket keeps them, as do
 * other systems than Linux, and threads, and moments in which another file could take the number 2.
 */
export function muteStderr(): () => void {
  // Deno gives no descriptors but ids of its own: a closed one is gone for whoever writes to standard error.
  if (process.platform !== 'linux' || !isMainThread || 'deno' in process.versions) return keep
  try {
    const kind = fstatSync(2)
    if (kind.isFile() && !isAppended()) return takeBackLines()
    return isatty(2) || kind.isFIFO() || kind.isFile() ? closeForNow(kind.isFIFO()) : keep
  } catch {
    return keep
  }
}

function isAppended(): boolean {
  return Boolean(
    parseInt(/^flags:\s*(\d+)/m.exec(readFileSync('/proc/self/fdinfo/2', 'utf8'))![1], 8) & constants.O_APPEND,
  )
}

/** Points descriptor 2 at /dev/null, while nothing else can take its number in between. */
function closeForNow(isPipe: boolean): () => void {
  if (process.getActiveResourcesInfo().some(name => /Req/.test(name) && !/^(Close|Write|Shutdown)/.test(name)))
    return keep
  fstatSync(0)
  fstatSync(1)
  // A pipe whose reader has gone would block; without blocking, the open fails instead.
  const again = constants.O_WRONLY | constants.O_APPEND | constants.O_NOCTTY | (isPipe ? constants.O_NONBLOCK : 0)
  const spare = openSync('/proc/self/fd/2', again)
  closeSync(2)
  openSync('/dev/null', 'w')
  return () => {
    closeSync(2)
    try {
      openSync(`/proc/self/fd/${spare}`, again)
    } catch {
      openSync('/dev/null', 'w')
    }
    closeSync(spare)
  }
}

/** What Dawn and the Vulkan loader say of drivers and limits. */
const NOISE =
  /artificially reduced|vkEnumeratePhysicalDevices|Loader Message|GatherPhysicalDevices|VK_ERROR_INCOMPATIBLE_DRIVER/

/**
 * Lets a file get its lines, and cuts them off again: only what was added at its end, and only lines of that kind. The end moves for
 * everybody who writes through the same opening of the file, such as standard output or the next command of a shell.
 */
function takeBackLines(): () => void {
  const seek = seeker()
  const start = seek(2, 0, SEEK.current)
  if (start !== fstatSync(2).size) return keep
  return () => {
    try {
      const end = seek(2, 0, SEEK.current)
      if (end === start || end !== fstatSync(2).size) return
      const added = Buffer.alloc(end - start)
      const file = openSync('/proc/self/fd/2', 'r')
      readSync(file, added, 0, added.length, start)
      closeSync(file)
      if (
        !added
          .toString()
          .trimEnd()
          .split('\n')
          .every(line => NOISE.test(line))
      )
        return
      ftruncateSync(2, start)
      seek(2, start, SEEK.start)
    } catch {
      // The lines stay.
    }
  }
}

const SEEK = { start: 0, current: 1 }

/** lseek, which Node has nowhere but in its system interface for WebAssembly. @throws where there is none */
function seeker(): (descriptor: number, offset: number, whence: number) => number {
  const { emitWarning } = process
  // That interface calls itself experimental, on standard error.
  process.emitWarning = () => {}
  try {
    const { WASI } = createRequire(import.meta.url)('node:wasi') as typeof import('node:wasi')
    const wasi = new WASI({ version: 'preview1' })
    // A module that only has a memory: (module (memory (export "memory") 1))
    const module = Uint8Array.of(
      0,
      0x61,
      0x73,
      0x6d,
      1,
      0,
      0,
      0,
      5,
      3,
      1,
      0,
      1,
      7,
      10,
      1,
      6,
      0x6d,
      0x65,
      0x6d,
      0x6f,
      0x72,
      0x79,
      2,
      0,
    )
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module))
    wasi.initialize(instance)
    const answer = new DataView((instance.exports.memory as WebAssembly.Memory).buffer)
    const { fd_seek: seek } = wasi.wasiImport as Record<
      string,
      (descriptor: number, offset: bigint, whence: number, answer: number) => number
    >
    return (descriptor, offset, whence) => {
      if (seek(descriptor, BigInt(offset), whence, 0) !== 0) throw new Error('stderr: its place cannot be told')
      return Number(answer.getBigUint64(0, true))
    }
  } finally {
    process.emitWarning = emitWarning
  }
}
