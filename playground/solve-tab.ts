// The Solve tab: a model, a puzzle, and the answer as it forms, step by step.
import type { SolveStep } from '../src/index.js'
import { presets } from '../src/trm/published/settings.js'
import { percent } from '../src/formats/human.js'
import type { Connection } from './connection.js'
import { byId, element, messageOf, number, say, takeDrops, takePicks } from './element.js'
import { Grid } from './grid.js'
import type { ModelRequest, ModelSummary } from './protocol.js'
import { examples, kindOf, needs, parsePuzzle, type Puzzle } from './puzzles.js'

const BUNDLED = 'sudoku-4x4.safetensors'

/** Milliseconds that a step stays when they are replayed. */
const REPLAY_MS = 700

export class SolveTab {
  private model: ModelSummary | undefined
  private puzzle: Puzzle = parsePuzzle(examples[0].text)
  private steps: SolveStep[] = []
  /** The step on show; 0 is the puzzle itself. */
  private shown = 0
  private isSolving = false
  private replay: ReturnType<typeof setInterval> | undefined
  /** A file that waits for its configuration. */
  private waiting: ModelRequest | undefined
  private readonly grid = new Grid(byId('grid'), (cell, token) => this.edit(cell, token.id))

  constructor(private readonly connection: Connection) {
    this.wireModel()
    this.wirePuzzle()
    this.wireSteps()
    this.setPuzzle(this.puzzle)
  }

  /** Loads the model that comes with the page. */
  async loadBundled(): Promise<void> {
    const response = await fetch(BUNDLED)
    await this.load({ file: await response.blob(), name: 'Sudoku 4×4, bundled' })
    byId('bundled').hidden = true
  }

  /** Loads a checkpoint; what is wrong with it is told in the tab, and the model before it stays. */
  async load(request: ModelRequest): Promise<boolean> {
    const [problem, name] = [byId('model-error'), byId('model-name')]
    const before = name.textContent
    say(problem, undefined)
    byId('model-config').hidden = true
    this.stop()
    try {
      const result = await this.connection.call('load', request, ({ received, total }) => {
        name.textContent = `reading ${request.name} … ${total ? percent(received / total) : `${number(received)} bytes`}`
      })
      if ('needsConfig' in result) {
        name.textContent = before
        this.askConfig(request, result.needsConfig)
        return false
      }
      this.setModel(result)
      return true
    } catch (error) {
      name.textContent = before
      say(problem, messageOf(error))
      return false
    }
  }

  private setModel(model: ModelSummary): void {
    this.model = model
    const { name, config, parameters, metadata } = model
    const kind = kindOf(config.cells, config.vocabulary)
    byId('model-name').textContent = name
    const facts = [
      kind
        ? `for ${kind.title(config.cells)}`
        : `for ${config.cells} cells and ${config.vocabulary} tokens: no puzzle that this page knows`,
      config.architecture === 'trm' ? (config.tokenMixing ? 'token-mixing MLP' : 'attention') : config.architecture,
      `${number(parameters)} parameters`,
      `${config.cycles} ${config.cycles === 1 ? 'cycle' : 'cycles'} of ${config.latentSteps} latent steps`,
      ...(metadata.step ? [`${metadata.step} training steps`] : []),
    ]
    byId('model-facts').textContent = facts.join(' · ')
    byId('bundled').hidden = false
    byId<HTMLInputElement>('steps').value = String(config.supervisionSteps)
    byId<HTMLInputElement>('puzzle-id').max = String(config.puzzles - 1)
    byId<HTMLInputElement>('puzzle-id').value = '0'
    byId<HTMLButtonElement>('new-puzzle').disabled = !kind || kind.name === 'arc'
    // A puzzle that the new model cannot take gives way to one that it can.
    if (kind && !this.fits(this.puzzle))
      this.setPuzzle(this.exampleFor(config) ?? { kind, tokens: kind.blank(config.cells) })
    else this.forget()
    this.showExamples()
  }

  private fits(puzzle: Puzzle): boolean {
    const [cells, vocabulary] = needs(puzzle)
    return this.model?.config.cells === cells && this.model.config.vocabulary === vocabulary
  }

  private exampleFor({ cells, vocabulary }: ModelSummary['config']): Puzzle | undefined {
    return examples
      .map(({ text }) => parsePuzzle(text))
      .find(puzzle => needs(puzzle).join() === [cells, vocabulary].join())
  }

  private askConfig(request: ModelRequest, reason: string): void {
    this.waiting = request
    byId('model-config').hidden = false
    // What the command line would do about it is no help here.
    byId('model-config-reason').textContent = reason.replace(/ — .*$/s, '')
    byId('model-preset').focus()
  }

  private wireModel(): void {
    const open = (file: File) => void this.load({ file, name: file.name })
    takePicks(byId('model-button'), byId<HTMLInputElement>('model-file'), open)
    takeDrops(byId('model-drop'), open)
    // Anywhere else the name tells what it is.
    takeDrops(byId('panel-solve'), file =>
      /\.(safetensors|pt|pth|bin)$/i.test(file.name) ? open(file) : this.openPuzzle(file),
    )
    byId('bundled').addEventListener('click', () => void this.loadBundled())
    byId('model-preset').append(
      ...Object.entries(presets).map(([name, { about }]) => element('option', { value: name }, `${name}: ${about}`)),
      element('option', { value: '' }, 'other: all fields below'),
    )
    byId('model-config').addEventListener('submit', event => {
      event.preventDefault()
      const preset = byId<HTMLSelectElement>('model-preset').value || undefined
      const pairs = byId<HTMLInputElement>('model-fields')
        .value.split(/[\s,]+/)
        .filter(Boolean)
        .map(pair => pair.split('='))
      const fields = Object.fromEntries(
        pairs.map(([name, value = '']) => [
          name,
          /^(true|false)$/i.test(value)
            ? /true/i.test(value)
            : value !== '' && Number.isFinite(Number(value))
              ? Number(value)
              : value,
        ]),
      )
      void this.load({ ...this.waiting!, preset, fields })
    })
  }

  private wirePuzzle(): void {
    byId('examples').replaceChildren(
      ...examples.map(({ title, text }) =>
        element('button', { type: 'button', class: 'chip', click: () => this.setPuzzle(parsePuzzle(text)) }, title),
      ),
    )
    const text = byId<HTMLTextAreaElement>('puzzle-text')
    text.addEventListener('input', () => this.read(text.value))
    takePicks(byId('puzzle-file-button'), byId<HTMLInputElement>('puzzle-file'), file => this.openPuzzle(file))
    byId('clear-puzzle').addEventListener('click', () =>
      this.setPuzzle({ kind: this.puzzle.kind, tokens: this.puzzle.kind.blank(this.puzzle.tokens.length) }),
    )
    byId('new-puzzle').addEventListener('click', () => void this.makePuzzle())
  }

  private wireSteps(): void {
    const scrub = byId<HTMLInputElement>('scrub')
    scrub.addEventListener('input', () => {
      this.endReplay()
      this.show(Number(scrub.value))
    })
    byId('play').addEventListener('click', () => this.play())
    byId('solve').addEventListener('click', () => (this.isSolving ? this.stop() : void this.solve()))
  }

  private openPuzzle(file: File): void {
    // Puzzles are small; a large file is something else.
    if (file.size > 1e6)
      return say(
        byId('puzzle-error'),
        `${file.name}: expected a puzzle as text or JSON, got ${number(file.size)} bytes — checkpoints end in .safetensors or .pt`,
      )
    void file.text().then(text => this.read(text, file.name))
  }

  /** Takes a puzzle from text, or says what is wrong with it. */
  private read(text: string, name?: string): void {
    try {
      this.setPuzzle(parsePuzzle(text), name === undefined)
    } catch (error) {
      say(byId('puzzle-error'), name ? `${name}: ${messageOf(error)}` : messageOf(error))
    }
  }

  private async makePuzzle(): Promise<void> {
    const { kind, tokens } = this.exampleShape()
    const task = kind.name === 'maze' ? 'maze' : 'sudoku'
    try {
      this.setPuzzle({
        kind,
        tokens: await this.connection.call('newPuzzle', {
          task,
          size: kind.side(tokens),
          seed: crypto.getRandomValues(new Uint32Array(1))[0],
        }),
      })
    } catch (error) {
      say(byId('puzzle-error'), messageOf(error))
    }
  }

  /** Kind and cells of the loaded model's puzzles. */
  private exampleShape(): { kind: Puzzle['kind']; tokens: number } {
    const { cells, vocabulary } = this.model!.config
    return { kind: kindOf(cells, vocabulary)!, tokens: cells }
  }

  private edit(cell: number, token: number): void {
    const tokens = this.puzzle.tokens.slice()
    tokens[cell] = token
    this.setPuzzle({ kind: this.puzzle.kind, tokens })
  }

  /** @param isTyped the text field is left as it is being typed */
  private setPuzzle(puzzle: Puzzle, isTyped = false): void {
    const { kind, tokens } = (this.puzzle = puzzle)
    if (!isTyped) byId<HTMLTextAreaElement>('puzzle-text').value = kind.text(tokens)
    byId('puzzle-title').textContent = kind.title(tokens.length)
    byId('palette').replaceChildren(
      ...kind.tokens(tokens.length).map(token =>
        element(
          'button',
          {
            type: 'button',
            class: `token ${kind.name === 'arc' ? `colour-${token.id - 2}` : ''}`,
            'aria-label': token.name,
            title: token.name,
            click: () => this.grid.write(token),
          },
          kind.name === 'sudoku' ? (token.id === 1 ? '⌫' : token.key) : kind.name === 'maze' ? token.name : '',
        ),
      ),
    )
    this.forget()
    this.showExamples()
  }

  /** Says which puzzles the model can take. */
  private showExamples(): void {
    const chips = byId('examples').children
    examples.forEach(({ text }, i) => {
      const fits = this.fits(parsePuzzle(text))
      chips[i].classList.toggle('unfit', !fits)
      chips[i].setAttribute('title', fits ? 'fits the loaded model' : 'needs another model')
    })
    const { model, puzzle } = this
    const fits = this.fits(puzzle)
    byId<HTMLButtonElement>('solve').disabled = !fits
    const [cells, vocabulary] = needs(puzzle)
    say(
      byId('puzzle-error'),
      model && !fits
        ? `The loaded model does not fit this puzzle: ${puzzle.kind.title(cells)} needs one for ${cells} cells and ${vocabulary} tokens, this one is for ${model.config.cells} and ${model.config.vocabulary}. Open a checkpoint for it, or train one.`
        : undefined,
    )
  }

  /** Drops an answer that is none of this puzzle's. */
  private forget(): void {
    this.stop()
    this.steps = []
    this.show(0)
  }

  private stop(): void {
    this.endReplay()
    if (this.isSolving) void this.connection.call('stopSolving', undefined)
  }

  private async solve(): Promise<void> {
    const value = (id: string) => Number(byId<HTMLInputElement>(id).value)
    const [steps, rollouts, noise, puzzleId] = [value('steps'), value('rollouts'), value('noise'), value('puzzle-id')]
    const puzzle = this.puzzle
    this.forget()
    this.setSolving(true)
    try {
      await this.connection.call(
        'solve',
        { puzzle: puzzle.tokens, options: { steps, rollouts, noise, puzzleId } },
        step => {
          if (puzzle !== this.puzzle) return
          // After a lost device the answer begins again.
          this.steps.length = step.step - 1
          this.steps.push(step)
          this.show(step.step)
        },
      )
    } catch (error) {
      say(byId('puzzle-error'), messageOf(error))
    } finally {
      this.setSolving(false)
      this.show(this.shown)
    }
  }

  private setSolving(isSolving: boolean): void {
    this.isSolving = isSolving
    byId('solve').textContent = isSolving ? 'Stop' : 'Solve'
  }

  /** Shows the answer after a step, 0 for the puzzle. */
  private show(at: number): void {
    this.shown = Math.min(at, this.steps.length)
    const { puzzle, steps, shown } = this
    const step = steps[shown - 1]
    const answer = step?.answer ?? puzzle.tokens
    const violations =
      step || puzzle.kind.name === 'sudoku'
        ? puzzle.kind.violations(puzzle, answer).filter(text => step || !/blank/.test(text))
        : []
    this.grid.show({
      puzzle,
      answer,
      changed: new Set(step?.changed),
      wrong: new Set(violations.length ? puzzle.kind.wrongCells(puzzle, answer) : []),
      editable: shown === 0,
    })
    const scrub = byId<HTMLInputElement>('scrub')
    ;[scrub.max, scrub.value, scrub.disabled] = [String(steps.length), String(shown), steps.length === 0]
    byId<HTMLButtonElement>('play').disabled = steps.length === 0 || this.isSolving
    const words = step
      ? `step ${shown} of ${steps.length}: ${step.changed.length} ${step.changed.length === 1 ? 'cell' : 'cells'} changed, ${percent(step.halt)} sure`
      : 'the puzzle as given'
    scrub.setAttribute('aria-valuetext', words)
    byId('step-text').textContent = words
    byId('palette').classList.toggle('resting', shown > 0)
    this.showConfidence()
    this.showRules(violations, step !== undefined)
  }

  private showConfidence(): void {
    byId('confidence').replaceChildren(
      ...this.steps.map(({ step, halt, changed }) =>
        element(
          'div',
          {
            class: `bar${step === this.shown ? ' here' : ''}`,
            style: `--share: ${halt.toFixed(4)}`,
            title: `step ${step}: ${percent(halt)} sure, ${changed.length} changed`,
            click: () => this.show(step),
          },
          element('span', {}, `${Math.round(100 * halt)}`),
        ),
      ),
    )
  }

  private showRules(violations: string[], isAnswer: boolean): void {
    const verdict = byId('verdict')
    const isBroken = violations.length > 0
    verdict.className = `verdict ${isBroken ? 'bad' : isAnswer && !this.isSolving ? 'good' : ''}`
    verdict.textContent =
      this.isSolving && isAnswer
        ? 'thinking …'
        : !isAnswer
          ? isBroken
            ? 'the puzzle breaks a rule'
            : ''
          : isBroken
            ? `not solved: ${violations.length} ${violations.length === 1 ? 'rule' : 'rules'} broken`
            : this.puzzle.kind.name === 'arc' && !this.puzzle.expected
              ? 'answered'
              : 'solved'
    const good =
      this.puzzle.kind.name === 'arc'
        ? this.puzzle.expected
          ? 'The answer is the expected output.'
          : 'No expected output was given, so nothing can be checked.'
        : 'The answer obeys every rule and keeps the givens.'
    const lines = isBroken
      ? violations
      : [isAnswer ? good : 'Press Solve, or write into the cells: arrow keys move, keys write.']
    byId('rules').replaceChildren(
      ...lines.slice(0, 8).map(text => element('li', { class: isBroken ? 'bad' : isAnswer ? 'good' : '' }, text)),
      ...(lines.length > 8 ? [element('li', {}, `and ${lines.length - 8} more`)] : []),
    )
  }

  private play(): void {
    this.endReplay()
    this.show(0)
    this.replay = setInterval(() => {
      this.show(this.shown + 1)
      if (this.shown >= this.steps.length) this.endReplay()
    }, REPLAY_MS)
  }

  private endReplay(): void {
    clearInterval(this.replay)
  }
}
