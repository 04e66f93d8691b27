// The public door of webgpu-trm/data: puzzles as integer arrays, file formats and random numbers, without any GPU.
export { arcDataset, arcFiles, planArc, type ArcGroup, type ArcOptions, type ArcPlan, type ArcSubset } from './arc.js'
export {
  applyArcAugmentation,
  arcAugmentedName,
  arcAugmentLimit,
  parseArcName,
  undoArcAugmentation,
  type ArcAugmentation,
} from './arc-augment.js'
export {
  arcPasses,
  ArcScorer,
  arcSubmissionJson,
  type ArcAttempts,
  type ArcPredictions,
  type ArcScore,
} from './arc-score.js'
export { arcSeqLen, arcVocabSize, cropArcGrid, encodeArcGrid } from './arc-square.js'
export {
  arcGridRows,
  arcSide,
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
  datasetPaths,
  exampleCount,
  ignoreLabel,
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
  gridTaskPath,
  parseGrids,
  type GridPair,
  type GridTask,
  type SymbolGrid,
} from './grids.js'
export { dihedralCount, dihedralInverse, dihedralMap, dihedralTransform, type Grid } from './dihedral.js'
export {
  decodeMaze,
  encodeMaze,
  generateMaze,
  mazeCharacters,
  mazeFromRows,
  mazeKind,
  mazeSizeOf,
  mazeViolations,
  mazeVocabSize,
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
  solveSudoku,
  sudokuContradiction,
  sudokuFromRows,
  sudokuKind,
  sudokuSizeOf,
  sudokuViolations,
  sudokuVocabSize,
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
export {
  gatherPuzzles,
  puzzleDataset,
  puzzleFiles,
  readPuzzles,
  type PuzzleKind,
  type PuzzlePairs,
  type PuzzleTable,
  type PuzzleTableOptions,
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
