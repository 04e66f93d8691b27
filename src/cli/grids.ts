// Tasks of one's own on the command line: what the tokens of a directory of "trm data grids", or of a checkpoint trained on it, mean.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { checkGridTask, customTask, GRID_TASK_PATH, type GridTask } from '../data/grids.js'
import type { Task } from '../data/tasks.js'
import { parseJson } from '../formats/json.js'
import { readBytes } from './files.js'

/** What the tokens of a directory of "trm data grids" mean; undefined for other directories. */
export async function readGridTask(directory: string): Promise<GridTask | undefined> {
  const path = join(directory, GRID_TASK_PATH)
  return existsSync(path) ? parseGridTask(await readBytes(path, 'dataset'), `dataset ${path}`) : undefined
}

/** The same, of a checkpoint with this metadata. */
export function gridTaskOfCheckpoint(
  { grids }: Readonly<Record<string, string>>,
  checkpoint: string,
): GridTask | undefined {
  return grids === undefined
    ? undefined
    : parseGridTask(new TextEncoder().encode(grids), `${checkpoint}: its metadata entry "grids"`)
}

/** The task that a checkpoint was trained for, where it is one of the user's own. */
export function customTaskOf(metadata: Readonly<Record<string, string>>, checkpoint: string): Task | undefined {
  const task = gridTaskOfCheckpoint(metadata, checkpoint)
  return task && customTask(task)
}

function parseGridTask(bytes: Uint8Array, where: string): GridTask {
  return checkGridTask(parseJson(bytes, where), where)
}
