// Shaders as the package has them: the tokens that were written, lines that kernels fill in still in their form.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { minifyWgsl } from '../../scripts/wgsl.js'
import { rootFolder } from '../files.js'

const folder = join(await rootFolder(), 'shaders')
const tokens = (text: string) => text.replace(/\/\*[^]*?\*\/|\/\/.*/g, ' ').match(/[\w.]+|&&|\|\||<<|>>|--|\+\+|->|[-+*/%&|^<>=!]=|\S/g) ?? []
const filled = (text: string) => text.match(/^(const|alias) \w+ = \w+;/gm) ?? []

test('every shader keeps its tokens and loses a fifth or more', () => {
  const names = readdirSync(folder)
  assert.ok(names.length > 20)
  for (const name of names) {
    const text = readFileSync(join(folder, name), 'utf8')
    const small = minifyWgsl(text)
    assert.equal(tokens(small), tokens(text), name)
    assert.equal(filled(small), filled(text), name)
    assert.ok(small.length < 0.8 * text.length, `${name}: ${small.length} of ${text.length} characters`)
  }
})

test('signs do not grow together, words stay apart', () => {
  assert.is(minifyWgsl('let a = b - -c; // so\nlet d = b / * e;\nif (x < -1) { return; }\n'), 'let a=b- -c;let d=b/ *e;if(x< -1){return;}')
  assert.is(minifyWgsl('var x: array<f32, 4> = y; /* more\nlines */ else if (a && b) { c = d & e; }'), 'var x:array<f32,4> =y;else if(a&&b){c=d&e;}')
  assert.is(minifyWgsl('const A = 4; // here\nalias V = f32;\nfn f() {}'), 'const A = 4;\nalias V = f32;\nfn f(){}')
})

test.run()
