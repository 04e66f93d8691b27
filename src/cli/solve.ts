// trm solve: puzzles, each one's answer after each supervision step, and whether the result obeys the rules.
import { existsSync } from 'node:fs'
import { type FoundPuzzle, type Task, taskOf, tasks } from '../data/tasks.js'
import { foreign } from '../formats/recognise.js'
import { loadCheckpoint } from '../trm/published/checkpoint.js'
import type { Precision, Trm } from '../trm/model.js'
import { solve, type SolveOptions } from '../trm/answers/solve.js'
import { adapterOptions, dtypeOption, openEngine } from './adapter.js'
import { parseArguments } from './arguments.js'
import { keyOption, openCheckpoint, otherFiles } from './checkpoint.js'
import { readBytes } from './files.js'
import { customTaskOf } from './grids.js'
import { percent } from './progress.js'
import { thinkingNotes, thinkingOf, thinkingOptions } from './inference-options.js'

const usage = {
  command: 'trm solve',
  summary: 'Solve one puzzle and watch the answer form.',
  options: {
    checkpoint: { type: 'string', required: true, placeholder: 'F', description: 'checkpoint (safetensors)' },
    key: keyOption,
    ...thinkingOptions,
    json: { type: 'boolean', description: 'print one line of JSON per supervision step and one for the result' },
    dtype: dtypeOption,
    ...adapterOptions,
  },
  positionals: ['PUZZLE'],
  notes: `PUZZLE is text, the path of a file with text, or - to read it from standard input; Sudokus and mazes may be several, one after the other:
${tasks.map(({ name, form }) => `  ${name.padEnd(8)}${form}`).join('\n')}
  grids   for a model trained on data of "trm data grids": its characters, with "/" or a line break between rows
A Sudoku may be drawn with bars and lines, or be a list; what follows "#" in a line is a comment. Nothing is solved when a puzzle contradicts itself.
The answer is the model's: it is checked against the rules, never repaired. Exit code 1 when it breaks one.
${thinkingNotes}`,
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
      if (!task)
        throw new Error(
          `solve: ${checkpoint} is for ${cells} cells and ${vocabulary} tokens, known are ${tasks.map(t => t.name).join(' and ')} — use "trm eval" for other data`,
        )
      const puzzles = puzzlesOf(text, task, cells)
      const options = { json, ...thinkingOf(parsed.values) }
      let solved = 0
      for (const [i, { ids, line }] of puzzles.entries()) {
        const isOne = puzzles.length === 1
        if (!isOne && !json) console.log(`${i ? '\n' : ''}── puzzle ${i + 1} of ${puzzles.length}, to line ${line} ──`)
        const doubt = task.doubt(ids)
        if (doubt) console.error(`trm: ${isOne ? 'the puzzle' : `puzzle ${i + 1}`} ${doubt}`)
        const { violations } = await showSolution(model, task, ids, { ...options, puzzle: isOne ? undefined : i + 1 })
        if (!violations.length) solved++
      }
      if (puzzles.length > 1 && !json && !task.isUnchecked)
        console.log(`\n${solved} of ${puzzles.length} puzzles solved`)
      if (solved < puzzles.length) process.exitCode = 1
    } finally {
      engine.close()
    }
  },
}

/** The puzzles of a text. @throws one line when there is none, one does not fit the model, or one contradicts itself */
function puzzlesOf(text: string, task: Task, cells: number): FoundPuzzle[] {
  const puzzles = task.parse(text, cells)
  for (const [i, { ids, line }] of puzzles.entries()) {
    const which = puzzles.length === 1 ? 'the puzzle' : `puzzle ${i + 1} (line ${line})`
    if (ids.length !== cells)
      throw new Error(
        `solve: ${which} has ${ids.length} cells, the model takes ${cells} (${task.name} ${task.side(cells)}×${task.side(cells)}) — ${task.form}`,
      )
    const contradiction = task.contradiction(ids)
    if (contradiction)
      throw new Error(
        `solve: ${which} contradicts itself: ${contradiction}${puzzles.length > 1 ? ' — nothing was solved' : ''}`,
      )
  }
  return puzzles
}

/** Prints the answer after each supervision step and a verdict; `puzzle` is its number where there are several. */
export async function showSolution(
  model: Trm,
  task: Task,
  puzzle: Uint8Array,
  { json = false, puzzle: number, ...options }: SolveOptions & { json?: boolean; puzzle?: number } = {},
): Promise<{ answer: Int32Array; violations: string[] }> {
  const side = task.side(puzzle.length)
  if (!json) console.log(grid(task.decode(puzzle), side))
  let answer: Int32Array = Int32Array.from(puzzle)
  const { rollouts = 1 } = options
  // Where the puzzle does not reach, nothing is asked and nothing learnt.
  const isAsked = (cell: number) => puzzle[cell] !== 0
  for await (const { step, answer: next, changed: changedCells, halt, rollout, votes, running } of solve(
    model,
    puzzle,
    options,
  )) {
    answer = next.map((token, cell) => (isAsked(cell) ? token : 0))
    const changed = changedCells.filter(isAsked)
    const broken = task.violations(puzzle, answer)
    if (json) {
      console.log(
        JSON.stringify({
          puzzle: number,
          step,
          answer: task.decode(answer),
          changed,
          halt,
          ...(rollouts > 1 ? { rollout, votes } : {}),
          ...(options.halt ? { running } : {}),
          violations: broken,
        }),
      )
      continue
    }
    const rules = task.isUnchecked
      ? ''
      : broken.length
        ? `, ${broken.length} rule${broken.length === 1 ? '' : 's'} broken`
        : ', obeys the rules'
    const many = rollouts > 1 ? `, rollout ${rollout + 1} with ${votes} of ${rollouts} votes` : ''
    const ended =
      options.halt && running < rollouts ? `, ${rollouts > 1 ? `${rollouts - running} halted` : 'halted'}` : ''
    console.log(
      `\nstep ${step}: ${changed.length} cells changed, halting confidence ${percent(halt)}${rules}${many}${ended}`,
    )
    if (changed.length || step === 1) console.log(grid(task.decode(answer), side, new Set(changed)))
  }
  const violations = task.violations(puzzle, answer)
  if (json)
    console.log(
      JSON.stringify({
        puzzle: number,
        result: task.decode(answer),
        solved: task.isUnchecked ? null : violations.length === 0,
        violations,
      }),
    )
  else if (task.isUnchecked) console.log('\nthe rules of this task are not known: the answer is not checked')
  else if (violations.length)
    console.log(
      `\nnot solved: ${violations.slice(0, 3).join('; ')}${violations.length > 3 ? `; and ${violations.length - 3} more` : ''}`,
    )
  else console.log('\nsolved: the answer obeys the rules')
  return { answer, violations }
}

/** Rows of a grid; changed cells stand out on a terminal. */
function grid(text: string, side: number, changed: ReadonlySet<number> = new Set()): string {
  const space = side <= 9 ? ' ' : ''
  const bright = (character: string, cell: number) =>
    process.stdout.isTTY && changed.has(cell) ? `\x1b[1;32m${character}\x1b[0m` : character
  const cells = [...text]
  return Array.from(
    { length: cells.length / side },
    (_, row) =>
      `  ${cells
        .slice(row * side, (row + 1) * side)
        .map((character, column) => bright(character, row * side + column))
        .join(space)}`,
  ).join('\n')
}

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
