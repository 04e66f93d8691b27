// A child process with one backend, and questions to it: a line of JSON each way.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { backends } from './backends.js'
import { root } from './common.js'
import type { Reply, Request } from './protocol.js'

/** A child that does not answer for this long has failed, ms. */
const ANSWER_LIMIT_MS = 480_000

/** The process of a backend. */
export class Child {
  readonly #process: ChildProcess
  readonly #waiting: ((reply: Reply) => void)[] = []
  #stderr = ''

  constructor(backend: string) {
    const [command, args] = backends[backend]!
    // Compilation is timed, so a driver must not find the kernels of an earlier run.
    this.#process = spawn(command, args, {
      cwd: root,
      env: { ...process.env, MESA_SHADER_CACHE_DISABLE: 'true' },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000)
      if (process.env.BENCH_DEBUG) process.stderr.write(text)
    })
    createInterface({ input: this.#process.stdout! }).on('line', line =>
      this.#waiting.shift()?.(JSON.parse(line) as Reply),
    )
    this.#process.stdin!.on('error', () => {})
    this.#process.on('error', error => this.#fail(error.message))
    this.#process.on('close', (code, signal) =>
      this.#fail(
        `the process ended with ${signal ?? code}: ${this.#stderr
          .trim()
          .split('\n')
          .filter(line => !/^\s+at |^Node\.js|^$/.test(line))
          .slice(-2)
          .join(' ')}`,
      ),
    )
  }

  /** @throws the error that the child reports, or when it ends or does not answer */
  async ask<R extends Reply>(request: Request): Promise<R> {
    const reply = await new Promise<Reply>(resolve => {
      const timer = setTimeout(() => {
        this.#process.kill('SIGKILL')
        this.#fail(`no answer in ${ANSWER_LIMIT_MS / 1000} s`)
      }, ANSWER_LIMIT_MS)
      this.#waiting.push(answer => {
        clearTimeout(timer)
        resolve(answer)
      })
      this.#process.stdin!.write(`${JSON.stringify(request)}\n`)
      if (this.#process.exitCode !== null) this.#fail('the process has ended')
    })
    if ('error' in reply) throw new Error(reply.error)
    return reply as R
  }

  /** Ends the process, by force after 5 s. */
  end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return Promise.resolve()
    return new Promise(resolve => {
      const timer = setTimeout(() => this.#process.kill('SIGKILL'), 5000)
      this.#process.on('close', () => {
        clearTimeout(timer)
        resolve()
      })
      this.#process.stdin!.end()
    })
  }

  #fail(error: string): void {
    for (const answer of this.#waiting.splice(0)) answer({ error })
  }
}
