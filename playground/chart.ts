// A chart that fills its element, takes the colours of the theme, and draws at most once a frame.
import uPlot from 'uplot'

export type ChartData = uPlot.AlignedData
export type ChartOptions = Omit<uPlot.Options, 'width' | 'height'>

/** Colours of the style sheet by name, as canvases need them. */
export type Colours = (name: string) => string

const FONT = '12px system-ui, sans-serif'

/** Least width and height in CSS pixels. */
const [LEAST_WIDTH, LEAST_HEIGHT] = [200, 100]

export class Chart {
  #plot: uPlot | undefined
  #data: ChartData | undefined
  #isDue = false

  /** @param options made anew for every theme */
  constructor(
    private readonly root: HTMLElement,
    private readonly options: (axis: uPlot.Axis, colour: Colours) => ChartOptions,
  ) {
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(root)
    // Colours are drawn, not styled: another theme is another plot.
    addEventListener('themechange', () => {
      this.#clear()
      this.show(this.#data)
    })
  }

  /** Draws the data at the next frame; undefined clears the chart. */
  show(data: ChartData | undefined): void {
    this.#data = data
    if (this.#isDue) return
    this.#isDue = true
    requestAnimationFrame(() => {
      this.#isDue = false
      if (!this.#data) return this.#clear()
      if (this.#plot) this.#plot.setData(this.#data)
      else this.#plot = this.#make(this.#data)
    })
  }

  #clear(): void {
    this.#plot?.destroy()
    this.#plot = undefined
  }

  #size(): { width: number; height: number } {
    const { clientWidth, clientHeight } = this.root
    return { width: Math.max(LEAST_WIDTH, clientWidth), height: Math.max(LEAST_HEIGHT, clientHeight) }
  }

  #make(data: ChartData): uPlot {
    const colour = coloursOf(this.root)
    const axis = {
      stroke: colour('soft'),
      font: FONT,
      grid: { stroke: colour('line'), width: 1 },
      ticks: { show: false },
    }
    return new uPlot({ ...this.#size(), ...this.options(axis, colour) }, data, this.root)
  }
}

/** The colours of the style sheet as they are now, each looked up once; a probe in `root` resolves light and dark. */
export function coloursOf(root: HTMLElement): Colours {
  const known = new Map<string, string>()
  return name => {
    const found = known.get(name) ?? resolve(root, name)
    known.set(name, found)
    return found
  }
}

function resolve(root: HTMLElement, name: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(--${name})`
  root.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}
