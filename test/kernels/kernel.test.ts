// Blueprints without a device: dispatch counts, and the constants that are filled into a shader's text.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { divideUp, fill, grid, MAX_WORKGROUPS, powerOfTwo } from '../../src/kernels/kernel.js'
import { unroll } from '../../src/kernels/unroll.js'

test('grid folds beyond 65,535 workgroups into rows, with hardly any to spare', () => {
  assert.equal(grid(1), [1, 1, 1])
  assert.equal(grid(MAX_WORKGROUPS), [65535, 1, 1])
  for (const count of [65536, 65537, 131070, 131071, 1e6, 1e9, 65535 ** 2]) {
    const [x, y, z] = grid(count)
    assert.ok(x <= MAX_WORKGROUPS && y <= MAX_WORKGROUPS && z === 1, `${count}`)
    assert.ok(x * y >= count && x * y < count + y, `${count} workgroups in ${x} × ${y}`)
  }
})

test('grid refuses what is no count, and what no dispatch can hold', () => {
  for (const count of [0, -1, 1.5, NaN, Infinity])
    assert.throws(() => grid(count), /^grid: expected a positive number of workgroups, got/)
  assert.throws(() => grid(65535 ** 2 + 1), /more than one dispatch can hold/)
})

test('small arithmetic', () => {
  assert.equal([divideUp(1, 64), divideUp(64, 64), divideUp(65, 64)], [1, 1, 2])
  assert.equal(
    [1, 2, 3, 11, 64, 65, 1000].map(n => powerOfTwo(n, 128)),
    [1, 2, 4, 16, 64, 128, 128],
  )
})

test('named lines stand in the text as asked; the same values give the same text', () => {
  const text = 'const A = 1;\nconst AB = 2;\nalias V = f32;\n'
  assert.is(fill(text, { A: 7 }), 'const A = 7;\nconst AB = 2;\nalias V = f32;\n')
  assert.is(fill(text, { V: 'vec4f', AB: true }), 'const A = 1;\nconst AB = true;\nalias V = vec4f;\n')
  assert.is(fill(text, { A: 7 }), fill(text, { A: 7 }))
  assert.is.not(fill(text, { A: 8 }), fill(text, { A: 7 }))
  assert.throws(() => fill(text, { B: 1 }), /^no line "const B = …;" or "alias B = …;" in its shader$/)
})

test('marked loops are unrolled, inner ones with them', () => {
  const mark = '@diagnostic(off, trm.unroll) '
  const inner = `${mark}for (var k = 0u; k < 3; k++) { x[i] += y[ik + k]; }`
  const text = `const N = 2;\n${mark}for (var i = 0u; i < N; i++) { ${inner} }\nz();`
  const body = (i: number) => `{ ${[0, 1, 2].map(k => `{ x[${i}u] += y[ik + ${k}u]; }`).join('\n')} }`
  assert.is(unroll(text), `const N = 2;\n${body(0)}\n${body(1)}\nz();`)
  assert.is(
    unroll(text.replaceAll(', ', ',').replace('N = 2', 'N = 0').replaceAll(') for', ')for')),
    'const N = 0;\n\nz();',
  )
  assert.is(unroll('for (var i = 0u; i < 3u; i++) { }'), 'for (var i = 0u; i < 3u; i++) { }')
  for (const wrong of [
    `${mark}for (var i = 1u; i < 3; i++) { }`,
    `${mark}for (var i = 0u; i < M; i++) { }`,
    `${mark}for (var i = 0u; i < 3; i++) { {}`,
  ])
    assert.throws(() => unroll(wrong), /^cannot unroll "@diagnostic/)
})

test.run()
