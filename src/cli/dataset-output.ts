// Writes a dataset directory whole or not at all, and replaces nothing but a dataset directory.
import { lstat, mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { DATASET_PATHS } from '../data/dataset.js'
import { GRID_TASK_PATH } from '../data/grids.js'
import { reason } from './files.js'
import { Progress } from './progress.js'

/** Files of a dataset directory by path. A table that is too large for memory comes in pieces. */
export type Files = Map<string, Uint8Array | Iterable<Uint8Array>>

/** What stands at `out`. @throws where something stands there that may not be replaced */
export async function checkPlace(out: string, force: boolean): Promise<'free' | 'empty' | 'taken'> {
  const fail = (message: string): never => {
    throw new Error(`data: ${message}`)
  }
  let entries: string[]
  try {
    if (!(await lstat(out)).isDirectory())
      fail(`expected ${out} to be free or a directory, got something else — choose another --out`)
    entries = (await readdir(out, { recursive: true })).map(entry => entry.split(sep).join('/'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return 'free'
    if (code === undefined) throw error
    return fail(`cannot write ${out}: ${reason(error)}`)
  }
  if (entries.length === 0) return 'empty'
  const ours = new Set([...DATASET_PATHS, 'test_puzzles.json', GRID_TASK_PATH, 'train', 'test'])
  const wanted = entries.filter(entry => !isLitter(entry))
  const stranger = wanted.find(entry => !ours.has(entry))
  if (stranger !== undefined)
    fail(`expected ${out} to be empty or a dataset directory, found ${stranger} in it — choose another --out`)
  if (wanted.length > 0 && !force)
    fail(`expected ${out} to be empty, found a dataset in it — add --force to replace it`)
  return 'taken'
}

/** Whether a file is one that file managers leave in every folder that they show. */
function isLitter(path: string): boolean {
  return /(^|\/)(\.DS_Store|\._[^/]*|Thumbs\.db|desktop\.ini)$/i.test(path)
}

/** Writes all files next to `out`, then renames: a reader sees the old directory or the new one, never a part. */
export async function writeDirectory(out: string, files: Files, force: boolean): Promise<void> {
  const target = resolve(out)
  const sibling = (word: string) => join(dirname(target), `.${basename(target)}.${word}-${process.pid}`)
  const [partial, old] = [sibling('partial'), sibling('old')]
  const progress = new Progress()
  let done = 0
  try {
    for (const [path, bytes] of files) {
      progress.glimpse(done++, files.size, `writing ${path}`)
      await mkdir(dirname(join(partial, path)), { recursive: true })
      await writeFile(join(partial, path), bytes)
    }
    const place = await checkPlace(out, force)
    if (place === 'empty') await rmdir(target)
    if (place === 'taken') await rename(target, old)
    try {
      await rename(partial, target)
    } catch (error) {
      if (place === 'taken') await rename(old, target)
      throw error
    }
    if (place === 'taken') await rm(old, { recursive: true, force: true })
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => {})
    throw (error as NodeJS.ErrnoException).code === undefined
      ? error
      : new Error(`data: cannot write ${out}: ${reason(error)}`)
  } finally {
    progress.end()
  }
}
