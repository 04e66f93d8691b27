// Square mazes: the door to what `src/data/maze` has.
export { generateMaze, type GenerateMazeOptions } from './maze/generator.js'
export {
  answerMaze,
  decodeMaze,
  encodeMaze,
  MAZE_CHARACTERS,
  MAZE_VOCABULARY,
  mazeSizeOf,
  mazeTrouble,
  mazeViolations,
  parseMazes,
  shortestMazePath,
} from './maze/rules.js'
export { mazeFromRows, mazeKind, type MazeTableOptions } from './maze/table.js'
