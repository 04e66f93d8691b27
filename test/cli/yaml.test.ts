// YAML as hydra reads it: plain scalars as OmegaConf's loader gives them, and what is refused.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseYaml, writeYaml } from '../../src/cli/yaml.js'
import { presets } from '../../src/trm/run.js'

/** What OmegaConf 2.3 over PyYAML 6.0 gives. */
const SCALARS: Record<string, unknown> = {
  yes: true, Yes: true, no: false, NO: false, on: true, On: true, off: false, OFF: false, true: true, TRUE: true, False: false,
  y: 'y', n: 'n', Y: 'Y', N: 'N', tRue: 'tRue', None: 'None', none: 'none', '~': null, null: null, Null: null, NULL: null,
  '1e-4': 1e-4, '-1e-4': -1e-4, '+1e-4': 1e-4, '1E5': 1e5, '1.e-4': 1e-4, '1e05': 1e5, '.5': 0.5, '.5e-3': 5e-4, '5.': 5, '0.0': 0, '09.5': 9.5, '1_0.5': 10.5,
  '-.5': '-.5', '.5e3': '.5e3', '1e': '1e', '1_e5': '1_e5', '1.2.3': '1.2.3', '.e5': '.e5',
  '12': 12, '-0': -0, '1_000': 1000, '010': 8, '-010': -8, '0o10': '0o10', '08': '08', '0x1F': 31, '0b101': 5, '0_1': 1,
  '1:30': 90, '190:20:30': 685230, '-1:30': -90, '1:30.5': 90.5, '.inf': Infinity, '-.Inf': -Infinity, inf: 'inf', nan: 'nan',
  '2024-01-01': '2024-01-01', '2024-01-01T10:00:00Z': '2024-01-01T10:00:00Z', '"no"': 'no', "'3'": '3', '!!str no': 'no', '!!int "3"': 3,
}

test('plain scalars', () => {
  for (const [text, expected] of Object.entries(SCALARS)) assert.equal(parseYaml(`a: ${text}`), { a: expected }, text)
  assert.ok(Number.isNaN((parseYaml('a: .nan') as { a: number }).a))
})

test('a line that names version 1.2 changes nothing, merged mappings are merged', () => {
  assert.equal(parseYaml('%YAML 1.2\n---\na: no'), { a: false })
  assert.equal(parseYaml('a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3'), { a: { b: 1, c: 2 }, d: { b: 1, c: 3 } })
})

test('what is no YAML, or more than one, is refused in a line', () => {
  for (const text of ['a: [1', 'a: 1\na: 2', 'a: 1\n---\nb: 2', 'a: !!python/tuple [1]', 'a: *nowhere', '\t- a: b: c']) {
    assert.throws(() => parseYaml(text), (error: Error) => !error.message.includes('\n') && error.message.length > 10, text)
  }
})

test('what is written is read back, and presets look as they always did', () => {
  for (const value of ['no', 'y', '1e-4', '010', '1:30', '2024-01-01', 'none', 1e-5, 1e300, 0.1, true, null, [[0.3, 1, 2]]]) assert.equal(parseYaml(writeYaml({ a: value })), { a: value })
  for (const { settings } of Object.values(presets)) assert.equal(parseYaml(writeYaml(settings)), settings)
  assert.is(writeYaml({ lr: 1e-4, ema: true, arch: { mlp_t: false, pos_encodings: 'none' } }), 'lr: 0.0001\nema: true\narch:\n  mlp_t: false\n  pos_encodings: none\n')
})

test.run()
