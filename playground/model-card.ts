// The model of the Solve tab: the page's own for each kind of puzzle, or a checkpoint that the visitor opens.
import { presets } from '../src/trm/published/settings.js'
import { percent } from '../src/formats/human.js'
import type { Connection } from './connection.js'
import { byId, element, messageOf, number, say, takeDrops, takePicks } from './element.js'
import { fieldsOf } from './fields.js'
import { type Offer, OFFERS } from './offers.js'
import type { ModelRequest, ModelSummary } from './protocol.js'
import type { Puzzle } from './puzzle.js'
import { isSame, kindOf, type Needs, needsOf, parsePuzzle } from './puzzles.js'

/** The offer whose model has what is needed. */
export const offerFor = (needs: Needs): Offer | undefined =>
  OFFERS.find(({ examples }) => isSame(needsOf(parsePuzzle(examples[0])), needs))

/** The offer that a puzzle belongs to. */
export const offerOf = (puzzle: Puzzle): Offer | undefined => offerFor(needsOf(puzzle))

/** A model to load: the file, and for which offer where it is the page's own. */
interface Order {
  offer?: Offer
  find: () => Promise<ModelRequest>
  /** A puzzle that does not fit the model should give way. */
  replaces: boolean
}

export class ModelCard {
  #model: ModelSummary | undefined
  /** Bytes of the models beside the page, by name; undefined until the list was read. */
  #files: Record<string, number> | undefined
  /** A file that waits for its configuration. */
  #waiting: ModelRequest | undefined
  /** Loads run one after the other; of those that wait, only the last one runs. */
  #queue: Promise<unknown> = Promise.resolve()
  #turn = 0
  /** The offer whose model is being loaded. */
  #coming: Offer | undefined
  /** The loaded model is a checkpoint of the visitor's. */
  #isOwn = false

  /**
   * @param onModel a model was loaded; `replaces` when a puzzle that does not fit it should give way
   * @param onWait a model is awaited, or could not be loaded
   */
  constructor(
    private readonly connection: Connection,
    private readonly onModel: (model: ModelSummary, replaces: boolean) => void,
    private readonly onWait: () => void,
  ) {
    const open = (file: File) => void this.load({ file, name: file.name })
    takePicks(byId('model-button'), byId<HTMLInputElement>('model-file'), open)
    takeDrops(byId('model-drop'), open)
    byId('bundled').addEventListener('click', () => this.#restore())
    this.#wireConfig()
  }

  /** Reads which models lie beside the page. Loads nothing yet. */
  async begin(): Promise<void> {
    byId('model-name').textContent = 'none yet'
    try {
      this.#files = await readList('models/index.json')
    } catch (error) {
      this.#files = {}
      say(byId('model-error'), messageOf(error))
    }
  }

  /** Resolves when nothing is being loaded. */
  async settled(): Promise<void> {
    await this.#queue
  }

  /** Whether the loaded model can answer this puzzle. */
  fits(puzzle: Puzzle): boolean {
    return this.#model !== undefined && !this.#coming && isSame(this.#model.config, needsOf(puzzle))
  }

  /** Whether the offer's model lies beside the page. */
  has({ model }: Offer): boolean {
    return model !== undefined && this.#files?.[model] !== undefined
  }

  /** Why no model can answer this puzzle, in words; undefined when one can, or is being loaded. */
  trouble(puzzle: Puzzle): string | undefined {
    if (!this.#files || this.#coming || this.fits(puzzle)) return undefined
    const title = puzzle.kind.title(puzzle.tokens.length)
    const offer = offerOf(puzzle)
    if (offer?.model && !this.has(offer)) {
      const file = `models/${offer.model}.safetensors`
      return `No model for ${title} lies beside this page (${file}): train one in the Train tab, or open a checkpoint.`
    }
    if (!this.#model) return `${title}: no model is loaded. Open a checkpoint.`
    const { cells, vocabulary } = needsOf(puzzle)
    const own = this.#model.config
    return (
      `The loaded model does not fit this puzzle: ${title} needs one for ${cells} cells and ${vocabulary} tokens, ` +
      `this one is for ${own.cells} and ${own.vocabulary}. Open a checkpoint for it, or train one.`
    )
  }

  /** Loads the page's model for this puzzle, unless the loaded model fits or there is none. */
  loadFor(puzzle: Puzzle): void {
    const offer = offerOf(puzzle)
    if (this.fits(puzzle) || !offer || !this.has(offer) || this.#coming === offer) return
    void this.#loadOffer(offer, false)
  }

  /** Loads a checkpoint. What is wrong with it is shown in the card, and the model before it stays. */
  async load(request: ModelRequest): Promise<boolean> {
    return this.#inTurn({ find: async () => request, replaces: true })
  }

  async #loadOffer(offer: Offer, replaces: boolean): Promise<boolean> {
    const path = `models/${offer.model}.safetensors`
    const find = async () => {
      const response = await fetch(path)
      if (!response.ok) throw new Error(`${path}: status ${response.status} — reload the page`)
      return { file: await response.blob(), name: `${offer.title}, bundled` }
    }
    return this.#inTurn({ offer, find, replaces })
  }

  /** Loads the page's model in place of the visitor's, for the same kind of puzzle where there is one. */
  #restore(): void {
    const fitting = this.#model && offerFor(this.#model.config)
    const offer = [fitting, ...OFFERS].find(each => each && this.has(each))
    if (offer) void this.#loadOffer(offer, true)
  }

  async #inTurn(order: Order): Promise<boolean> {
    const { offer, replaces } = order
    const turn = ++this.#turn
    this.#coming = offer
    say(byId('model-error'), undefined)
    byId('model-config').hidden = true
    if (offer) byId('model-name').textContent = `loading ${offer.title} …`
    this.onWait()
    const done = this.#queue.then(() => turn === this.#turn && this.#fetchAndSend(order))
    this.#queue = done
    const isLoaded = await done
    const isLast = turn === this.#turn
    if (isLast) this.#coming = undefined
    if (isLoaded) this.onModel(this.#model!, replaces && isLast)
    else if (isLast) this.onWait()
    return isLoaded
  }

  /** Never rejects. */
  async #fetchAndSend({ find, offer }: Order): Promise<boolean> {
    try {
      const request = await find()
      const result = await this.connection.call('load', request, ({ received, total }) => {
        const share = total ? percent(received / total) : `${number(received)} bytes`
        byId('model-name').textContent = `reading ${request.name} … ${share}`
      })
      if ('needsConfig' in result) {
        this.#askConfig(request, result.needsConfig)
        return false
      }
      this.#model = result
      this.#isOwn = offer === undefined
      return true
    } catch (error) {
      say(byId('model-error'), messageOf(error))
      return false
    } finally {
      this.#showModel()
    }
  }

  #showModel(): void {
    byId('model-name').textContent = this.#model?.name ?? 'none'
    byId('model-facts').textContent = this.#model ? factsOf(this.#model).join(' · ') : ''
    byId('bundled').hidden = !this.#isOwn
  }

  #askConfig(request: ModelRequest, reason: string): void {
    this.#waiting = request
    byId('model-config').hidden = false
    // The hint of the message is about the command line, and of no use here.
    byId('model-config-reason').textContent = reason.replace(/ — .*$/s, '')
    byId('model-preset').focus()
  }

  #wireConfig(): void {
    byId('model-preset').append(
      ...Object.entries(presets).map(([name, { about }]) => element('option', { value: name }, `${name}: ${about}`)),
      element('option', { value: '' }, 'other: all fields below'),
    )
    byId('model-config').addEventListener('submit', event => {
      event.preventDefault()
      const preset = byId<HTMLSelectElement>('model-preset').value || undefined
      const fields = fieldsOf(byId<HTMLInputElement>('model-fields').value)
      void this.load({ ...this.#waiting!, preset, fields })
    })
  }
}

/** Sizes of files in bytes, by name. */
async function readList(path: string): Promise<Record<string, number>> {
  const response = await fetch(path)
  if (!response.ok)
    throw new Error(`${path}: status ${response.status}, expected the list of models — build the page again`)
  return (await response.json()) as Record<string, number>
}

/** A model in short phrases. */
function factsOf({ config, parameters, metadata }: ModelSummary): string[] {
  const { cells, vocabulary, architecture, tokenMixing, cycles, latentSteps } = config
  const kind = kindOf(cells, vocabulary)
  const mixing = tokenMixing ? 'token-mixing MLP' : 'attention'
  return [
    kind ? `for ${kind.title(cells)}` : `for ${cells} cells and ${vocabulary} tokens: no puzzle that this page knows`,
    architecture === 'trm' ? mixing : architecture,
    `${number(parameters)} parameters`,
    `${cycles} ${cycles === 1 ? 'cycle' : 'cycles'} of ${latentSteps} latent steps`,
    ...(metadata.step ? [`${metadata.step} steps in its last training`] : []),
  ]
}
