// What the rules say about a puzzle or an answer: a short verdict, and the list of broken rules.
import { byId, count, element } from './element.js'
import type { Puzzle } from './puzzle.js'

/** Broken rules that are listed; of more, only their number is shown. */
const MOST_LISTED = 8

interface Judgement {
  puzzle: Puzzle
  violations: readonly string[]
  /** `puzzle`: nothing was answered yet. `thinking`: the answer is not the last one. */
  state: 'puzzle' | 'thinking' | 'answered'
}

export function showVerdict(judgement: Judgement): void {
  const { verdict, mood, lines } = wordsOf(judgement)
  byId('verdict').textContent = verdict
  byId('verdict').className = `verdict ${judgement.state === 'thinking' && mood === 'good' ? '' : mood}`
  byId('rules').replaceChildren(
    ...lines.slice(0, MOST_LISTED).map(text => element('li', { class: mood }, text)),
    ...(lines.length > MOST_LISTED ? [element('li', {}, `and ${lines.length - MOST_LISTED} more`)] : []),
  )
}

function wordsOf(judgement: Judgement): { verdict: string; mood: 'good' | 'bad' | ''; lines: readonly string[] } {
  const { puzzle, violations, state } = judgement
  const broken = violations.length
  if (state === 'puzzle') {
    if (broken) return { verdict: 'the puzzle breaks a rule', mood: 'bad', lines: violations }
    const hint = 'Press Solve, or write into the cells: arrow keys move, keys write, Ctrl+V pastes a whole puzzle.'
    return { verdict: '', mood: '', lines: [hint] }
  }
  const { verdict, text } = puzzle.kind.praise(puzzle)
  const said = broken ? `not solved: ${count(broken, 'rule')} broken` : verdict
  const isThinking = state === 'thinking'
  return {
    verdict: isThinking ? 'thinking …' : said,
    mood: broken ? 'bad' : 'good',
    lines: broken ? violations : [text],
  }
}
