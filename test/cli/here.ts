// Runs commands of `trm` in the test's own process, which is faster than starting another. No test is here.
export interface Command {
  run(args: string[]): Promise<void>
}

/** Runs a command; returns what it printed. @throws what the command throws */
export async function here(command: Command, ...args: string[]): Promise<string> {
  const lines: string[] = []
  const { log } = console
  console.log = (...words: unknown[]) => void lines.push(words.join(' '))
  try {
    await command.run(args)
  } finally {
    console.log = log
  }
  return lines.map(line => `${line}\n`).join('')
}
