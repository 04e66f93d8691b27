// Runs commands of the program `trm` in the test's own process, which saves the start of another. No test is here.
export interface Command {
  run(args: string[]): Promise<void>
}

/** What the command printed. @throws what it throws */
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
