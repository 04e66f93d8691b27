// Types of pages.js, which is plain JavaScript as the other scripts are.
export interface PageResult {
  /** As a process's: 0 where all went well. */
  code: number
  /** What ended the page, where it did not end by itself. */
  signal?: string
  /** Ran into the limit. */
  hung: boolean
  output: string
  seconds: number
  /** Name and version. */
  browser?: string
}
/** `run` takes a built file and a limit in milliseconds. */
export function openPages(folders: {
  root: string
  shared: string
}): Promise<{ run: (file: string, limit: number) => Promise<PageResult>; close: () => Promise<void> }>
