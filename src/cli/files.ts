// Files of the command line: read with one-line errors, written whole or not at all.
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ReadFile } from '../data/dataset.js'

/** The bytes of a file. Throws one line that names the file and `what` it should have been. */
export async function readBytes(path: string, what: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    throw new Error(`${what} ${path}: ${reason(error)}`)
  }
}

/** Reads a dataset directory. */
export function datasetFiles(directory: string): ReadFile {
  return path => readBytes(join(directory, path), 'dataset')
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

/** Makes a directory that can be written to. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
    const probe = join(path, `.probe-${process.pid}`)
    await (await open(probe, 'w')).close()
    await rm(probe)
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
