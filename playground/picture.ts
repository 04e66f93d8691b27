// Puzzles and answers drawn into canvases: the frames of the steps' strip, and the strip as a picture to keep.
import type { Colours } from './chart.js'
import type { Puzzle } from './puzzle.js'

/** What is drawn of an answer. */
export interface Scene {
  puzzle: Puzzle
  answer: ArrayLike<number>
  changed: ReadonlySet<number>
  wrong: ReadonlySet<number>
}

/** A square of the canvas. */
interface Square {
  x: number
  y: number
  size: number
}

/** Draws the scene into a square of `size` pixels from (x, y); a grid that is no square leaves a margin. */
export function drawScene(context: CanvasRenderingContext2D, scene: Scene, at: Square, colour: Colours): void {
  const { puzzle, answer } = scene
  const { rows, columns } = puzzle.kind.extent(puzzle, answer)
  const side = puzzle.kind.side(puzzle.tokens.length)
  const unit = at.size / Math.max(rows, columns)
  const [left, top] = [at.x + (at.size - columns * unit) / 2, at.y + (at.size - rows * unit) / 2]
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const square = { x: left + column * unit, y: top + row * unit, size: unit }
      drawCell(context, scene, row * side + column, square, colour)
    }
  }
  drawLines(context, puzzle, { left, top, rows, columns, unit }, colour)
}

function drawCell(
  context: CanvasRenderingContext2D,
  { puzzle, answer, changed, wrong }: Scene,
  cell: number,
  { x, y, size }: Square,
  colour: Colours,
): void {
  const { text, look } = puzzle.kind.look(answer[cell])
  const fill = (name: string, alpha = 1) => {
    context.globalAlpha = alpha
    context.fillStyle = colour(name)
    context.fillRect(x, y, size + 0.5, size + 0.5)
    context.globalAlpha = 1
  }
  fill(BACKGROUNDS[look] ?? (look.startsWith('colour-') ? look : 'card'))
  // A wash would hide the colours of an ARC grid.
  if (changed.has(cell) && !look.startsWith('colour-')) fill('wash')
  if (wrong.has(cell)) fill('bad', 0.3)
  const isGiven = puzzle.kind.isGiven(puzzle, cell)
  const ink = wrong.has(cell) ? 'bad' : isGiven || look !== 'digit' ? 'ink' : 'accent'
  context.fillStyle = colour(look === 'path' ? 'accent' : ink)
  if (look === 'path') {
    context.beginPath()
    context.arc(x + size / 2, y + size / 2, 0.25 * size, 0, 2 * Math.PI)
    context.fill()
  }
  if (!text) return
  context.font = `${isGiven ? 600 : 400} ${0.72 * size}px ${getComputedStyle(document.body).fontFamily}`
  context.textAlign = 'center'
  context.textBaseline = 'middle'
  context.fillText(text, x + size / 2, y + 0.54 * size)
}

/** Colours of cells by their look; other cells are as light as a card. */
const BACKGROUNDS: Record<string, string> = { wall: 'wall', none: 'paper', edge: 'soft' }

function drawLines(
  context: CanvasRenderingContext2D,
  { kind, tokens }: Puzzle,
  { left, top, rows, columns, unit }: { left: number; top: number; rows: number; columns: number; unit: number },
  colour: Colours,
): void {
  const line = (from: [number, number], to: [number, number], width: number) => {
    context.lineWidth = width
    context.beginPath()
    context.moveTo(...from)
    context.lineTo(...to)
    context.stroke()
  }
  const boxes = kind.boxes(tokens.length)
  if (boxes) {
    for (let i = 1; i < rows; i++) {
      const isBox = i % boxes.rows === 0
      context.strokeStyle = colour(isBox ? 'ink' : 'line')
      line([left, top + i * unit], [left + columns * unit, top + i * unit], isBox ? 1.5 : 1)
    }
    for (let i = 1; i < columns; i++) {
      const isBox = i % boxes.columns === 0
      context.strokeStyle = colour(isBox ? 'ink' : 'line')
      line([left + i * unit, top], [left + i * unit, top + rows * unit], isBox ? 1.5 : 1)
    }
  }
  context.strokeStyle = colour('ink')
  context.lineWidth = 1.5
  context.strokeRect(left, top, columns * unit, rows * unit)
}

/** A picture of the strip: the scenes with lines of text below each. */
export interface Frame {
  scene: Scene
  /** One to four short lines. */
  lines: readonly string[]
}

/** Sizes of the picture, in pixels. */
const [FRAME, GAP, LINE, MARGIN, ACROSS] = [220, 24, 22, 32, 6]

/** The frames row by row under a title, in the colours of the page. */
export function stripPicture(title: string, frames: readonly Frame[], colour: Colours): HTMLCanvasElement {
  const columns = Math.min(ACROSS, frames.length)
  const textHeight = LINE * Math.max(...frames.map(({ lines }) => lines.length))
  const [stepX, stepY] = [FRAME + GAP, FRAME + textHeight + GAP]
  const head = MARGIN + 2 * LINE
  const canvas = document.createElement('canvas')
  canvas.width = 2 * MARGIN + columns * stepX - GAP
  canvas.height = head + Math.ceil(frames.length / columns) * stepY + MARGIN - GAP
  const context = canvas.getContext('2d')!
  context.fillStyle = colour('paper')
  context.fillRect(0, 0, canvas.width, canvas.height)
  const write = (text: string, x: number, y: number, name: string, weight = 400) => {
    context.fillStyle = colour(name)
    context.font = `${weight} ${0.7 * LINE}px ${getComputedStyle(document.body).fontFamily}`
    context.textAlign = 'left'
    context.textBaseline = 'alphabetic'
    context.fillText(text, x, y, canvas.width - x - MARGIN)
  }
  write(title, MARGIN, MARGIN + 0.7 * LINE, 'ink', 600)
  for (const [i, { scene, lines }] of frames.entries()) {
    const [x, y] = [MARGIN + (i % columns) * stepX, head + Math.floor(i / columns) * stepY]
    drawScene(context, scene, { x, y, size: FRAME }, colour)
    for (const [j, text] of lines.entries()) write(text, x, y + FRAME + (j + 0.9) * LINE, j ? 'soft' : 'ink')
  }
  return canvas
}
