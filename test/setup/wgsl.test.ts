// Shaders as the package has them: the tokens that were written, lines that kernels fill in still in their form.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { minifyWgsl, moduleNames } from '../../scripts/wgsl.js'
import { rootFolder } from '../files.js'

const folder = join(await rootFolder(), 'shaders')
const tokens = (text: string) =>
  text.replace(/\/\*[^]*?\*\/|\/\/.*/g, ' ').match(/[\w.]+|&&|\|\||<<|>>|--|\+\+|->|[-+*/%&|^<>=!]=|\S/g) ?? []
const filled = (text: string) => text.match(/^(const|alias) \w+ = \w+;/gm) ?? []

/** Members of a name as tokens of their own. */
const parts = (text: string) =>
  tokens(text).flatMap(token => (/^[a-z_]/i.test(token) ? token.split(/(?=\.)/) : [token]))

/** What names became in the module and in each of its functions, one to one; throws where anything else changed. */
function renamings(text: string, small: string, name: string): Map<string, string>[] {
  const [before, after] = [parts(text), parts(small)]
  assert.is(after.length, before.length, name)
  const all = [new Map<string, string>()]
  before.forEach((token, i) => {
    if (token === 'fn') all.push(new Map())
    if (!/^\.?[a-z_]/i.test(token)) assert.is(after[i], token, name)
    else assert.is(all.at(-1)!.get(token) ?? after[i], after[i], `${name}: ${token}`)
    all.at(-1)!.set(token, after[i])
  })
  for (const names of all) assert.is(new Set(names.values()).size, names.size, `${name}: one name stands for two`)
  return all
}

test('every shader keeps its tokens but for names in functions, and loses a fifth or more', () => {
  const names = readdirSync(folder, { recursive: true })
    .map(String)
    .filter(name => name.endsWith('.wgsl'))
  assert.ok(names.length > 20)
  let total = 0
  for (const name of names) {
    const text = readFileSync(join(folder, name), 'utf8')
    const small = minifyWgsl(text)
    const [module, ...functions] = renamings(text, small, name).map(names =>
      [...names].filter(([before, after]) => before !== after),
    )
    assert.equal(module, [], name)
    for (const [before, after] of functions.flat())
      assert.ok(/^[A-Z]0?$/.test(after) && !parts(text).includes(after), `${name}: ${before} became ${after}`)
    total += functions.flat().length
    assert.equal(filled(small), filled(text), name)
    assert.ok(small.length < 0.8 * text.length, `${name}: ${small.length} of ${text.length} characters`)
  }
  assert.ok(total > 200, `${total} names`)
})

test('names that modules declare become short ones, the same in every file and each its own', () => {
  const files = readdirSync(folder, { recursive: true })
    .map(String)
    .filter(name => name.endsWith('.wgsl'))
  const texts = files.map(name => readFileSync(join(folder, name), 'utf8'))
  const names = moduleNames(texts)
  assert.ok(names.size > 100, `${names.size} names`)
  assert.is(new Set(names.values()).size, names.size)
  const words = new Set(texts.flatMap(text => text.match(/\w+/g)!))
  for (const short of names.values()) assert.ok(/^[a-z]\d$/.test(short) && !words.has(short), short)
  for (const [i, text] of texts.entries())
    for (const renamed of renamings(text, minifyWgsl(text, names), files[i]))
      for (const [before, after] of renamed)
        if (before !== after && !/^[A-Z]0?$/.test(after))
          assert.is(after.replace('.', ''), names.get(before.replace('.', '')), `${files[i]}: ${before}`)
})

test('what WGSL itself means by a word keeps it', () => {
  const text =
    'struct S { step: u32, stride: u32 }\nvar<private> storage: u32;\n@group(0) @binding(0) var<storage> left: S;\n' +
    'fn load() -> f32 { return step(left.stride, left.step); }'
  const names = moduleNames([text])
  assert.equal([...names.keys()].sort(), ['left', 'load', 'stride'])
  assert.is(
    minifyWgsl(text, names),
    'struct S{step:u32,c0:u32}var<private>storage:u32;@group(0)@binding(0)var<storage>b0:S;' +
      'fn a0()->f32{return step(b0.c0,b0.step);}',
  )
})

test('names in functions become capitals, what the module declares does not', () => {
  assert.is(
    minifyWgsl(
      'var<private> lane: u32;\nfn f(at: u32, lane: u32) -> u32 { let next = at + v.at + lane; ' +
        'for (var k = 0u; k < next; k++) { A(next); } return next; }',
    ),
    'var<private>lane:u32;fn f(B:u32,lane:u32)->u32{let C=B+v.at+lane;for(var k=0u;k<C;k++){A(C);}return C;}',
  )
  // It may be another file that declares what these first mean.
  assert.is(
    minifyWgsl('fn f(at: u32) { let left = left + at; let load = load(at); }'),
    'fn f(A:u32){let left=left+A;let load=load(A);}',
  )
})

test('signs do not grow together, words stay apart', () => {
  assert.is(
    minifyWgsl('let a = b - -c; // so\nlet d = b / * e;\nif (x < -1) { return; }\n'),
    'let a=b- -c;let d=b/ *e;if(x< -1){return;}',
  )
  assert.is(
    minifyWgsl('var x: array<f32, 4> = y; /* more\nlines */ else if (a && b) { c = d & e; }'),
    'var x:array<f32,4> =y;else if(a&&b){c=d&e;}',
  )
  assert.is(minifyWgsl('const A = 4; // here\nalias V = f32;\nfn f() {}'), 'const A = 4;\nalias V = f32;\nfn f(){}')
})

test.run()
