// Grids of the user's own: what the tokens mean in a directory of "trm data grids", or in a checkpoint trained on one.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { checkGridTask, customTask, GRID_TASK_PATH, type GridTask } from '../data/grids.js'
import type { Task } from '../data/tasks.js'
import { parseJson } from '../formats/json.js'
import { readBytes } from './files.js'

/** What the tokens mean in a directory of "trm data grids"; undefined for other directories. */
export async function readGridTask(directory: string): Promise<GridTask | undefined> {
  const path = join(directory, GRID_TASK_PATH)
  return existsSync(path) ? parseGridTask(await readBytes(path, 'dataset'), `dataset ${path}`) : undefined
}

/** What the tokens mean in a checkpoint with this metadata; undefined for other tasks. */
export function gridTaskOfCheckpoint(
  { grids }: Readonly<Record<string, string>>,
  checkpoint: string,
): GridTask | undefined {
  return grids === undefined
    ? undefined
    : parseGridTask(new TextEncoder().encode(grids), `${checkpoint}: its metadata entry "grids"`)
}

/** The task of a checkpoint that was trained on grids of the user's own; undefined for other checkpoints. */
export function customTaskOf(metadata: Readonly<Record<string, string>>, checkpoint: string): Task | undefined {
  const task = gridTaskOfCheckpoint(metadata, checkpoint)
  return task && customTask(task)
}

function parseGridTask(bytes: Uint8Array, where: string): GridTask {
  return checkGridTask(parseJson(bytes, where), where)
}
