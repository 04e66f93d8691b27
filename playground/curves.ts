// The learning curves: loss on the left axis, exact accuracy on the right one.
import uPlot from 'uplot'
import type { TrainingPoint } from './protocol.js'

const FONT = '12px system-ui, sans-serif'

/** Most points that are drawn; of more, every so-manieth. */
const MOST_POINTS = 2000

export class Curves {
  private plot: uPlot | undefined
  private points: readonly TrainingPoint[] = []
  private isDue = false

  constructor(private readonly root: HTMLElement) {
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(root)
    // Colours are drawn, not styled: another theme is another plot.
    addEventListener('themechange', () => {
      this.plot?.destroy()
      this.plot = undefined
      this.show(this.points)
    })
  }

  /** Draws the points at the next frame. */
  show(points: readonly TrainingPoint[]): void {
    this.points = points
    if (this.isDue) return
    this.isDue = true
    requestAnimationFrame(() => {
      this.isDue = false
      if (!this.points.length) return this.clear()
      this.plot ??= this.make()
      this.plot.setData(this.data())
    })
  }

  private clear(): void {
    this.plot?.destroy()
    this.plot = undefined
  }

  private data(): uPlot.AlignedData {
    const stride = Math.ceil(this.points.length / MOST_POINTS)
    const points = this.points.filter((point, i) => i % stride === 0 || point.heldOut !== null)
    return [
      points.map(({ step }) => step),
      points.map(({ loss }) => loss),
      points.map(({ exact }) => exact),
      points.map(({ heldOut }) => heldOut),
    ]
  }

  private size(): { width: number; height: number } {
    return { width: Math.max(200, this.root.clientWidth), height: Math.max(200, this.root.clientHeight) }
  }

  private make(): uPlot {
    const colour = (name: string) => {
      const probe = document.createElement('span')
      probe.style.color = `var(--${name})`
      this.root.append(probe)
      const found = getComputedStyle(probe).color
      probe.remove()
      return found
    }
    const [ink, accent, faint, line] = ['soft', 'accent', 'ink', 'line'].map(colour)
    const axis = { stroke: ink, font: FONT, grid: { stroke: line, width: 1 }, ticks: { show: false } }
    return new uPlot(
      {
        ...this.size(),
        scales: {
          x: { time: false },
          loss: { range: (_, _least, most) => [0, most * 1.05 || 1] },
          share: { range: [0, 1] },
        },
        axes: [
          { ...axis, label: undefined },
          { ...axis, scale: 'loss', size: 44 },
          {
            ...axis,
            scale: 'share',
            side: 1,
            size: 48,
            grid: { show: false },
            values: (_, ticks) => ticks.map(tick => `${Math.round(100 * tick)} %`),
          },
        ],
        series: [
          {},
          { scale: 'loss', stroke: accent, width: 2, points: { show: false } },
          { scale: 'share', stroke: faint, width: 1.5, dash: [4, 3], points: { show: false }, spanGaps: true },
          { scale: 'share', stroke: faint, width: 0, points: { show: true, size: 9, fill: faint, stroke: faint } },
        ],
        legend: { show: false },
        cursor: { drag: { x: true, y: false } },
      },
      this.data(),
      this.root,
    )
  }
}
