// The kinds of puzzle that the page offers, each with its model: a file in models/ and an entry here.

/** A way to make new puzzles. */
export interface Draw {
  title: string
  /** Number of givens of a Sudoku. */
  clues?: number
  /** A maze of rooms between walls. */
  rooms?: boolean
}

export interface Offer {
  title: string
  /** The file `models/NAME.safetensors` beside the page; without it, the visitor brings a model. */
  model?: string
  /** What new puzzles can be made, the first by default. */
  draws: readonly Draw[]
  /** Puzzles to pick, as text; all of them need the same model. */
  examples: readonly string[]
}

const clues = (count: number): Draw => ({ title: `${count} clues`, clues: count })

export const OFFERS: readonly Offer[] = [
  {
    title: 'Sudoku 4×4',
    model: 'sudoku-4x4',
    draws: [clues(5), clues(6), clues(8)],
    examples: ['12..\n....\n3.1.\n..4.', '2...\n....\n.4.2\n.2.1', '..14\n....\n21..\n.3..'],
  },
  {
    title: 'Sudoku 6×6',
    model: 'sudoku-6x6',
    draws: [clues(14), clues(12), clues(18)],
    examples: [
      '.54...\n...2.5\n4...51\n..3..6\n.21..4\n..5.1.',
      '..6...\n5.1.6.\n..5...\n3..1..\n1.4.36\n..345.',
      '.1....\n.3...2\n.2...1\n65.2.4\n..5.63\n..34..',
    ],
  },
  {
    title: 'Sudoku 9×9',
    model: 'sudoku-9x9',
    draws: [clues(36), clues(45), clues(30), clues(26)],
    examples: [
      '5..3.492.\n..6.2..5.\n...95..4.\n.83.12.97\n..1...58.\n.9..4....\n.2...1..5\n......26.\n....7..31',
      '31...6...\n.9..7.1..\n.2691...4\n8...6....\n..3..8.27\n.....4..6\n..97..5..\n.85....9.\n........2',
      '941..67..\n.3.7.9.16\n7....5..2\n....8.521\n.13...49.\n.581..3..\n...26.1.4\n82..3.6..\n....5.27.',
      '..1648..5\n8..71...6\n.465.27..\n493165827\n6.5.7.39.\n718.3..6.\n267...4..\n.39..7.8.\n..432.1..',
    ],
  },
  {
    title: 'Maze 9×9',
    model: 'maze-9x9',
    draws: [{ title: 'with rooms', rooms: true }],
    examples: [
      '#########\n#  S#   #\n# ### # #\n# #   # #\n# # ### #\n#   #   #\n# ### # #\n# #   #G#\n#########',
      '#########\n#       #\n# ##### #\n#S# # # #\n# # #G# #\n#   # # #\n##### # #\n#       #\n#########',
      '#########\n#   #   #\n# # ###S#\n# #   # #\n# ### # #\n#   #   #\n### #####\n#G      #\n#########',
    ],
  },
  {
    title: 'ARC',
    draws: [],
    examples: [
      '{"train":[{"input":[[0,0,3],[0,3,0],[3,0,0]],"output":[[3,0,0],[0,3,0],[0,0,3]]}],\n ' +
        '"test":[{"input":[[2,0,0,0],[0,2,0,0],[0,0,2,5],[0,0,0,2]],' +
        '"output":[[0,0,0,2],[0,0,2,0],[5,2,0,0],[2,0,0,0]]}]}',
    ],
  },
]
