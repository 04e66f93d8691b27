// The steps of an answer: a strip of frames, a slider, a film, the curve of broken rules, and the strip as a picture.
import type { SolveStep } from '../src/index.js'
import { percent } from '../src/formats/human.js'
import { type Colours, coloursOf } from './chart.js'
import { ConflictCurve } from './conflict-curve.js'
import { byId, count, download, element } from './element.js'
import { drawScene, type Frame, type Scene, stripPicture } from './picture.js'
import type { Puzzle } from './puzzle.js'

/** Milliseconds that a step of the film stays; a long film is faster, and takes about `FILM` in all. */
const [SLOWEST, FASTEST, FILM] = [700, 80, 9000]

/** Side of a frame in CSS pixels. */
const FRAME = 84

/** Most frames of the picture that can be saved. */
const MOST_FRAMES = 18

/** One supervision step, and what the rules say about its answer. */
interface Entry {
  step: SolveStep
  /** Undefined where no rule can be checked. */
  conflicts: number | undefined
  scene: Scene
}

export class Steps {
  #puzzle: Puzzle | undefined
  #entries: Entry[] = []
  #at = 0
  #film: ReturnType<typeof setInterval> | undefined
  #isBusy = false
  #trained = Infinity
  #colour: Colours = coloursOf(byId('strip'))
  readonly #curve = new ConflictCurve(byId('conflicts'))

  /** @param onShow another step is on show */
  constructor(private readonly onShow: () => void) {
    const scrub = byId<HTMLInputElement>('scrub')
    scrub.addEventListener('input', () => this.#pick(Number(scrub.value)))
    byId('play').addEventListener('click', () => (this.#film === undefined ? this.#play() : this.#endFilm()))
    byId('save-strip').addEventListener('click', () => this.#save())
    addEventListener('themechange', () => {
      this.#colour = coloursOf(byId('strip'))
      this.#build()
    })
  }

  get length(): number {
    return this.#entries.length
  }

  /** The answer on show; undefined for the puzzle itself. */
  get current(): SolveStep | undefined {
    return this.#entries[this.#at - 1]?.step
  }

  /** Supervision steps of the model's training; later frames are marked. */
  setTrained(steps: number): void {
    this.#trained = steps
  }

  setBusy(isBusy: boolean): void {
    this.#isBusy = isBusy
    this.#update()
  }

  /** Begins with a puzzle that has no answer yet. */
  clear(puzzle: Puzzle): void {
    this.#endFilm()
    this.#puzzle = puzzle
    this.#entries = []
    this.#build()
    this.#show(0)
  }

  /** Takes a step and shows it. A step that is known already replaces itself and all later ones. */
  add(step: SolveStep): void {
    const puzzle = this.#puzzle!
    if (step.step <= this.#entries.length) {
      this.#entries.length = step.step - 1
      this.#build()
    }
    const conflicts = puzzle.kind.conflicts(puzzle, step.answer)
    const wrong = new Set(conflicts ? puzzle.kind.wrongCells(puzzle, step.answer) : [])
    this.#entries.push({
      step,
      conflicts,
      scene: { puzzle, answer: step.answer, changed: new Set(step.changed), wrong },
    })
    byId('strip').append(this.#frame(this.#entries.length))
    this.#show(step.step)
  }

  #pick(at: number): void {
    this.#endFilm()
    this.#show(at)
  }

  #show(at: number): void {
    this.#at = Math.min(at, this.#entries.length)
    this.#update()
    this.onShow()
  }

  #play(): void {
    const { length } = this.#entries
    this.#show(0)
    this.#film = setInterval(
      () => {
        this.#show(this.#at + 1)
        if (this.#at >= length) this.#endFilm()
      },
      Math.max(FASTEST, Math.min(SLOWEST, FILM / length)),
    )
    this.#update()
  }

  #endFilm(): void {
    clearInterval(this.#film)
    this.#film = undefined
    this.#update()
  }

  #update(): void {
    const [entries, at] = [this.#entries, this.#at]
    const scrub = byId<HTMLInputElement>('scrub')
    ;[scrub.max, scrub.value, scrub.disabled] = [String(entries.length), String(at), entries.length === 0]
    const words = at ? `step ${at} of ${entries.length}: ${wordsOf(entries[at - 1]).join(', ')}` : 'the puzzle as given'
    scrub.setAttribute('aria-valuetext', words)
    byId('step-text').textContent = words
    const play = byId<HTMLButtonElement>('play')
    play.disabled = entries.length === 0 || this.#isBusy
    play.textContent = this.#film === undefined ? '▶ Play' : '■ Stop the film'
    byId<HTMLButtonElement>('save-strip').disabled = entries.length === 0 || this.#isBusy
    byId('answer').hidden = entries.length === 0
    this.#markFrame()
    this.#showCurve()
  }

  #markFrame(): void {
    const strip = byId('strip')
    strip.querySelector('[aria-current]')?.removeAttribute('aria-current')
    const frame = strip.children[this.#at] as HTMLElement | undefined
    frame?.firstElementChild?.setAttribute('aria-current', 'step')
    if (frame) strip.scrollLeft = frame.offsetLeft - strip.clientWidth / 2 + frame.clientWidth / 2
  }

  #showCurve(): void {
    const points = this.#entries.map(({ step, conflicts }) => ({ step: step.step, conflicts, confidence: step.halt }))
    byId('curve').hidden = points.length < 2
    byId('curve-text').textContent = summaryOf(this.#entries)
    const isBeyond = points.length > this.#trained
    byId('curve-trained').textContent = isBeyond ? `┊ ${count(this.#trained, 'step')} in training` : ''
    this.#curve.show(points, this.#trained)
  }

  /** Draws all frames anew. */
  #build(): void {
    if (!this.#puzzle) return
    byId('strip').replaceChildren(...Array.from({ length: this.#entries.length + 1 }, (_, at) => this.#frame(at)))
    this.#markFrame()
  }

  #sceneAt(at: number): Scene {
    const puzzle = this.#puzzle!
    return this.#entries[at - 1]?.scene ?? { puzzle, answer: puzzle.tokens, changed: new Set(), wrong: new Set() }
  }

  /** A frame of the strip; 0 is the puzzle. */
  #frame(at: number): HTMLElement {
    const entry = this.#entries[at - 1] as Entry | undefined
    const canvas = element('canvas', { 'aria-hidden': 'true' })
    canvas.width = canvas.height = FRAME * devicePixelRatio
    const square = { x: devicePixelRatio, y: devicePixelRatio, size: (FRAME - 2) * devicePixelRatio }
    drawScene(canvas.getContext('2d')!, this.#sceneAt(at), square, this.#colour)
    const title = titleOf(at)
    const [words, figures] = entry ? [wordsOf(entry), figuresOf(entry)] : [[], []]
    const bar = element('span', { class: 'sureness', style: `--share: ${(entry?.step.halt ?? 0).toFixed(4)}` })
    // The slider is the way of the keyboard: a hundred frames would be a hundred stops.
    const button = element(
      'button',
      {
        type: 'button',
        tabindex: -1,
        class: `frame ${entry ? 'step' : ''} ${at > this.#trained ? 'beyond' : ''}`,
        'aria-label': [title, ...words].join(', '),
        title: at > this.#trained ? 'more steps than in training' : title,
        click: () => this.#pick(at),
      },
      canvas,
      element('b', {}, title),
      ...(entry ? [bar] : []),
      ...figures.map(text => element('span', {}, text)),
    )
    return element('li', {}, button)
  }

  #save(): void {
    const [puzzle, entries] = [this.#puzzle, this.#entries]
    const title = puzzle!.kind.title(puzzle!.tokens.length)
    const frames = [0, ...framesOf(entries)].map<Frame>(at => ({
      scene: this.#sceneAt(at),
      lines: [titleOf(at), ...(at ? wordsOf(entries[at - 1]) : [])],
    }))
    const canvas = stripPicture(`${title}, ${count(entries.length, 'supervision step')}`, frames, this.#colour)
    const name = `${title
      .toLowerCase()
      .replace('×', 'x')
      .replace(/[^a-z0-9]+/g, '-')}-${entries.length}-steps.png`
    canvas.toBlob(blob => blob && download(name, blob, 'image/png'))
  }
}

/** What a step did, in words. */
function wordsOf({ step, conflicts }: Entry): string[] {
  const { changed, halt, rollout, votes } = step
  return [
    `${count(changed.length, 'cell')} changed`,
    ...(conflicts === undefined ? [] : [conflicts ? `${count(conflicts, 'rule')} broken` : 'no rule broken']),
    `${percent(halt)} sure`,
    ...(rollout || votes > 1 ? [`try ${rollout + 1}, ${votes} agree`] : []),
  ]
}

const titleOf = (at: number): string => (at ? `step ${at}` : 'puzzle')

/** The same in figures, one to a line of a frame. */
function figuresOf({ step, conflicts }: Entry): string[] {
  const { changed, halt, rollout, votes } = step
  return [
    `${changed.length} changed`,
    ...(conflicts === undefined ? [] : [`${conflicts} broken`]),
    `${percent(halt)} sure`,
    ...(rollout || votes > 1 ? [`try ${rollout + 1}: ${votes} agree`] : []),
  ]
}

/** From which step on the answer breaks no rule, or how near it came. */
function summaryOf(entries: readonly Entry[]): string {
  const conflicts = entries.map(entry => entry.conflicts)
  const last = conflicts.at(-1)
  if (last === undefined) return ''
  const firstGood = conflicts.findLastIndex(each => each !== 0) + 2
  if (last === 0) return `No rule is broken from step ${firstGood} on.`
  const least = Math.min(...conflicts.map(each => each ?? Infinity))
  const best = least < last ? `; fewest after step ${conflicts.indexOf(least) + 1}: ${least}` : ''
  return `${count(last, 'rule')} broken after step ${entries.length}${best}.`
}

/** The steps of a picture: those that changed something and the last one, evenly thinned where they are too many. */
function framesOf(entries: readonly Entry[]): number[] {
  const all = entries.map((_, i) => i + 1)
  const changing = all.filter(at => entries[at - 1].step.changed.length > 0 || at === entries.length)
  const most = MOST_FRAMES - 1
  if (changing.length <= most) return changing
  return Array.from({ length: most }, (_, i) => changing[Math.round((i * (changing.length - 1)) / (most - 1))])
}
