// The Measure tab: what the adapter is, whether it computes what the published code computes, and how fast.
import { SIZES, type Size } from '../bench/models.js'
import { digits, size as bytesInWords, skipText } from '../bench/report.js'
import type { SuiteResult } from '../bench/suite.js'
import type { Verification } from '../src/index.js'
import type { Connection } from './connection.js'
import { byId, count as inWords, download, element, messageOf, number, say } from './element.js'
import type { GpuReport } from './protocol.js'

/** Groups of cases, by parts of their names. */
const PARTS: readonly { title: string; parts: string[] }[] = [
  { title: 'matrix products', parts: ['matmul'] },
  { title: 'attention', parts: ['attention'] },
  { title: 'norms and gates', parts: ['rmsnorm', 'swiglu', 'embedding', 'loss', 'optimi'] },
  { title: 'training step', parts: ['training step'] },
  { title: 'inference', parts: ['inference'] },
]

export class MeasureTab {
  #cases: { name: string; size: Size }[] = []
  #result: SuiteResult | undefined

  constructor(private readonly connection: Connection) {
    byId('verify').addEventListener('click', () => void this.#verify())
    byId('bench-form').addEventListener('submit', event => {
      event.preventDefault()
      void this.#bench()
    })
    byId('bench-stop').addEventListener('click', () => void this.connection.call('stopBench', undefined))
    byId('bench-export').addEventListener('click', () => this.#export())
    byId('lose').addEventListener('click', () => void this.connection.call('lose', undefined))
  }

  /** Shows what the adapter is. */
  show({ adapter, limits }: GpuReport): void {
    const facts: [string, string][] = [
      ['Name', adapter.description],
      ['Vendor', adapter.vendor || '–'],
      ['Architecture', adapter.architecture || '–'],
      ['Computes on', adapter.isSoftware ? 'the processor' : 'a GPU'],
      ['Largest tensor', bytesInWords(adapter.maxTensorBytes)],
      ['Subgroups of', adapter.subgroupSize === undefined ? '–' : String(adapter.subgroupSize)],
    ]
    byId('adapter').replaceChildren(...pairs(facts))
    byId('features').replaceChildren(...adapter.features.map(name => element('li', {}, name)))
    byId('limits').replaceChildren(...pairs(Object.entries(limits).map(([name, value]) => [name, number(value)])))
  }

  /** Offers what can be measured on this adapter. */
  async begin(): Promise<void> {
    this.#cases = await this.connection.call('benchCases', undefined)
    const choice = (name: string, value: string, isOn: boolean) =>
      element(
        'label',
        { class: 'chip' },
        element('input', { type: 'checkbox', value, checked: isOn, change: () => this.#count() }),
        name,
      )
    byId('bench-sizes').append(
      ...SIZES.filter(size => this.#cases.some(one => one.size === size)).map(size =>
        choice(size, size, size === 'small'),
      ),
    )
    byId('bench-parts').append(
      ...PARTS.filter(({ parts }) => this.#cases.some(({ name }) => parts.some(part => name.includes(part)))).map(
        ({ title }) => choice(title, title, title !== 'norms and gates'),
      ),
    )
    for (const id of ['verify', 'bench']) byId<HTMLButtonElement>(id).disabled = false
    this.#count()
  }

  async #verify(): Promise<void> {
    const [button, verdict, progress, rows] = [
      byId<HTMLButtonElement>('verify'),
      byId('verify-verdict'),
      byId('verify-progress'),
      byId('verify-rows'),
    ]
    const done: Verification[] = []
    button.disabled = true
    verdict.className = 'verdict busy'
    verdict.textContent = 'computing …'
    rows.replaceChildren()
    say(byId('verify-error'), undefined)
    try {
      await this.connection.call('verify', undefined, ({ verification, total }) => {
        done.push(verification)
        progress.textContent = `${done.length} of ${total} recordings`
        rows.append(recording(verification))
      })
      const wrong = done.filter(({ ok }) => !ok)
      const quantities = done.reduce((sum, { rows }) => sum + rows.length, 0)
      verdict.className = `verdict ${wrong.length ? 'bad' : 'good'}`
      verdict.textContent = wrong.length
        ? `no: ${wrong.length} of ${done.length} recordings differ`
        : `yes: all ${number(quantities)} quantities agree`
    } catch (error) {
      verdict.className = 'verdict bad'
      verdict.textContent = 'could not be checked'
      say(byId('verify-error'), messageOf(error))
    } finally {
      button.disabled = false
    }
  }

  #chosen(): { only: string[]; sizes: Size[] } {
    const checked = (id: string) =>
      [...byId(id).querySelectorAll<HTMLInputElement>('input:checked')].map(({ value }) => value)
    return {
      only: PARTS.filter(({ title }) => checked('bench-parts').includes(title)).flatMap(({ parts }) => parts),
      sizes: checked('bench-sizes') as Size[],
    }
  }

  #count(): void {
    const { only, sizes } = this.#chosen()
    const count = this.#cases.filter(
      ({ name, size }) => sizes.includes(size) && only.some(part => `${size} ${name}`.includes(part)),
    ).length
    byId('bench-count').textContent = inWords(count, 'case')
    byId<HTMLButtonElement>('bench').disabled = count === 0
  }

  async #bench(): Promise<void> {
    const [state, bar] = [byId('bench-state'), byId<HTMLProgressElement>('bench-progress')]
    const busy = (isBusy: boolean) => {
      byId<HTMLButtonElement>('bench').disabled = isBusy
      byId<HTMLButtonElement>('bench-stop').disabled = !isBusy
      bar.hidden = !isBusy
      state.className = `verdict ${isBusy ? 'busy' : ''}`
    }
    say(byId('bench-error'), undefined)
    busy(true)
    try {
      const result = await this.connection.call('bench', this.#chosen(), ({ done, total, text }) => {
        bar.value = done / total
        state.textContent = text
      })
      state.textContent = result
        ? `peak ${digits(result.peak.gflops)} GFLOP/s, ${digits(result.peak.gbs)} GB/s`
        : 'stopped'
      if (result) this.#showBench(result)
    } catch (error) {
      state.textContent = 'failed'
      say(byId('bench-error'), messageOf(error))
    } finally {
      busy(false)
    }
  }

  #showBench(result: SuiteResult): void {
    this.#result = result
    byId<HTMLButtonElement>('bench-export').disabled = false
    const head = ['size', 'case', 'ms', 'GFLOP/s', 'GB/s', 'of peak']
    const rows = result.rows.map(({ size, case: name, medianMs, gflops, gbs, percentOfPeak }) => [
      size,
      name,
      digits(medianMs),
      digits(gflops),
      digits(gbs),
      `${digits(percentOfPeak)} %`,
    ])
    const { skipped = [], limitMs = Infinity } = result
    const skips = skipped.map(skip => [skip.size, `${skip.case} (${skipText(skip, limitMs)})`, '–', '–', '–', '–'])
    byId('bench-rows').replaceChildren(table(head, [...rows, ...skips], 2))
  }

  #export(): void {
    const date = new Date().toISOString()
    download(
      `webgpu-trm-bench-${date.slice(0, 10)}.json`,
      JSON.stringify(
        { ...this.#result, date, browser: navigator.userAgent, cores: navigator.hardwareConcurrency },
        null,
        2,
      ),
      'application/json',
    )
  }
}

const pairs = (facts: readonly (readonly [string, string])[]) =>
  facts.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)])

function table(head: readonly string[], rows: readonly (readonly string[])[], left: number): HTMLTableElement {
  const cells = (tag: 'th' | 'td', row: readonly string[]) => {
    const scope = tag === 'th' ? 'col' : undefined
    return element('tr', {}, ...row.map((text, i) => element(tag, { class: i < left ? 'left' : '', scope }, text)))
  }
  return element(
    'table',
    {},
    element('thead', {}, cells('th', head)),
    element('tbody', {}, ...rows.map(row => cells('td', row))),
  )
}

/** One recording: a line, and all its quantities when it is opened. */
function recording({ file, ok, rows }: Verification): HTMLElement {
  const shareOf = ({ error, allowed }: Verification['rows'][number]) => (error === 0 ? 0 : error / allowed)
  const worst = rows.reduce((most, row) => Math.max(most, shareOf(row)), 0)
  const summary = element(
    'summary',
    { class: ok ? 'good' : 'bad' },
    `${ok ? '✓' : '✗'} ${file}: ${rows.length} quantities, at most ${digits(100 * worst)} % of the allowed error`,
  )
  return element(
    'details',
    {},
    summary,
    table(
      ['quantity', 'error', 'allowed', 'share'],
      rows.map(row => [
        row.name,
        row.error.toExponential(2),
        row.allowed.toExponential(2),
        `${digits(100 * shareOf(row))} %`,
      ]),
      1,
    ),
  )
}
