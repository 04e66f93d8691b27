// A training that is killed and resumed many times, beside one that never was. No test is here.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { Random } from '../../src/data/random.js'
import { start, trm } from '../cli/trm.js'
import { words } from '../cli/words.js'

const SAME = ['best.safetensors', 'config.yaml', 'model.safetensors', 'training.safetensors']

/** Ways in which a process ends. */
const WAYS = ['early', 'after a step', 'while a file is written'] as const

/**
 * Trains `steps` steps without a break, then the same with `kills` deaths at seeded moments.
 * @returns the number of processes that ended in each way, after checking that both runs left the same bytes
 */
export async function killed(
  kills: number,
  steps: number,
  seed: number,
): Promise<Record<(typeof WAYS)[number], number>> {
  const folder = mkdtempSync(join(tmpdir(), 'trm-killed-'))
  const path = (...parts: string[]) => join(folder, ...parts)
  const random = new Random(seed)
  const died = { early: 0, 'after a step': 0, 'while a file is written': 0 }
  try {
    const made = await trm(...words('data generate sudoku --size 4 --train 60 --test 8 --clues 6 --out'), path('data'))
    assert.is(made.code, 0, made.stderr)
    const settings = [
      '--config',
      'tiny',
      '--steps',
      String(steps),
      'global_batch_size=8',
      'log_interval=1',
      'checkpoint_interval=1',
      `eval_interval=${Math.ceil(steps / 8)}`,
      'lr_warmup_steps=5',
      'ema=True',
    ]
    const begin = (run: string) => [
      'train',
      '--data',
      path('data'),
      '--out',
      path(run),
      '--eval-limit',
      '8',
      ...settings,
    ]
    const whole = await trm(...begin('whole'))
    assert.is(whole.code, 0, whole.stderr)
    /** Runs or resumes until it is killed; true where it came to its end first. */
    const live = async (kill?: (typeof WAYS)[number]): Promise<boolean> => {
      const resumes = existsSync(path('cut', 'training.safetensors'))
      const { child, finished } = start(
        ...(resumes
          ? ['train', '--data', path('data'), '--out', path('cut'), '--eval-limit', '8', '--resume']
          : begin('cut')),
      )
      const end = () => child.kill('SIGKILL')
      const timers: NodeJS.Timeout[] = []
      const later = (most: number) => timers.push(setTimeout(end, random.uniform() * most))
      let seen = 0
      const wanted = 1 + random.below(4)
      const count = () => ++seen === wanted && later(kill === 'after a step' ? 60 : 2)
      if (kill === 'early') later(1500)
      if (kill === 'after a step') child.stdout!.on('data', (text: string) => /step \d+\//.test(text) && count())
      const watched =
        kill === 'while a file is written' && existsSync(path('cut'))
          ? watch(path('cut'), (_, name) => name?.includes('.partial-') && count())
          : undefined
      if (kill === 'while a file is written' && !watched) later(3000)
      const { code, stderr } = await finished
      watched?.close()
      timers.forEach(clearTimeout)
      if (code === null) return false
      assert.is(code, 0, stderr)
      return true
    }
    for (let deaths = 0; deaths < kills;) {
      const way = WAYS[random.below(WAYS.length)]
      if (await live(way)) {
        // The run ended before the kill: kill a new run.
        compare(path('whole'), path('cut'))
        rmSync(path('cut'), { recursive: true })
      } else {
        deaths++
        died[way]++
      }
    }
    if (!(await live())) throw new Error('the last life was not killed by this test')
    compare(path('whole'), path('cut'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return died
}

/** Rows of metrics.jsonl without times. */
const rows = (run: string) =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(line => ({ ...JSON.parse(line), stepsPerSecond: 0, seconds: 0, processorSeconds: 0 }))

/** Checks that two directories have the same files with the same bytes, and no partial files. */
function compare(whole: string, cut: string): void {
  assert.equal(readdirSync(cut).sort(), [...SAME, 'metrics.jsonl'].sort())
  for (const file of SAME) assert.ok(readFileSync(join(cut, file)).equals(readFileSync(join(whole, file))), file)
  assert.equal(rows(cut), rows(whole))
}
