// Square mazes as the page shows them.
import { MAZE_CHARACTERS, MAZE_VOCABULARY } from '../src/data/maze.js'
import { FLOOR, PATH } from '../src/data/maze/rules.js'
import { taskOf, tasks } from '../src/data/tasks.js'
import { inRows, type Kind, type Look, SOLVED } from './puzzle.js'

export const mazeTask = tasks.find(({ name }) => name === 'maze')!

const NAMES = ['wall', 'floor', 'start', 'goal', 'path']
const TEXTS: Record<string, string> = { start: 'S', goal: 'G' }

/** By token id. */
const LOOKS: readonly Look[] = [
  { text: '?', look: 'none', name: 'nothing' },
  ...NAMES.map(name => ({ text: TEXTS[name] ?? '', look: name, name })),
]

/** @returns what is wrong with the answer, or why the question is no maze yet: it needs one S and one G */
function violations(tokens: readonly number[], answer: ArrayLike<number>): string[] {
  const trouble = mazeTask.contradiction(tokens)
  return trouble ? [trouble] : mazeTask.violations(tokens, answer)
}

export const maze: Kind = {
  name: 'maze',
  praise: () => SOLVED,
  title: cells => `Maze ${mazeTask.side(cells)}×${mazeTask.side(cells)}`,
  fits: (cells, vocabulary) => taskOf(cells, vocabulary) === mazeTask,
  vocabulary: () => MAZE_VOCABULARY,
  side: mazeTask.side,
  extent: ({ tokens }) => ({ rows: mazeTask.side(tokens.length), columns: mazeTask.side(tokens.length) }),
  boxes: () => undefined,
  tokens: () => NAMES.slice(0, 4).map((name, i) => ({ id: i + 1, key: MAZE_CHARACTERS[i], name, label: name })),
  look: id => LOOKS[id] ?? LOOKS[0],
  isGiven: () => false,
  text: tokens => inRows(mazeTask.decode(tokens), mazeTask.side(tokens.length)),
  blank: cells => new Array<number>(cells).fill(FLOOR),
  violations: ({ tokens }, answer) => violations(tokens, answer),
  contradictions: () => [],
  conflicts: ({ tokens }, answer) => violations(tokens, answer).length,
  wrongCells: ({ tokens }, answer) =>
    tokens.flatMap((id, cell) => (answer[cell] === id || (id === FLOOR && answer[cell] === PATH) ? [] : [cell])),
}
