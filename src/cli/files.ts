// Files of the command line: read with one-line errors, written whole or not at all.
import { mkdir, open, rename, rm, rmdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { DatasetDirectory, ReadFile } from '../data/directory.js'
import { type OpenFile, openSource } from '../formats/open-file.js'

/** Node reads at most 2 GiB at once. */
const MOST_AT_ONCE = 2 ** 30

/** The bytes of a file, of up to 4 GiB. Throws one line that names the file and `what` it should have been. */
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
 * Opening and reading reject with one line that names the file and `what` it should have been.
 */
export async function openFile(path: string, what: string, atOnce = MOST_AT_ONCE): Promise<OpenFile> {
  const named = <T>(work: Promise<T>) => work.catch(error => {
    throw new Error(`${what} ${path}: ${reason(error)}`)
  })
  const file = await named(open(path))
  try {
    const { size } = await named(file.stat())
    // Pipes and the like tell no size.
    const source = size ? undefined : openSource(new Uint8Array(await named(file.readFile())))
    const read = async (at: number, length: number) => {
      const bytes = new Uint8Array(length)
      for (let done = 0; done < length; ) {
        const { bytesRead } = await file.read(bytes, done, Math.min(atOnce, length - done), at + done)
        done += bytesRead
        if (!bytesRead) throw new Error(`it became shorter while it was read: expected ${size} bytes but found ${at + done}`)
      }
      return bytes
    }
    return { size, read: (at, length) => named(read(at, length)), ...source, close: () => file.close() }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Whether a path leads through what systems and notebooks put beside people's files: dot files, `__MACOSX`. */
export function isHidden(path: string): boolean {
  return path.split(/[\\/]/).some(name => name.startsWith('.') || name === '__MACOSX')
}

/** Reads a dataset directory. */
export function datasetFiles(directory: string): ReadFile {
  return path => readBytes(join(directory, path), 'dataset')
}

/** A dataset directory whose files are opened. */
export function datasetDirectory(directory: string): DatasetDirectory {
  return { name: directory, open: path => openFile(join(directory, path), 'dataset') }
}

/** Writes next to the file and renames: a reader sees the old content or the new one, never a part. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const partial = join(dirname(path), `.${basename(path)}.partial-${process.pid}`)
  try {
    const file = await open(partial, 'w')
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(partial, path)
  } catch (error) {
    await rm(partial, { force: true }).catch(() => {})
    throw new Error(`cannot write ${path}: ${reason(error)}`)
  }
}

/** Makes a directory that can be written to. What it gives takes back what it made, as far as that is empty. */
export async function makeDirectory(path: string): Promise<() => Promise<void>> {
  try {
    const first = await mkdir(path, { recursive: true })
    const probe = join(path, `.probe-${process.pid}`)
    await (await open(probe, 'w')).close()
    await rm(probe)
    return async () => {
      if (first === undefined) return
      for (let each = resolve(path); ; each = dirname(each)) {
        const isGone = await rmdir(each).then(() => true, () => false)
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
  }
  return words[code ?? ''] ?? message.split(',')[0]
}
