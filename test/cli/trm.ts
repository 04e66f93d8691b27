// Runs the built program `trm` as a user does, in a process of its own. No test is here.
import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'

export interface Finished {
  code: number | null
  stdout: string
  /** Without the lines of Dawn and the Vulkan loader, which cannot be muted on a socket. */
  stderr: string
}

/** Starts `trm …args`; tests run in the repository's root. */
export function start(...args: string[]): { child: ChildProcess; finished: Promise<Finished> } {
  const child = spawn(process.execPath, [join('dist', 'cli.js'), ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout!.setEncoding('utf8').on('data', text => (stdout += text))
  child.stderr!.setEncoding('utf8').on('data', text => (stderr += text))
  const finished = new Promise<Finished>(resolve => {
    child.on('close', code =>
      resolve({
        code,
        stdout,
        stderr: stderr
          .split('\n')
          .filter(
            line => !/artificially reduced|vkEnumeratePhysicalDevices|Loader Message|GatherPhysicalDevices/.test(line),
          )
          .join('\n'),
      }),
    )
  })
  return { child, finished }
}

export function trm(...args: string[]): Promise<Finished> {
  const { child, finished } = start(...args)
  child.stdin!.end()
  return finished
}
