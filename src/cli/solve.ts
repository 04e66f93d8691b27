// trm solve: prints a puzzle's answer after each supervision step, and whether the result obeys the rules.
import { existsSync } from 'node:fs'
import { type FoundPuzzle, type Task, taskOf, tasks } from '../data/tasks.js'
import { foreign } from '../formats/recognise.js'
import { loadCheckpoint } from '../trm/published/checkpoint.js'
import type { Precision, Trm } from '../trm/model.js'
import { solve, type SolveOptions, type SolveStep } from '../trm/answers/solve.js'
import { adapterOptions, dtypeOption, openEngine } from './adapter.js'
import { parseArguments } from './arguments.js'
import { checkpointOption, keyOption, openCheckpoint, otherFiles } from './checkpoint.js'
import { readBytes } from './files.js'
import { customTaskOf } from './grids.js'
import { percent } from './progress.js'
import { inferenceNotes, inferenceOf, inferenceOptions } from './inference-options.js'

const usage = {
  command: 'trm solve',
  summary: 'Solve one puzzle and watch the answer form.',
  options: {
    checkpoint: checkpointOption,
    key: keyOption,
    ...inferenceOptions,
    json: { type: 'boolean', description: 'print one line of JSON per supervision step and one for the result' },
    dtype: dtypeOption,
    ...adapterOptions,
  },
  positionals: ['PUZZLE'],
  notes: `PUZZLE is a text, the path of a file with text, or - to read text from standard input. A text may hold several
Sudokus or mazes, one after the other:
${tasks.map(({ name, form }) => `  ${name.padEnd(8)}${form}`).join('\n')}
  grids   for a model trained on data of "trm data grids": its characters, with "/" or a line break between rows
A Sudoku may be drawn with bars and lines, or be a list. A "#" begins a comment. When a puzzle contradicts itself,
nothing is solved.
The answer is the model's: it is checked against the rules, never repaired. Exit code 1 when it breaks a rule.
${inferenceNotes}`,
} as const

export const solveCommand = {
  name: 'solve',
  summary: 'solve one puzzle, step by step',
  async run(args: string[]): Promise<void> {
    const parsed = parseArguments(args, usage)
    if (!parsed) return
    const { checkpoint, key, json, dtype } = parsed.values
    const { bytes, metadata } = await openCheckpoint(checkpoint, key)
    const text = await givenText(parsed.positionals[0])
    const custom = customTaskOf(metadata, checkpoint)
    const engine = await openEngine(parsed.values)
    try {
      const model = loadCheckpoint(engine, bytes, checkpoint, { dtype: dtype as Precision, ...otherFiles(key) })
      const { cells, vocabulary } = model.config
      const task = custom ?? taskOf(cells, vocabulary)
      if (!task) {
        const known = `known are ${tasks.map(({ name }) => name).join(' and ')} — use "trm eval" for other data`
        throw new Error(`solve: ${checkpoint} is for ${cells} cells and ${vocabulary} tokens, ${known}`)
      }
      const puzzles = puzzlesOf(text, task, cells)
      const solved = await showAll(model, task, puzzles, { json, ...inferenceOf(parsed.values) })
      if (solved < puzzles.length) process.exitCode = 1
    } finally {
      engine.close()
    }
  },
}

/** Solves puzzles in turn. Returns how many answers obey the rules. */
async function showAll(model: Trm, task: Task, puzzles: FoundPuzzle[], options: ShowOptions): Promise<number> {
  const count = puzzles.length
  let solved = 0
  for (const [i, { ids, line }] of puzzles.entries()) {
    const number = count === 1 ? undefined : i + 1
    if (number && !options.json) console.log(`${i ? '\n' : ''}── puzzle ${number} of ${count}, up to line ${line} ──`)
    const doubt = task.doubt(ids)
    if (doubt) console.error(`trm: ${number ? `puzzle ${number}` : 'the puzzle'} ${doubt}`)
    const { violations } = await showSolution(model, task, ids, { ...options, puzzle: number })
    if (!violations.length) solved++
  }
  if (count > 1 && !options.json && !task.isUnchecked) console.log(`\n${solved} of ${count} puzzles solved`)
  return solved
}

/** The puzzles of a text. @throws one line where there is none, or one does not fit the model or contradicts itself */
function puzzlesOf(text: string, task: Task, cells: number): FoundPuzzle[] {
  const puzzles = task.parse(text, cells)
  for (const [i, { ids, line }] of puzzles.entries()) {
    const which = puzzles.length === 1 ? 'the puzzle' : `puzzle ${i + 1} (line ${line})`
    if (ids.length !== cells) {
      const side = task.side(cells)
      const taken = `the model takes ${cells} (${task.name} ${side}×${side}) — ${task.form}`
      throw new Error(`solve: ${which} has ${ids.length} cells, ${taken}`)
    }
    const contradiction = task.contradiction(ids)
    if (!contradiction) continue
    const effect = puzzles.length > 1 ? ' — nothing was solved' : ''
    throw new Error(`solve: ${which} contradicts itself: ${contradiction}${effect}`)
  }
  return puzzles
}

export interface ShowOptions extends SolveOptions {
  /** Print JSON instead of grids. Default false. */
  json?: boolean
  /** Number of the puzzle, where there are several. */
  puzzle?: number
}

/** Solves a puzzle, and prints the answer after each supervision step and a verdict. */
export async function showSolution(
  model: Trm,
  task: Task,
  puzzle: Uint8Array,
  { json = false, puzzle: number, ...options }: ShowOptions = {},
): Promise<{ answer: Int32Array; violations: string[] }> {
  const side = task.side(puzzle.length)
  if (!json) console.log(grid(task.decode(puzzle), side))
  let answer: Int32Array = Int32Array.from(puzzle)
  // Cells outside the puzzle are not asked for and not learnt.
  const isAsked = (cell: number) => puzzle[cell] !== 0
  for await (const found of solve(model, puzzle, options)) {
    answer = found.answer.map((token, cell) => (isAsked(cell) ? token : 0))
    const step = { ...found, answer, changed: found.changed.filter(isAsked) }
    const violations = task.violations(puzzle, answer)
    if (json) printStepJson(step, violations, task, number, options)
    else {
      console.log(`\n${stepLine(step, violations, task, options)}`)
      if (step.changed.length || step.step === 1) console.log(grid(task.decode(answer), side, new Set(step.changed)))
    }
  }
  const violations = task.violations(puzzle, answer)
  if (json) {
    const solved = task.isUnchecked ? null : violations.length === 0
    console.log(JSON.stringify({ puzzle: number, result: task.decode(answer), solved, violations }))
  } else console.log(`\n${verdictLine(violations, task)}`)
  return { answer, violations }
}

function printStepJson(
  { step, answer, changed, halt, rollout, votes, running }: SolveStep,
  violations: string[],
  task: Task,
  puzzle: number | undefined,
  { rollouts = 1, halt: halts }: SolveOptions,
): void {
  const object = {
    puzzle,
    step,
    answer: task.decode(answer),
    changed,
    halt,
    ...(rollouts > 1 ? { rollout, votes } : {}),
    ...(halts ? { running } : {}),
    violations,
  }
  console.log(JSON.stringify(object))
}

/** A supervision step in a line: what changed, how sure the model is, and whether the answer obeys the rules. */
function stepLine(
  { step, changed, halt, rollout, votes, running }: SolveStep,
  violations: string[],
  task: Task,
  { rollouts = 1, halt: halts }: SolveOptions,
): string {
  const parts = [`${changed.length} cells changed`, `halting confidence ${percent(halt)}`]
  const broken = violations.length
  if (!task.isUnchecked) parts.push(broken ? `${broken} rule${broken === 1 ? '' : 's'} broken` : 'obeys the rules')
  if (rollouts > 1) parts.push(`rollout ${rollout + 1} with ${votes} of ${rollouts} votes`)
  if (halts && running < rollouts) parts.push(rollouts > 1 ? `${rollouts - running} halted` : 'halted')
  return `step ${step}: ${parts.join(', ')}`
}

function verdictLine(violations: string[], { isUnchecked }: Task): string {
  if (isUnchecked) return 'the rules of this task are not known: the answer is not checked'
  if (!violations.length) return 'solved: the answer obeys the rules'
  const more = violations.length > 3 ? `; and ${violations.length - 3} more` : ''
  return `not solved: ${violations.slice(0, 3).join('; ')}${more}`
}

/** A grid, row by row; changed cells stand out on a terminal. */
function grid(text: string, side: number, changed: ReadonlySet<number> = new Set()): string {
  const space = side <= 9 ? ' ' : ''
  const bright = (character: string, cell: number) =>
    process.stdout.isTTY && changed.has(cell) ? `\x1b[1;32m${character}\x1b[0m` : character
  const cells = [...text]
  const rowOf = (row: number) =>
    cells.slice(row * side, (row + 1) * side).map((character, column) => bright(character, row * side + column))
  const rows = Array.from({ length: cells.length / side }, (_, row) => `  ${rowOf(row).join(space)}`)
  return rows.join('\n')
}

/** The text of the argument PUZZLE: itself, of a file, or of standard input. */
async function givenText(given: string): Promise<string> {
  if (given === '-') return standardInput()
  if (given.length > 1000 || !existsSync(given)) return given
  const bytes = await readBytes(given, 'puzzle')
  const stranger = foreign(bytes, 'puzzles as text', 'JSON')
  if (stranger) throw new Error(`${given}: ${stranger}`)
  return new TextDecoder().decode(bytes)
}

async function standardInput(): Promise<string> {
  let text = ''
  process.stdin.setEncoding('utf8')
  for await (const chunk of process.stdin) text += chunk
  return text
}
