// Links of puzzles: what goes into one comes out again, and broken ones are refused in words.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { linkOf, puzzleOfLink } from '../../playground/link.js'
import { OFFERS } from '../../playground/offers.js'
import { needsOf, parsePuzzle } from '../../playground/puzzles.js'

test('every example of the page goes through its link unchanged, and needs no escape in an address', () => {
  for (const text of OFFERS.flatMap(({ examples }) => examples)) {
    const puzzle = parsePuzzle(text)
    const link = linkOf(puzzle)
    assert.match(link, /^#\/solve\/[a-z]+\/[\w./-]+$/)
    const found = puzzleOfLink(link)!
    assert.is(found.kind, puzzle.kind)
    assert.equal(found.tokens, puzzle.tokens)
    assert.equal(found.expected, puzzle.expected)
  }
})

test('the examples of an offer need the same model, those of two offers different ones', () => {
  const needs = OFFERS.map(({ examples }) => examples.map(text => JSON.stringify(needsOf(parsePuzzle(text)))))
  for (const each of needs) assert.is(new Set(each).size, 1)
  assert.is(new Set(needs.map(([first]) => first)).size, OFFERS.length)
})

test('an address without a puzzle is none, and a broken link is refused in one line', () => {
  for (const fragment of ['', '#/solve', '#/train', '#/solve/']) assert.is(puzzleOfLink(fragment), undefined)
  for (const [fragment, message] of [
    ['#/solve/sudoku/12345', /expected .*5/],
    ['#/solve/sudoku/wwwwwwwww', /^sudoku: expected a puzzle/],
    ['#/solve/sudoku/S##G', /^sudoku: expected/],
    ['#/solve/maze/w.Sw.', /^maze: expected a square grid, got 5 cells/],
    ['#/solve/maze/1...', /^maze: expected characters/],
    ['#/solve/arc/01-2', /row 2: expected 2 colours/],
    ['#/solve/arc/0x', /column 2: expected a colour/],
    ['#/solve/chess/e4', /expected a link with sudoku, maze, arc/],
    [`#/solve/sudoku/${'1'.repeat(5000)}`, /expected at most 4000 characters after sudoku\/, got 5000/],
  ] as const) {
    assert.throws(() => puzzleOfLink(fragment), message)
    try {
      puzzleOfLink(fragment)
    } catch (error) {
      assert.not.match((error as Error).message, /\n/)
    }
  }
})

test.run()
