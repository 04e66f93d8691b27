// Sudokus of 4×4, 6×6 and 9×9 as the page shows them.
import { sudokuSizeOf, sudokuViolations, sudokuVocabulary } from '../src/data/sudoku.js'
import { layoutOf } from '../src/data/sudoku/rules.js'
import { taskOf, tasks } from '../src/data/tasks.js'
import { inRows, type Kind, SOLVED } from './puzzle.js'

export const sudokuTask = tasks.find(({ name }) => name === 'sudoku')!

/** The token of a blank cell; digit d is token d + 1. */
const BLANK = 1

export const sudoku: Kind = {
  name: 'sudoku',
  praise: () => SOLVED,
  title: cells => `Sudoku ${sudokuSizeOf(cells)}×${sudokuSizeOf(cells)}`,
  fits: (cells, vocabulary) => taskOf(cells, vocabulary) === sudokuTask,
  vocabulary: cells => sudokuVocabulary(sudokuSizeOf(cells)),
  side: sudokuSizeOf,
  extent: ({ tokens }) => ({ rows: sudokuSizeOf(tokens.length), columns: sudokuSizeOf(tokens.length) }),
  boxes(cells) {
    const { boxRows: rows, boxColumns: columns } = layoutOf(sudokuSizeOf(cells))
    return { rows, columns }
  },
  tokens: cells => [
    { id: BLANK, key: '.', name: 'blank', label: '⌫' },
    ...Array.from({ length: sudokuSizeOf(cells) }, (_, i) => {
      const digit = String(i + 1)
      return { id: i + 2, key: digit, name: digit, label: digit }
    }),
  ],
  look(id) {
    if (id === BLANK) return { text: '', look: 'digit', name: 'blank' }
    return id > BLANK
      ? { text: String(id - 1), look: 'digit', name: String(id - 1) }
      : { text: '?', look: 'digit', name: 'no digit' }
  },
  isGiven: ({ tokens }, cell) => tokens[cell] > BLANK,
  text: tokens => inRows(sudokuTask.decode(tokens), sudokuSizeOf(tokens.length)),
  blank: cells => new Array<number>(cells).fill(BLANK),
  violations: ({ tokens }, answer) => sudokuTask.violations(tokens, answer),
  contradictions: ({ tokens }) => sudokuTask.violations(tokens, tokens).filter(text => !/blank/.test(text)),
  conflicts: ({ tokens }, answer) => sudokuTask.violations(tokens, answer).length,
  wrongCells: ({ tokens }, answer) =>
    sudokuViolations(answer, sudokuSizeOf(tokens.length), tokens).flatMap(({ cells }) => cells),
}
