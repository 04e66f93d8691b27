// The public door of webgpu-trm/data: puzzles as integer arrays, file formats and random numbers, without any GPU.
export { arcDataset, arcFiles, planArc, type ArcGroup, type ArcOptions, type ArcPlan, type ArcSubset } from './arc.js'
export {
  applyArcAugmentation,
  arcAugmentedName,
  ARC_AUGMENT_LIMIT,
  parseArcName,
  undoArcAugmentation,
  type ArcAugmentation,
} from './arc-augment.js'
export {
  ARC_PASSES,
  ArcScorer,
  arcSubmissionJson,
  type ArcAttempts,
  type ArcPredictions,
  type ArcScore,
} from './arc-score.js'
export { ARC_CELLS, ARC_VOCABULARY, cropArcGrid, encodeArcGrid } from './arc-square.js'
export {
  arcGridRows,
  ARC_SIDE,
  ArcTaskError,
  parseArcGrid,
  parseArcTask,
  parseArcTasks,
  parseArcTestPuzzles,
  type ArcPair,
  type ArcParseOptions,
  type ArcSource,
  type ArcTask,
} from './arc-tasks.js'
export { TrainingBatches, testBatches, type Batch, type BatchesState, type TrainingOptions } from './batches.js'
export {
  checkDataset,
  DATASET_PATHS,
  exampleCount,
  IGNORE_LABEL,
  singleExampleDataset,
  writeDataset,
  writeIdentifiers,
  type Dataset,
  type DatasetIndex,
  type DatasetMetadata,
  type Examples,
  type Split,
  type StoredDataset,
} from './dataset.js'
export {
  openDataset,
  pickedDirectory,
  readDataset,
  readIdentifiers,
  type DatasetDirectory,
  type ReadFile,
} from './directory.js'
export {
  checkGridTask,
  customTask,
  encodeGrid,
  gridDataset,
  gridTaskOf,
  GRID_TASK_PATH,
  parseGrids,
  type GridPair,
  type GridTask,
  type SymbolGrid,
} from './grids.js'
export { DIHEDRAL_COUNT, DIHEDRAL_INVERSE, dihedralMap, dihedralTransform, type Grid } from './dihedral.js'
export {
  answerMaze,
  decodeMaze,
  encodeMaze,
  generateMaze,
  MAZE_CHARACTERS,
  mazeFromRows,
  mazeKind,
  mazeSizeOf,
  mazeViolations,
  MAZE_VOCABULARY,
  parseMazes,
  shortestMazePath,
  type GenerateMazeOptions,
  type MazeTableOptions,
} from './maze.js'
export { Random, type RandomState } from './random.js'
export {
  applySudokuShuffle,
  decodeSudoku,
  describeSudokuViolation,
  drawSudokuShuffle,
  encodeSudoku,
  generateSudoku,
  invertSudokuShuffle,
  isSudokuSolved,
  judgeSudoku,
  parseSudokus,
  rateSudoku,
  solveSudoku,
  sudokuClass,
  sudokuContradiction,
  sudokuFromRows,
  sudokuKind,
  sudokuSizeOf,
  sudokuViolations,
  sudokuVocabulary,
  type FoundSudoku,
  type GenerateSudokuOptions,
  type SudokuShuffle,
  type SudokuSize,
  type SudokuTableOptions,
  type SudokuVerdict,
  type SudokuViolation,
} from './sudoku.js'
export { taskOf, tasks, type FoundPuzzle, type Task } from './tasks.js'
export {
  parsePuzzleCsv,
  TableReader,
  tableRows,
  type ColumnNames,
  type ColumnRole,
  type PuzzleRow,
  type TableLayout,
} from './table.js'
export { gatherPuzzles, readPuzzles, type PuzzleCounts, type PuzzleTable, type PuzzleTableOptions } from './gather.js'
export {
  puzzleDataset,
  puzzleFiles,
  type PuzzleCopy,
  type PuzzleKind,
  type PuzzlePairs,
  type PuzzleSet,
} from './pairs.js'
export { piecesOf, textOf, unpack, type Pieces } from '../formats/pieces.js'
export { npyInt32, parseNpy, writeNpy, type NpyArray, type NpyData, type NpyDtype } from '../formats/npy.js'
export { foreign, recognise, type Kind } from '../formats/recognise.js'
export { openSource, type OpenFile } from '../formats/open-file.js'
export { readAll, type ByteSource, type ReadAllOptions } from '../formats/source.js'
export {
  parseSafetensors,
  toFloat32,
  writeSafetensors,
  type SafetensorsData,
  type SafetensorsDtype,
  type SafetensorsFile,
  type StoredTensor,
} from '../formats/safetensors.js'
