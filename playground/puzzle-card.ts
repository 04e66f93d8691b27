// Where puzzles come from: the kinds of the page, examples, the text field, the clipboard, files, new ones and links.
import type { Connection } from './connection.js'
import { byId, element, messageOf, number, say, takePicks } from './element.js'
import { linkOf, puzzleOfLink } from './link.js'
import { offerOf } from './model-card.js'
import { type Offer, OFFERS } from './offers.js'
import type { Puzzle } from './puzzle.js'
import { parsePuzzle } from './puzzles.js'

/** The largest file that is read as a puzzle, in bytes. */
const MOST_BYTES = 1e6

export class PuzzleCard {
  /** The puzzle that was given last. */
  #puzzle: Puzzle | undefined

  /** @param take a puzzle was given; `isTyped` when the text field holds it already */
  constructor(
    private readonly connection: Connection,
    private readonly take: (puzzle: Puzzle, isTyped?: boolean) => void,
  ) {
    byId('kinds').replaceChildren(...OFFERS.map(offer => this.#kindButton(offer)))
    const text = byId<HTMLTextAreaElement>('puzzle-text')
    text.addEventListener('input', () => this.#read(text.value))
    takePicks(byId('puzzle-file-button'), byId<HTMLInputElement>('puzzle-file'), file => void this.open(file))
    byId('clear-puzzle').addEventListener('click', () => this.#clear())
    byId('new-puzzle').addEventListener('click', () => void this.#make())
    byId('share').addEventListener('click', () => void this.#share())
    addEventListener('paste', event => this.#paste(event))
  }

  /** Shows a puzzle as the one that is looked at. `has` says whether the page has the model of an offer. */
  show(puzzle: Puzzle, isTyped: boolean, has: (offer: Offer) => boolean): void {
    const before = this.#puzzle && offerOf(this.#puzzle)
    this.#puzzle = puzzle
    const { kind, tokens } = puzzle
    if (!isTyped) byId<HTMLTextAreaElement>('puzzle-text').value = kind.text(tokens)
    const offer = offerOf(puzzle)
    for (const [i, button] of [...byId('kinds').children].entries()) {
      button.setAttribute('aria-pressed', String(OFFERS[i] === offer))
      button.classList.toggle('unfit', !has(OFFERS[i]))
      button.setAttribute('title', has(OFFERS[i]) ? 'with a model beside the page' : 'bring or train a model')
    }
    for (const id of ['share-text', 'puzzle-error']) say(byId(id), undefined)
    // The address must not go on to name another puzzle.
    if (location.hash.startsWith('#/solve/') && location.hash !== linkOf(puzzle))
      history.replaceState(null, '', '#/solve')
    if (offer !== before || !byId('examples').children.length) this.#showOffer(offer)
  }

  /** Takes the puzzle of a link, if the fragment is one. */
  readLink(fragment: string): void {
    try {
      const puzzle = puzzleOfLink(fragment)
      if (puzzle) this.take(puzzle)
    } catch (error) {
      say(byId('puzzle-error'), `link: ${messageOf(error)}`)
    }
  }

  /** Reads a file of text. */
  async open(file: File): Promise<void> {
    if (file.size <= MOST_BYTES) return this.#read(await file.text(), file.name)
    const found = `expected a puzzle as text or JSON, got ${number(file.size)} bytes`
    say(byId('puzzle-error'), `${file.name}: ${found} — checkpoints end in .safetensors or .pt`)
  }

  #kindButton(offer: Offer): HTMLElement {
    const choose = () => this.take(parsePuzzle(offer.examples[0]))
    return element('button', { type: 'button', class: 'chip', 'aria-pressed': 'false', click: choose }, offer.title)
  }

  /** Examples and ways to draw a new puzzle of the kind. */
  #showOffer(offer: Offer | undefined): void {
    byId('examples').replaceChildren(
      ...(offer?.examples ?? []).map((text, i) =>
        element(
          'button',
          { type: 'button', class: 'chip', click: () => this.take(parsePuzzle(text)) },
          `example ${i + 1}`,
        ),
      ),
    )
    const draws = offer?.draws ?? []
    byId('draw').replaceChildren(...draws.map(({ title }, i) => element('option', { value: i }, title)))
    byId('draw').hidden = draws.length === 0
    byId<HTMLButtonElement>('new-puzzle').disabled = draws.length === 0
  }

  /** Takes a puzzle from text, or says what is wrong with it. */
  #read(text: string, name?: string): void {
    const [link] = /#\/solve\/\S+/.exec(text) ?? []
    if (link) return this.readLink(link)
    try {
      this.take(parsePuzzle(text), name === undefined)
    } catch (error) {
      say(byId('puzzle-error'), name ? `${name}: ${messageOf(error)}` : messageOf(error))
    }
  }

  /** A puzzle that is pasted anywhere in the tab, but not into a field. */
  #paste(event: ClipboardEvent): void {
    const isField = event.target instanceof Element && event.target.closest('input, textarea, select')
    const text = event.clipboardData?.getData('text/plain')
    if (isField || !text || byId('panel-solve').hidden) return
    event.preventDefault()
    byId<HTMLTextAreaElement>('puzzle-text').value = text
    this.#read(text)
  }

  #clear(): void {
    const { kind, tokens } = this.#puzzle!
    this.take({ kind, tokens: kind.blank(tokens.length) })
  }

  async #make(): Promise<void> {
    const { kind, tokens } = this.#puzzle!
    const { clues, rooms } = offerOf(this.#puzzle!)!.draws[Number(byId<HTMLSelectElement>('draw').value)]
    const [task, size] = [kind.name === 'maze' ? 'maze' : 'sudoku', kind.side(tokens.length)] as const
    const [seed] = crypto.getRandomValues(new Uint32Array(1))
    const button = byId<HTMLButtonElement>('new-puzzle')
    button.disabled = true
    try {
      this.take({ kind, tokens: await this.connection.call('newPuzzle', { task, size, clues, rooms, seed }) })
    } catch (error) {
      say(byId('puzzle-error'), messageOf(error))
    } finally {
      button.disabled = offerOf(this.#puzzle!)?.draws.length === 0
    }
  }

  /** Puts the link into the address bar and the clipboard, and shows it. */
  async #share(): Promise<void> {
    history.replaceState(null, '', linkOf(this.#puzzle!))
    const isCopied = await navigator.clipboard?.writeText(location.href).then(
      () => true,
      () => false,
    )
    say(
      byId('share-text'),
      isCopied
        ? 'The link is copied. The puzzle stands in it after the #, which browsers send to nobody.'
        : 'The link stands in the address bar: copy it from there. Browsers send nobody what stands after the #.',
    )
  }
}
