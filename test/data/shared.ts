// Where the tests find files that are not part of the project: real puzzles and reference files. No test is here.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The path of a shared file: below TRM_SHARED when it is set, else below ../shared seen from the repository's root. */
export function sharedPath(path: string): string {
  return join(process.env.TRM_SHARED ?? join(repositoryRoot(), '../shared'), path)
}

/** Tests are bundled, so the root is looked for: the nearest folder above with a package.json. */
function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}
