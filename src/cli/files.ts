// Files of the command line: read with one-line errors, written whole or not at all.
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { DatasetDirectory, ReadFile } from '../data/directory.js'
import { type OpenFile, openSource } from '../formats/open-file.js'
import type { Pieces } from '../formats/pieces.js'

/** Bytes per read: Node reads at most 2 GiB at once. */
const MOST_AT_ONCE = 2 ** 30

/** The bytes of a file of up to 4 GiB. @throws one line that names the file and `what` it should have been */
export async function readBytes(path: string, what: string, atOnce = MOST_AT_ONCE): Promise<Uint8Array> {
  const file = await openFile(path, what, atOnce)
  try {
    return await file.read(0, file.size)
  } finally {
    await file.close?.()
  }
}

/**
 * Opens a file of any size, to read parts of it.
 * @throws when opening and reading: one line that names the file and `what` it should have been
 */
export async function openFile(path: string, what: string, atOnce = MOST_AT_ONCE): Promise<OpenFile> {
  const named = <T>(work: Promise<T>) =>
    work.catch(error => {
      throw new Error(`${what} ${path}: ${reason(error)}`)
    })
  const file = await named(open(path))
  try {
    const { size } = await named(file.stat())
    // Pipes and some devices report the size 0.
    const source = size ? undefined : openSource(new Uint8Array(await named(file.readFile())))
    const read = async (at: number, length: number) => {
      const bytes = new Uint8Array(length)
      for (let done = 0; done < length;) {
        const { bytesRead } = await file.read(bytes, done, Math.min(atOnce, length - done), at + done)
        done += bytesRead
        if (!bytesRead)
          throw new Error(`it became shorter while it was read: expected ${size} bytes but found ${at + done}`)
      }
      return bytes
    }
    return { size, read: (at, length) => named(read(at, length)), ...source, close: () => file.close() }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Whether a path contains a name that systems and notebooks put beside people's files: dot files, `__MACOSX`. */
export function isHidden(path: string): boolean {
  return path.split(/[\\/]/).some(name => name.startsWith('.') || name === '__MACOSX')
}

/**
 * The bytes of a file piece by piece, from the beginning at each call. A pipe can be read only once: its bytes stay in
 * memory.
 * @param onProgress called with the share that has been read, 0 … 1
 * @throws as `readBytes`
 */
export function filePieces(path: string, what: string, onProgress?: (share: number) => void): Pieces {
  let kept: Promise<Uint8Array> | undefined
  return async function* () {
    const size = await stat(path).then(
      found => (found.isFile() ? found.size : 0),
      () => 0,
    )
    if (size === 0) {
      yield await (kept ??= readBytes(path, what))
      return
    }
    let done = 0
    try {
      for await (const piece of createReadStream(path, { highWaterMark: 2 ** 20 })) {
        yield piece
        onProgress?.((done += piece.length) / size)
      }
    } catch (error) {
      throw new Error(`${what} ${path}: ${reason(error)}`)
    }
  }
}

/** Reads a dataset directory. */
export function datasetFiles(directory: string): ReadFile {
  return path => readBytes(join(directory, path), 'dataset')
}

/** A dataset directory on disk, whose files are read in parts. */
export function datasetDirectory(directory: string): DatasetDirectory {
  return { name: directory, open: path => openFile(join(directory, path), 'dataset') }
}

/** A file could not be written; the old file is still whole. */
export class WriteError extends Error {
  constructor(path: string, error: unknown) {
    super(`cannot write ${path}: ${reason(error)}`)
  }
}

/** Writes next to the file and renames: a reader sees the old content or the new one, never a part. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  await writeTogether([[path, content]])
}

/** Several files that belong together: none is replaced before all are written. */
export async function writeTogether(
  files: readonly (readonly [path: string, content: string | Uint8Array])[],
): Promise<void> {
  const written: [partial: string, path: string][] = []
  let at = ''
  try {
    for (const [path, content] of files) {
      at = path
      const partial = join(dirname(path), `.${basename(path)}${PARTIAL}${process.pid}`)
      written.push([partial, path])
      const file = await open(partial, 'w')
      try {
        await file.writeFile(content)
        await file.sync()
      } finally {
        await file.close()
      }
    }
    for (const [partial, path] of written) await rename(partial, (at = path))
  } catch (error) {
    for (const [partial] of written) await rm(partial, { force: true }).catch(() => {})
    throw new WriteError(at, error)
  }
}

/** In the name of a file that is being written, the part between its final name and the number of the process. */
const PARTIAL = '.partial-'

/** Removes partial files that a killed process left in a directory. */
export async function removePartials(directory: string): Promise<void> {
  for (const name of await readdir(directory))
    if (name.startsWith('.') && name.includes(PARTIAL)) await rm(join(directory, name), { force: true })
}

/** Adds lines to the end of a file: all of them, or none. */
export async function appendWhole(path: string, lines: string): Promise<void> {
  try {
    const file = await open(path, 'a')
    try {
      const { size } = await file.stat()
      await file.appendFile(lines).catch(async error => {
        await file.truncate(size).catch(() => {})
        throw error
      })
    } finally {
      await file.close()
    }
  } catch (error) {
    throw new WriteError(path, error)
  }
}

/** Makes a directory that can be written to. The returned function removes the directories that were made, if empty. */
export async function makeDirectory(path: string): Promise<() => Promise<void>> {
  try {
    const first = await mkdir(path, { recursive: true })
    const probe = join(path, `.probe${PARTIAL}${process.pid}`)
    await (await open(probe, 'w')).close()
    await rm(probe)
    return async () => {
      if (first === undefined) return
      for (let each = resolve(path); ; each = dirname(each)) {
        const isGone = await rmdir(each).then(
          () => true,
          () => false,
        )
        if (!isGone || each === resolve(first)) return
      }
    }
  } catch (error) {
    throw new Error(`cannot write to ${path}: ${reason(error)} — choose another --out`)
  }
}

/** The system's words for a file error, without the path that the message already has. */
export function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  const words: Record<string, string> = {
    ENOENT: 'no such file or directory',
    EACCES: 'permission denied',
    EEXIST: 'a file of that name is in the way',
    EPERM: 'operation not permitted',
    EISDIR: 'it is a directory',
    ENOTDIR: 'a part of the path is not a directory',
    EROFS: 'the file system is read-only',
    ENOSPC: 'no space left',
    EDQUOT: 'no space left for this user',
    EFBIG: 'it would be larger than is allowed here',
    EIO: 'the disk or its connection fails',
  }
  return words[code ?? ''] ?? message.split(',')[0]
}
