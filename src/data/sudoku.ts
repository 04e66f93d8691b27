// Sudoku of 4×4, 6×6 and 9×9: the door to what `src/data/sudoku` has.
export { generateSudoku, type GenerateSudokuOptions } from './sudoku/generator.js'
export { rateSudoku } from './sudoku/rating.js'
export {
  decodeSudoku,
  describeSudokuViolation,
  encodeSudoku,
  isSudokuSolved,
  sudokuContradiction,
  sudokuSizeOf,
  sudokuViolations,
  sudokuVocabulary,
  type SudokuSize,
  type SudokuViolation,
} from './sudoku/rules.js'
export { applySudokuShuffle, drawSudokuShuffle, invertSudokuShuffle, type SudokuShuffle } from './sudoku/shuffle.js'
export { judgeSudoku, solveSudoku, type SudokuVerdict } from './sudoku/solver.js'
export { sudokuClass } from './sudoku/symmetry.js'
export { sudokuFromRows, sudokuKind, type SudokuTableOptions } from './sudoku/table.js'
export { parseSudokus, type FoundSudoku } from './sudoku/text.js'
