// The trained models that come with the package, by name.

/** What a model solves, in a few words, by the model's name. */
export const MODELS = {
  'sudoku-4x4': 'Sudokus of 4×4',
  'sudoku-6x6': 'Sudokus of 6×6',
  'sudoku-9x9': 'Sudokus of 9×9',
  'maze-9x9': 'Mazes of 9×9 with rooms',
} as const satisfies Record<string, string>

export type ModelName = keyof typeof MODELS

/** Whether a model of this name comes with the package. */
export const isModelName = (name: string): name is ModelName => Object.hasOwn(MODELS, name)

/** @throws when there is no such model */
export function checkName(name: string): ModelName {
  if (!isModelName(name)) throw new Error(`models: there is no "${name}", expected ${Object.keys(MODELS).join(', ')}`)
  return name
}
