// The worker: engine, model, training and measurements live here, so that the page never waits for them.
import { newPuzzle } from './training-data.js'
import { Bench, benchCases, describeGpu, verifyGoldens } from './measuring.js'
import type { CallName, Calls, Reply, Request } from './protocol.js'
import { Solver } from './solver.js'
import { Training } from './training.js'

const scope = self as unknown as {
  postMessage(reply: Reply): void
  onmessage: ((event: MessageEvent<Request>) => void) | null
}
const trouble = (notice: string) => scope.postMessage({ notice, isTrouble: true })
const solver = new Solver(trouble)
const training = new Training(trouble)
const bench = new Bench()

type Handlers = {
  [Name in CallName]: (
    argument: Calls[Name]['argument'],
    onProgress: (progress: Calls[Name]['progress']) => void,
  ) => Calls[Name]['result'] | Promise<Calls[Name]['result']>
}

const handlers: Handlers = {
  open: () => describeGpu(),
  load: (request, onProgress) => solver.load(request, onProgress),
  solve: (argument, onStep) => solver.solve(argument, onStep),
  solveFurther: ({ steps }, onStep) => solver.solveFurther(steps, onStep),
  stopSolving: () => solver.stop(),
  newPuzzle: request => newPuzzle(request),
  train: ({ setup, file }, report) => training.start(setup, file, report),
  measureStep: ({ setup, file }) => training.measureStep(setup, file),
  resumeTraining: (_, report) => training.resume(report),
  pauseTraining: ({ pause }) => training.pause(pause),
  stopTraining: () => training.stop(),
  checkpoint: () => training.checkpoint(),
  stored: () => training.stored(),
  deleteStored: () => training.deleteStored(),
  verify: (_, onFile) => verifyGoldens(onFile),
  benchCases: () => benchCases(),
  bench: (request, onProgress) => {
    if (training.isBusy)
      throw new Error('bench: a training is running, pause it first — it would slow the measurements down')
    return bench.run(request, onProgress)
  },
  stopBench: () => bench.stop(),
  lose: () => {
    solver.lose()
    training.lose()
  },
}

scope.onmessage = async ({ data: { id, call, argument } }) => {
  try {
    const handle = handlers[call] as (argument: unknown, onProgress: (progress: unknown) => void) => unknown
    scope.postMessage({ id, result: await handle(argument, progress => scope.postMessage({ id, progress })) })
  } catch (error) {
    scope.postMessage({ id, error: error instanceof Error ? error.message : String(error) })
  }
}
