// The page: opens the worker, shows one tab at a time, and says which GPU there is.
import { Connection } from './connection.js'
import { byId, element, messageOf } from './element.js'
import { MeasureTab } from './measure-tab.js'
import { SolveTab } from './solve-tab.js'
import { wireTheme } from './theme.js'
import { TrainTab } from './train-tab.js'

const TABS = ['solve', 'train', 'measure'] as const
type Tab = (typeof TABS)[number]

/** Seconds that a notice stays. */
const NOTICE_SECONDS = 20

/** With a slash, so that it names no element to scroll to. */
const addressOf = (tab: Tab) => `#/${tab}`

/** The tab of an address; a puzzle may follow its name. */
const tabOf = (fragment: string) => TABS.find(tab => `${fragment}/`.startsWith(`${addressOf(tab)}/`))

function showTab(tab: Tab): void {
  for (const name of TABS) {
    const [button, isChosen] = [byId(`tab-${name}`), name === tab]
    button.setAttribute('aria-selected', String(isChosen))
    button.tabIndex = isChosen ? 0 : -1
    byId(`panel-${name}`).hidden = !isChosen
  }
  if (tabOf(location.hash) !== tab) history.replaceState(null, '', addressOf(tab))
  dispatchEvent(new Event('tabchange'))
}

function wireTabs(): void {
  const fromAddress = () => showTab(tabOf(location.hash) ?? 'solve')
  for (const [i, name] of TABS.entries()) {
    byId(`tab-${name}`).addEventListener('click', () => showTab(name))
    byId(`tab-${name}`).addEventListener('keydown', event => {
      const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
      if (move === undefined) return
      const next = TABS[(i + move + TABS.length) % TABS.length]
      showTab(next)
      byId(`tab-${next}`).focus()
    })
  }
  addEventListener('hashchange', fromAddress)
  fromAddress()
}

function notify(text: string, isTrouble: boolean): void {
  const notice = element(
    'p',
    { class: `notice ${isTrouble ? 'bad' : ''}` },
    text,
    ' ',
    element('button', { class: 'quiet', 'aria-label': 'Dismiss', click: () => notice.remove() }, '×'),
  )
  byId('notices').append(notice)
  setTimeout(() => notice.remove(), 1000 * NOTICE_SECONDS)
}

function noGpu(reason: string): void {
  byId('no-gpu').hidden = false
  byId('no-gpu-reason').textContent = reason
  byId('gpu').textContent = 'no WebGPU'
  byId('gpu').classList.add('bad')
}

async function start(): Promise<void> {
  wireTheme()
  wireTabs()
  // A file dropped beside every drop area must not replace the page.
  for (const name of ['dragover', 'drop']) addEventListener(name, event => event.preventDefault())
  if (!navigator.gpu)
    return noGpu(
      isSecureContext
        ? 'This browser does not offer WebGPU to the page.'
        : 'Browsers offer WebGPU to secure pages only, and this address is not secure.',
    )
  const connection = new Connection(notify)
  const solveTab = new SolveTab(connection)
  const trainTab = new TrainTab(connection, async request => {
    showTab('solve')
    await solveTab.load(request)
  })
  const measureTab = new MeasureTab(connection)
  try {
    const report = await connection.call('open', undefined)
    const { description, isSoftware } = report.adapter
    byId('gpu').textContent = isSoftware ? `${description}, on the processor` : description
    byId('gpu').title = isSoftware
      ? 'There is no GPU here, or the browser does not use it: a software adapter computes, slowly.'
      : description
    measureTab.show(report)
    await solveTab.begin()
    await trainTab.begin()
    await measureTab.begin()
  } catch (error) {
    if (/no WebGPU|no adapter/.test(messageOf(error)))
      noGpu('The browser has WebGPU, but found no adapter that it would use.')
    else notify(messageOf(error), true)
  }
}

void start()
