// Runs one built file of tests in the page that imports this module; scripts/pages.js calls it. No test is here.

interface Globals {
  UVU_DEFER?: number
  UVU_QUEUE?: unknown[][]
}

/** Imports the built file and runs its tests. What uvu prints goes to the page's console. */
export async function runFile(url: string): Promise<void> {
  // As in uvu's own command line: tests queue up while the file is imported, and run afterwards.
  const globals = globalThis as Globals
  globals.UVU_DEFER = 1
  globals.UVU_QUEUE = [[null]]
  await import(url)
  const { exec } = (await import('uvu')) as unknown as { exec(): Promise<void> }
  await exec()
}
