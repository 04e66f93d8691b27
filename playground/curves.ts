// The learning curves: loss on the left axis, exact accuracy on the right one.
import { Chart, type ChartData } from './chart.js'
import type { TrainingPoint } from './protocol.js'

/** Most points that are drawn; of longer curves every n-th point is. */
const MOST_POINTS = 2000

export class Curves {
  readonly #chart: Chart

  constructor(root: HTMLElement) {
    this.#chart = new Chart(root, (axis, colour) => {
      const exact = { scale: 'share', stroke: colour('ink'), points: { show: false } }
      return {
        scales: {
          x: { time: false },
          loss: { range: (_, _least, most) => [0, most * 1.05 || 1] },
          share: { range: [0, 1] },
        },
        axes: [
          { ...axis, label: undefined },
          { ...axis, scale: 'loss', size: 44 },
          { ...axis, ...SHARE_AXIS },
        ],
        series: [
          {},
          { scale: 'loss', stroke: colour('accent'), width: 2, points: { show: false } },
          { ...exact, width: 1.5, dash: [4, 3], spanGaps: true },
          { ...exact, width: 0, points: { show: true, size: 9, fill: colour('ink'), stroke: colour('ink') } },
        ],
        legend: { show: false },
        cursor: { drag: { x: true, y: false } },
      }
    })
  }

  show(points: readonly TrainingPoint[]): void {
    this.#chart.show(points.length ? columns(points) : undefined)
  }
}

/** The right axis, for shares of 0 … 1. */
export const SHARE_AXIS = {
  scale: 'share',
  side: 1,
  size: 48,
  grid: { show: false },
  values: (_: unknown, ticks: number[]) => ticks.map(tick => `${Math.round(100 * tick)} %`),
} as const

function columns(points: readonly TrainingPoint[]): ChartData {
  const stride = Math.ceil(points.length / MOST_POINTS)
  const chosen = points.filter((point, i) => i % stride === 0 || point.heldOut !== null)
  return [
    chosen.map(({ step }) => step),
    chosen.map(({ loss }) => loss),
    chosen.map(({ exact }) => exact),
    chosen.map(({ heldOut }) => heldOut),
  ]
}
