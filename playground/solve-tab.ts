// The Solve tab: a puzzle, its model, and the answer as it forms, step by step.
import type { Connection } from './connection.js'
import { byId, element, messageOf, say, takeDrops } from './element.js'
import { Grid } from './grid.js'
import { InferenceForm } from './inference-form.js'
import { ModelCard, offerFor } from './model-card.js'
import { OFFERS } from './offers.js'
import type { ModelRequest, ModelSummary } from './protocol.js'
import type { Puzzle } from './puzzle.js'
import { PuzzleCard } from './puzzle-card.js'
import { isSame, kindOf, needsOf, parsePuzzle } from './puzzles.js'
import { Steps } from './steps.js'
import { showVerdict } from './verdict.js'

/** Supervision steps that "further" adds. */
const FURTHER = 8

export class SolveTab {
  #puzzle: Puzzle = parsePuzzle(OFFERS[0].examples[0])
  /** The call that runs; steps of an earlier call are not shown. */
  #solving: symbol | undefined
  readonly #grid = new Grid(byId('grid'), (cell, token) => this.#write(cell, token.id))
  readonly #form = new InferenceForm()
  readonly #steps = new Steps(() => this.#show())
  readonly #puzzles: PuzzleCard
  readonly #model: ModelCard

  constructor(private readonly connection: Connection) {
    this.#model = new ModelCard(
      connection,
      (model, replaces) => this.#onModel(model, replaces),
      () => this.#showFit(),
    )
    this.#puzzles = new PuzzleCard(connection, (puzzle, isTyped) => this.#setPuzzle(puzzle, isTyped))
    // Dropped anywhere else, the end of a file's name says what it is.
    takeDrops(byId('panel-solve'), file =>
      /\.(safetensors|pt|pth|bin)$/i.test(file.name)
        ? void this.#model.load({ file, name: file.name })
        : void this.#puzzles.open(file),
    )
    byId('solve').addEventListener('click', () => (this.#solving ? this.#stop() : void this.#solve()))
    byId('further').addEventListener('click', () => void this.#run(FURTHER))
    byId('further').textContent = `+ ${FURTHER} steps`
    const link = location.hash
    this.#setPuzzle(this.#puzzle)
    this.#puzzles.readLink(link)
    addEventListener('hashchange', () => this.#puzzles.readLink(location.hash))
  }

  /** Loads the model of the puzzle that is shown. Resolves when it is there. */
  async begin(): Promise<void> {
    await this.#model.begin()
    this.#model.loadFor(this.#puzzle)
    this.#showFit()
    await this.#model.settled()
  }

  /** Loads a checkpoint, e.g. one that was trained in the page. */
  async load(request: ModelRequest): Promise<void> {
    await this.#model.load(request)
  }

  /** @param replaces a puzzle that the new model cannot take gives way to one that it can take */
  #onModel(model: ModelSummary, replaces: boolean): void {
    this.#form.setModel(model.config)
    this.#steps.setTrained(model.config.supervisionSteps)
    const { cells, vocabulary } = model.config
    const kind = kindOf(cells, vocabulary)
    if (!kind || !replaces || isSame(model.config, needsOf(this.#puzzle))) return this.#showPuzzle(this.#puzzle)
    const offer = offerFor(model.config)
    this.#showPuzzle(offer ? parsePuzzle(offer.examples[0]) : { kind, tokens: kind.blank(cells) })
  }

  #write(cell: number, token: number): void {
    const tokens = this.#puzzle.tokens.slice()
    tokens[cell] = token
    this.#setPuzzle({ kind: this.#puzzle.kind, tokens })
  }

  /** Shows a puzzle that was asked for, and loads its model. */
  #setPuzzle(puzzle: Puzzle, isTyped?: boolean): void {
    this.#model.loadFor(puzzle)
    this.#showPuzzle(puzzle, isTyped)
  }

  /** @param isTyped the text field is left as it is being typed */
  #showPuzzle(puzzle: Puzzle, isTyped = false): void {
    this.#stop()
    this.#solving = undefined
    this.#puzzle = puzzle
    byId('puzzle-title').textContent = puzzle.kind.title(puzzle.tokens.length)
    this.#showPalette()
    this.#steps.clear(puzzle)
    this.#puzzles.show(puzzle, isTyped, offer => this.#model.has(offer))
    this.#showFit()
  }

  #showPalette(): void {
    const { kind, tokens } = this.#puzzle
    byId('palette').replaceChildren(
      ...kind.tokens(tokens.length).map(token => {
        const look = `token ${kind.name === 'arc' ? kind.look(token.id).look : ''}`
        const write = () => this.#grid.write(token)
        const { name, label } = token
        return element('button', { type: 'button', class: look, 'aria-label': name, title: name, click: write }, label)
      }),
    )
  }

  /** Says whether a model can answer the puzzle. */
  #showFit(): void {
    byId<HTMLButtonElement>('solve').disabled = !this.#model.fits(this.#puzzle)
    say(byId('fit-error'), this.#model.trouble(this.#puzzle))
    this.#showButtons()
  }

  #stop(): void {
    if (this.#solving) void this.connection.call('stopSolving', undefined)
  }

  async #solve(): Promise<void> {
    this.#steps.clear(this.#puzzle)
    await this.#run()
  }

  /** @param further supervision steps after those that are there; without it the answer begins anew */
  async #run(further?: number): Promise<void> {
    const solving = (this.#solving = Symbol('solving'))
    const onStep = (step: Parameters<Steps['add']>[0]) => {
      if (solving === this.#solving) this.#steps.add(step)
    }
    this.#showButtons()
    say(byId('fit-error'), undefined)
    try {
      if (further) await this.connection.call('solveFurther', { steps: further }, onStep)
      else await this.connection.call('solve', { puzzle: this.#puzzle.tokens, options: this.#form.options }, onStep)
    } catch (error) {
      say(byId('fit-error'), messageOf(error))
    } finally {
      if (solving === this.#solving) this.#solving = undefined
      this.#showButtons()
      this.#show()
    }
  }

  #showButtons(): void {
    const isSolving = this.#solving !== undefined
    byId('solve').textContent = isSolving ? 'Stop' : 'Solve'
    this.#steps.setBusy(isSolving)
    const canGoOn = !isSolving && this.#steps.length > 0 && this.#model.fits(this.#puzzle)
    byId<HTMLButtonElement>('further').disabled = !canGoOn
  }

  /** Shows the puzzle, or the answer after the step that is chosen. */
  #show(): void {
    const puzzle = this.#puzzle
    const step = this.#steps.current
    const answer = step?.answer ?? puzzle.tokens
    const violations = step ? puzzle.kind.violations(puzzle, answer) : puzzle.kind.contradictions(puzzle)
    this.#grid.show({
      puzzle,
      answer,
      changed: new Set(step?.changed),
      wrong: new Set(violations.length ? puzzle.kind.wrongCells(puzzle, answer) : []),
      editable: !step,
    })
    byId('palette').classList.toggle('resting', step !== undefined)
    const answered = this.#solving ? 'thinking' : 'answered'
    showVerdict({ puzzle, violations, state: step ? answered : 'puzzle' })
  }
}
