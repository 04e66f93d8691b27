// The override grammar: keys with their signs, values as hydra reads them, and what is refused.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseOverride } from '../../src/cli/overrides.js'

const valueOf = (text: string) => parseOverride(`x=${text}`).value

test('signs and keys', () => {
  assert.equal(parseOverride('lr=1e-4'), { text: 'lr=1e-4', sign: '', key: 'lr', value: 1e-4 })
  assert.equal(parseOverride('+run_name=a'), { text: '+run_name=a', sign: '+', key: 'run_name', value: 'a' })
  assert.equal(parseOverride('++arch.L_cycles=4'), { text: '++arch.L_cycles=4', sign: '++', key: 'arch.L_cycles', value: 4 })
  assert.equal(parseOverride('~evaluators'), { text: '~evaluators', sign: '~', key: 'evaluators' })
  assert.is(parseOverride('hydra/job_logging=disabled').key, 'hydra/job_logging')
  for (const text of ['lr', '=3', '', '+=1', 'a b=1', '.lr=1', '--lr=1', 'lr.=1', '~', 'arch@x=trm']) assert.throws(() => parseOverride(text), /^expected KEY=VALUE, got "/, text)
})

test('values without quotes', () => {
  const expected: Record<string, unknown> = {
    '': '', '3': 3, '-3': -3, '+3': 3, '1_000': 1000, '010': '010', '0x1F': '0x1F', '1:30': '1:30', '1e-4': 1e-4, '1E5': 1e5, '.5': 0.5, '-.5': -0.5, '5.': 5, '1.0': 1,
    true: true, TRUE: true, False: false, null: null, NULL: null, None: 'None', yes: 'yes', no: 'no', off: 'off', inf: Infinity, '-inf': -Infinity,
    'a b': 'a b', '  a ': 'a', 'data/sudoku-extreme-1k-aug-1000': 'data/sudoku-extreme-1k-aug-1000', 'losses@ACTLossHead': 'losses@ACTLossHead', '2GB': '2GB', 'a=b': 'a=b',
    '${run_name}': '${run_name}', '${oc.env:HOME,here}/x': '${oc.env:HOME,here}/x', 'a\\,b': 'a,b', 'runs/a (1).pt': 'runs/a (1).pt',
  }
  for (const [text, value] of Object.entries(expected)) assert.equal(valueOf(text), value, text)
  assert.ok(Number.isNaN(valueOf('nan')))
})

test('quotes, lists and mappings', () => {
  const expected: Record<string, unknown> = {
    '"1e-4"': '1e-4', "'no'": 'no', "'it\\'s, so'": "it's, so", '"a\\\\b"': 'a\\b', '[]': [], '[ ]': [], '{}': {}, '[a, "b,c", 3]': ['a', 'b,c', 3],
    '[data/sudoku-extreme-1k-aug-1000]': ['data/sudoku-extreme-1k-aug-1000'], '[[0.3,1,2],[0.6, 2, 4]]': [[0.3, 1, 2], [0.6, 2, 4]],
    '[{name:arc@ARC}]': [{ name: 'arc@ARC' }], '{a: 1, b: [x, null], c: {d: true}}': { a: 1, b: ['x', null], c: { d: true } },
  }
  for (const [text, value] of Object.entries(expected)) assert.equal(valueOf(text), value, text)
})

test('what hydra would take for a sweep, a function or a mistake is said to be one', () => {
  assert.throws(() => valueOf('1e-3,1e-4'), /^"x=1e-3,1e-4": several values, as for a sweep/)
  assert.throws(() => valueOf('[1],[2]'), /several values/)
  for (const text of ['choice(1,2)', 'range(1, 8)', 'int(3.5)', 'glob(*)']) assert.throws(() => valueOf(text), /a function of hydra, which is not run here/, text)
  assert.throws(() => valueOf('[1, 2'), /a list without its end/)
  assert.throws(() => valueOf('{a: 1'), /a mapping without its end/)
  assert.throws(() => valueOf('{a}'), /whose key has no value/)
  assert.throws(() => valueOf('"abc'), /a quote " without its end/)
  assert.throws(() => valueOf('"a" b'), /expected the end after a value, got "b"/)
})

test.run()
