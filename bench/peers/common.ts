// What the files of the parent process share: folders, and lines for the user.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the repository: the bundle that this file is part of lies somewhere in its build/. */
export const root = folderWith('package.json', dirname(fileURLToPath(import.meta.url)))
export const built = join(root, 'build/bench/peers')
export const source = join(root, 'bench/peers')

function folderWith(file: string, folder: string): string {
  return existsSync(join(folder, file)) ? folder : folderWith(file, dirname(folder))
}

export function progress(line: string): void {
  process.stderr.write(`${line}\n`)
}

export function fail(message: string): never {
  console.error(`bench:peers: ${message}`)
  process.exit(1)
}

/** Three significant digits. */
export function round(value: number): number {
  return Number(value.toPrecision(3))
}
