// How an answer forms: broken rules after each supervision step on the left axis, confidence on the right one.
import { Chart } from './chart.js'
import { SHARE_AXIS } from './curves.js'

/** What the chart shows of a supervision step. */
export interface ConflictPoint {
  step: number
  /** Undefined where no rule can be checked. */
  conflicts: number | undefined
  /** 0 … 1. */
  confidence: number
}

export class ConflictCurve {
  readonly #chart: Chart
  #trained = 0

  constructor(root: HTMLElement) {
    this.#chart = new Chart(root, (axis, colour) => ({
      scales: {
        x: { time: false, range: (_, least, most) => [least, Math.max(most, least + 1)] },
        conflicts: { range: (_, _least, most) => [0, Math.max(1, most * 1.08)] },
        share: { range: [0, 1] },
      },
      axes: [
        { ...axis, size: 28, incrs: [1, 2, 4, 8, 16, 32, 64, 128, 256], values: (_, ticks) => ticks.map(String) },
        { ...axis, scale: 'conflicts', size: 40, incrs: [1, 2, 5, 10, 20, 50, 100, 200] },
        { ...axis, ...SHARE_AXIS },
      ],
      series: [
        {},
        { scale: 'conflicts', stroke: colour('accent'), width: 2, points: { show: true, size: 6 } },
        { scale: 'share', stroke: colour('ink'), width: 1.5, dash: [4, 3], points: { show: false } },
      ],
      legend: { show: false },
      cursor: { show: false },
      hooks: { draw: [plot => this.#markTrained(plot, colour('soft'))] },
    }))
  }

  /** @param trained supervision steps of the model's training; a line marks where they end */
  show(points: readonly ConflictPoint[], trained: number): void {
    this.#trained = trained
    if (points.length < 2) return this.#chart.show(undefined)
    this.#chart.show([
      points.map(({ step }) => step),
      points.map(({ conflicts }) => conflicts ?? null),
      points.map(({ confidence }) => confidence),
    ])
  }

  #markTrained(plot: Plot, colour: string): void {
    const { ctx, bbox, scales } = plot
    if (this.#trained >= (scales.x.max ?? 0)) return
    const x = plot.valToPos(this.#trained, 'x', true)
    ctx.save()
    ctx.strokeStyle = colour
    ctx.setLineDash([2, 4])
    ctx.beginPath()
    ctx.moveTo(x, bbox.top)
    ctx.lineTo(x, bbox.top + bbox.height)
    ctx.stroke()
    ctx.restore()
  }
}

/** What a hook of the chart needs of the plot. */
interface Plot {
  ctx: CanvasRenderingContext2D
  bbox: { top: number; height: number }
  scales: Record<string, { max?: number | null }>
  valToPos(value: number, scale: string, isCanvas: boolean): number
}
