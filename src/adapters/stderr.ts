// Keeps the lines that Dawn and the Vulkan loader print about drivers off standard error; never in a browser bundle.
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isatty } from 'node:tty'
import { isMainThread } from 'node:worker_threads'

/** Where nothing was muted, nothing is to be undone. */
const NOTHING_TO_UNDO = () => {}

/**
 * Mutes file descriptor 2 until the returned function is called.
 * Dawn has no switch for its log, and Node has no dup2. So descriptor 2 is closed and opened again, where that gives
 * the same thing: a terminal, a pipe with a reader, a file in append mode. In a file of another mode, the new lines are
 * cut off again. Nothing is muted on a socket, on other systems than Linux, in threads, and where another file could
 * take the number 2.
 */
export function muteStderr(): () => void {
  // Deno has ids of its own in place of descriptors: after closing one, nothing can be written to standard error.
  if (process.platform !== 'linux' || !isMainThread || 'deno' in process.versions) return NOTHING_TO_UNDO
  try {
    const kind = fstatSync(2)
    if (kind.isFile() && !isAppended()) return takeBackLines()
    return isatty(2) || kind.isFIFO() || kind.isFile() ? closeForNow(kind.isFIFO()) : NOTHING_TO_UNDO
  } catch {
    return NOTHING_TO_UNDO
  }
}

function isAppended(): boolean {
  const [, flags] = /^flags:\s*(\d+)/m.exec(readFileSync('/proc/self/fdinfo/2', 'utf8'))!
  return Boolean(parseInt(flags, 8) & constants.O_APPEND)
}

/** Points descriptor 2 at /dev/null, unless another file could take the number 2 in between. */
function closeForNow(isPipe: boolean): () => void {
  if (process.getActiveResourcesInfo().some(name => /Req/.test(name) && !/^(Close|Write|Shutdown)/.test(name)))
    return NOTHING_TO_UNDO
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

/** Lines of Dawn and the Vulkan loader about drivers and limits. */
const NOISE =
  /artificially reduced|vkEnumeratePhysicalDevices|Loader Message|GatherPhysicalDevices|VK_ERROR_INCOMPATIBLE_DRIVER/

/**
 * Lets a file get the lines, and cuts them off again: only lines that were added at its end, and only lines of NOISE.
 * The end moves for all that writes through the same opening of the file, such as standard output or the next command
 * of a shell.
 */
function takeBackLines(): () => void {
  const seek = seeker()
  const start = seek(2, 0, SEEK.current)
  if (start !== fstatSync(2).size) return NOTHING_TO_UNDO
  return () => {
    try {
      const end = seek(2, 0, SEEK.current)
      if (end === start || end !== fstatSync(2).size) return
      const added = Buffer.alloc(end - start)
      const file = openSync('/proc/self/fd/2', 'r')
      readSync(file, added, 0, added.length, start)
      closeSync(file)
      const lines = added.toString().trimEnd().split('\n')
      if (!lines.every(line => NOISE.test(line))) return
      ftruncateSync(2, start)
      seek(2, start, SEEK.start)
    } catch {
      // The lines stay.
    }
  }
}

/** What an offset counts from, as WASI numbers it. */
const SEEK = { start: 0, current: 1 }

/** A WebAssembly module that only has a memory: (module (memory (export "memory") 1)) */
const MEMORY_MODULE = '0061736d010000000503010001070a01066d656d6f72790200'

/** lseek, which Node offers only in its system interface for WebAssembly. @throws where there is none */
function seeker(): (descriptor: number, offset: number, whence: number) => number {
  const { emitWarning } = process
  // That interface calls itself experimental, on standard error.
  process.emitWarning = () => {}
  try {
    const { WASI } = createRequire(import.meta.url)('node:wasi') as typeof import('node:wasi')
    const wasi = new WASI({ version: 'preview1' })
    const module = Buffer.from(MEMORY_MODULE, 'hex')
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
