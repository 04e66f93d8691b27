// The reader and writer of torch.save's files: files that PyTorch wrote, round trips, evil pickles refused, and damage.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Random } from '../../src/data/random.js'
import { type PickleGlobal, readPickle } from '../../src/formats/pickle.js'
import { type StoredTensor, toFloat32 } from '../../src/formats/safetensors.js'
import { fromFloat32, readTorch } from '../../src/formats/torch.js'
import { writeTorch } from '../../src/formats/torch-write.js'
import { crc32, readZip, writeZip } from '../../src/formats/zip.js'
import { repositoryFile } from '../files.js'

const fixture = async (name: string): Promise<Uint8Array> => {
  const bytes = await repositoryFile(`test/formats/fixtures/${name}.pt`)
  if (!bytes) throw new Error(`test/formats/fixtures/${name}.pt is absent, it belongs to the repository`)
  return bytes
}
const raw = ({ data }: StoredTensor) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
const latin = (text: string) => Uint8Array.from(text, char => char.charCodeAt(0))

const sample = new Map<string, StoredTensor>([
  ['10', { dtype: 'F64', shape: [1, 2], data: Float64Array.of(0.1, -1e300) }],
  ['weight', { dtype: 'F32', shape: [2, 3], data: Float32Array.of(1, 2, -0.5, -Infinity, 0, 3) }],
  ['half', { dtype: 'F16', shape: [2], data: Uint16Array.of(0x3c00, 0xc000) }],
  ['brain', { dtype: 'BF16', shape: [2], data: Uint16Array.of(0x3f80, 0xc000) }],
  ['long', { dtype: 'I64', shape: [], data: BigInt64Array.of(-(2n ** 60n)) }],
  ['int', { dtype: 'I32', shape: [1], data: Int32Array.of(-7) }],
  ['short', { dtype: 'I16', shape: [1], data: Int16Array.of(-7) }],
  ['tiny', { dtype: 'I8', shape: [1], data: Int8Array.of(-7) }],
  ['bytes', { dtype: 'U8', shape: [3, 1], data: Uint8Array.of(1, 2, 255) }],
  ['2 "q" ü', { dtype: 'BOOL', shape: [2], data: Uint8Array.of(0, 1) }],
  ['nothing', { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) }],
  ['many', { dtype: 'U8', shape: [300, 1], data: new Uint8Array(300).fill(3) }],
])

/** A file of the layout of torch.save around a pickle, its opcodes as text of one byte per character. */
const fileOf = (
  pickle: string | Uint8Array,
  storages: Record<string, Uint8Array> = {},
  more: Record<string, string> = {},
) =>
  writeZip([
    ['archive/data.pkl', typeof pickle === 'string' ? latin(pickle) : pickle],
    ...Object.entries(storages).map(([key, data]) => [`archive/data/${key}`, data] as const),
    ...Object.entries(more).map(([path, text]) => [path, latin(text)] as const),
    ['archive/version', latin('3\n')],
  ])
const string = (text: string) => `X${String.fromCharCode(text.length)}\0\0\0${text}`
const int = (value: number) =>
  `J${String.fromCharCode(value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >>> 24) & 255)}`
const tuple = (values: number[]) => `(${values.map(int).join('')}t`
const storage = (key: string, length: number, type = 'FloatStorage') =>
  `(${string('storage')}ctorch\n${type}\n${string(key)}${string('cpu')}${int(length)}tQ`
const tensor = (
  shape: number[],
  strides: number[],
  { offset = 0, key = '0', length = 6, type = 'FloatStorage' } = {},
) =>
  `ctorch._utils\n_rebuild_tensor_v2\n(${storage(key, length, type)}` +
  `${int(offset)}${tuple(shape)}${tuple(strides)}\x89}tR`
const dictOf = (entries: Record<string, string>) =>
  `\x80\x02}(${Object.entries(entries)
    .map(([key, value]) => string(key) + value)
    .join('')}u.`
const six = new Uint8Array(Float32Array.of(0, 1, 2, 3, 4, 5).buffer)

const refuses = (bytes: Uint8Array, pattern: RegExp) =>
  assert.throws(
    () => readTorch(bytes, 'm.pt'),
    (error: Error) => {
      assert.match(error.message, pattern)
      return error.message.startsWith('m.pt: ') && !error.message.includes('\n')
    },
  )

test('every dtype survives a round trip, at every offset of the bytes', () => {
  const bytes = writeTorch(sample)
  assert.equal(writeTorch([...sample]), bytes)
  for (const shift of [0, 1, 4]) {
    const shifted = new Uint8Array(bytes.length + shift)
    shifted.set(bytes, shift)
    const { tensors } = readTorch(shifted.subarray(shift))
    assert.equal([...tensors], [...sample])
  }
  assert.equal(readTorch(writeTorch(new Map())).tensors, new Map())
  const twice: [string, StoredTensor] = ['a', { dtype: 'U8', shape: [0], data: new Uint8Array(0) }]
  assert.throws(() => writeTorch([twice, twice]), /new name/)
  assert.throws(
    () => writeTorch([['a', { dtype: 'F32', shape: [2], data: new Float32Array(3) }]]),
    /tensor "a": expected 2 elements/,
  )
  assert.throws(
    () => writeTorch([['a', { dtype: 'F32', shape: [1], data: new Int32Array(1) }]]),
    /expected Float32Array/,
  )
})

test('written data lies at multiples of 64 and has its checksum', () => {
  const bytes = writeTorch(sample)
  assert.is(crc32(latin('123456789')), 0xcbf43926)
  assert.is(crc32(latin('')), 0)
  const entries = readZip(bytes)
  assert.equal([...entries.keys()].slice(0, 3), ['archive/data.pkl', 'archive/byteorder', 'archive/data/0'])
  for (const data of entries.values()) assert.is((data.byteOffset - bytes.byteOffset) % 64, 0)
})

test('files that PyTorch wrote', async () => {
  const { tensors } = readTorch(await fixture('dtypes'))
  assert.equal(
    [...tensors].map(([name, { dtype, shape }]) => `${name} ${dtype} ${shape}`),
    [
      'double F64 2,3',
      'float F32 2,3',
      'half F16 2,3',
      'brain BF16 2,3',
      'long I64 2',
      'int I32 2',
      'short I16 2',
      'char I8 2',
      'byte U8 2',
      'bool BOOL 2',
      'parameter F32 3',
      'scalar F32 ',
      'empty F32 0,4',
      'ünïcode "quoted" F32 1',
    ],
  )
  for (const name of ['double', 'float', 'half', 'brain'])
    assert.equal([...toFloat32(tensors.get(name)!)], [-0.375, -0.25, -0.125, 0, 0.125, 0.25])
  assert.equal(tensors.get('long')!.data, BigInt64Array.of(-(2n ** 60n), 7n))
  for (const name of ['int', 'short', 'char']) assert.equal([...tensors.get(name)!.data], [-7, 8])
  assert.equal([...tensors.get('byte')!.data], [7, 255])
  assert.equal([...tensors.get('bool')!.data], [0, 1])
  assert.equal([...tensors.get('parameter')!.data], [-0.125, 0, 0.125])
  assert.equal([...tensors.get('scalar')!.data], [1.5])

  const names = ['0.weight', '0.bias', '1.weight', '1.bias', '1.running_mean', '1.running_var', '1.num_batches_tracked']
  // A state_dict, a training's state, and a module that was saved whole.
  for (const file of ['module', 'training', 'whole-module'])
    assert.equal([...readTorch(await fixture(file)).tensors.keys()], names)
  for (const file of ['dtypes', 'module', 'training', 'trm-attention']) {
    const { tensors } = readTorch(await fixture(file))
    assert.equal([...readTorch(writeTorch(tensors)).tensors], [...tensors])
  }
})

test('files of newer versions: more entries in the zip, names of torch.compile, no checksums', async () => {
  const { tensors } = readTorch(await fixture('compiled'))
  assert.equal(
    [...tensors].map(([name, { dtype, shape }]) => `${name} ${dtype} ${shape}`),
    ['_orig_mod.H_init BF16 3', '_orig_mod.inner.weight F32 2,3', '_orig_mod.inner.bias F32 2'],
  )
  assert.equal([...toFloat32(tensors.get('_orig_mod.H_init')!)], [-0.125, 0, 0.125])
  assert.equal(
    [...readTorch(await fixture('no-checksums')).tensors.get('a')!.data],
    [-0.375, -0.25, -0.125, 0, 0.125, 0.25],
  )
})

test('views come out in row-major order, from every pickle protocol', async () => {
  const at = (row: number, column: number) => (6 * row + column - 12) / 8
  const range = (count: number) => Array.from({ length: count }, (_, i) => i)
  for (const file of ['views', 'views-protocol-4', 'views-protocol-5']) {
    const { tensors } = readTorch(await fixture(file))
    const check = (name: string, shape: number[], values: number[]) => {
      const { dtype, shape: actual, data } = tensors.get(name)!
      assert.equal([dtype, actual, [...data]], ['F32', shape, values])
    }
    check(
      'base',
      [4, 6],
      range(24).map(i => at(0, i)),
    )
    check(
      'transposed',
      [6, 4],
      range(24).map(i => at(i % 4, i >> 2)),
    )
    check(
      'row',
      [6],
      range(6).map(i => at(2, i)),
    )
    check(
      'column',
      [4],
      range(4).map(i => at(i, 1)),
    )
    check('steps', [2, 2], [at(1, 0), at(1, 3), at(3, 0), at(3, 3)])
    check(
      'expanded',
      [3, 6],
      range(18).map(i => at(0, i % 6)),
    )
    check(
      'permuted',
      [6, 2, 2],
      range(24).map(i => at(i & 3, i >> 2)),
    )
    check(
      'window',
      [3, 3],
      range(9).map(i => at(0, 5 + 2 * Math.floor(i / 3) + (i % 3))),
    )
  }
})

test('float16 and bfloat16: known bit patterns, all 65536 of them back and forth', () => {
  const cases: [number, half: number, brain: number][] = [
    [1, 0x3c00, 0x3f80],
    [-2, 0xc000, 0xc000],
    [0, 0, 0],
    [-0, 0x8000, 0x8000],
    [65504, 0x7bff, 0x4780],
    [65519, 0x7bff, 0x4780],
    [65520, 0x7c00, 0x4780],
    [2 ** -24, 1, 0x3380],
    [2 ** -25, 0, 0x3300],
    [1.5 * 2 ** -25, 1, 0x3340],
    [2 ** -14, 0x400, 0x3880],
    [2 ** -14 - 2 ** -25, 0x400, 0x3880],
    [1e-30, 0, 0x0da2],
    [Infinity, 0x7c00, 0x7f80],
    [-Infinity, 0xfc00, 0xff80],
    [3.4028234663852886e38, 0x7c00, 0x7f80],
    [1 + 2 ** -11, 0x3c00, 0x3f80],
    [1 + 3 * 2 ** -11, 0x3c02, 0x3f80],
    [1 + 2 ** -8, 0x3c04, 0x3f80],
    [1 + 3 * 2 ** -8, 0x3c0c, 0x3f82],
    [1 / 3, 0x3555, 0x3eab],
  ]
  for (const [value, half, brain] of cases) {
    assert.is(fromFloat32(Float32Array.of(value), [1], 'F16').data[0], half, `float16 of ${value}`)
    assert.is(fromFloat32(Float32Array.of(value), [1], 'BF16').data[0], brain, `bfloat16 of ${value}`)
  }
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i)
  for (const dtype of ['F16', 'BF16'] as const) {
    const values = toFloat32({ dtype, shape: [65536], data: all })
    const again = fromFloat32(values, [65536], dtype).data as Uint16Array
    for (const bits of all)
      assert.ok(
        Number.isNaN(values[bits])
          ? Number.isNaN(toFloat32({ dtype, shape: [1], data: again.slice(bits, bits + 1) })[0])
          : again[bits] === bits,
      )
  }
  const values = Float32Array.of(1, 2)
  assert.is(fromFloat32(values, [2], 'F32').data, values)
})

test('hand-made views and their limits', () => {
  const read = (pickle: string) => readTorch(fileOf(pickle, { 0: six }), 'm.pt').tensors
  assert.equal([...read(dictOf({ a: tensor([3, 2], [1, 3]) })).get('a')!.data], [0, 3, 1, 4, 2, 5])
  assert.equal([...read(dictOf({ a: tensor([2], [4], { offset: 1 }) })).get('a')!.data], [1, 5])
  assert.equal([...read(dictOf({ a: tensor([2, 1, 2], [2, 77, 1], { offset: 2 }) })).get('a')!.data], [2, 3, 4, 5])
  assert.equal(read(dictOf({ a: tensor([0, 3], [3, 1], { offset: 6 }) })).get('a'), {
    dtype: 'F32',
    shape: [0, 3],
    data: new Float32Array(0),
  })
  // Shared storage stays shared.
  const shared = read(dictOf({ a: tensor([6], [1]), b: tensor([2, 3], [3, 1]) }))
  assert.is(shared.get('a')!.data.buffer, shared.get('b')!.data.buffer)
  for (const view of [
    tensor([7], [1]),
    tensor([6], [1], { offset: 1 }),
    tensor([2], [6]),
    tensor([2, 2], [5, 1]),
    tensor([0], [1], { offset: 7 }),
    tensor([2 ** 30, 2 ** 30], [2 ** 30, 1]),
  ]) {
    refuses(fileOf(dictOf({ a: view }), { 0: six }), /tensor "a": expected elements within the 6 of storage "0"/)
  }
  refuses(
    fileOf(dictOf({ a: tensor([2 ** 30], [0]) }), { 0: six }),
    /tensor "a": its views would take 4294967296 bytes/,
  )
  refuses(fileOf(dictOf({ a: tensor([-1], [1]) }), { 0: six }), /tensor has other arguments/)
  refuses(fileOf(dictOf({ a: tensor([1], [1, 1]) }), { 0: six }), /tensor has other arguments/)
  refuses(
    fileOf(dictOf({ a: tensor([1], [1], { key: '1' }) }), { 0: six }),
    /storage "1": the entry archive\/data\/1 is missing/,
  )
  refuses(
    fileOf(dictOf({ a: tensor([1], [1], { length: 5 }) }), { 0: six }),
    /storage "0": expected 20 bytes for 5 elements of FloatStorage, got 24/,
  )
  refuses(fileOf(dictOf({ a: tensor([1], [1], { length: 24, type: 'BoolStorage' }) }), { 0: six }), /bools/)
})

test('a dict of tensors is found at the top or under the only key that holds one', () => {
  const read = (pickle: string, more = {}) => [...readTorch(fileOf(pickle, { 0: six }, more)).tensors.keys()]
  const one = tensor([6], [1])
  const inner = (entries: Record<string, string>) => dictOf(entries).slice(2, -1)
  assert.equal(read(dictOf({ a: one, step: int(3), note: string('x'), none: 'N' })), ['a'])
  assert.equal(read(dictOf({ model: inner({ a: one, b: one }), step: int(3), list: '](K\x01K\x02e' })), ['a', 'b'])
  // Several dicts: every tensor by its path.
  assert.equal(read(dictOf({ model: inner({ a: one }), ema: inner({ a: one }) })), ['model/a', 'ema/a'])
  assert.equal(read(dictOf({ x: one, ema: inner({ shadow: inner({ a: one }), decay: int(1) }) })), [
    'x',
    'ema/shadow/a',
  ])
  assert.equal(read(`\x80\x02](${inner({ a: one })}${inner({ b: one })}e.`), ['0/a', '1/b'])
  assert.equal(
    read(dictOf({ model: inner({ a: one }), optimizer: inner({ state: `}K\x00${inner({ exp_avg: one })}s` }) })),
    ['a'],
    'moments of an optimiser are none',
  )
  const { values } = readTorch(
    fileOf(
      dictOf({ model: inner({ a: one }), hyper_parameters: inner({ heads: int(8), rope: string('2d'), off: '\x89' }) }),
      { 0: six },
    ),
  )
  assert.equal(
    [...values],
    [
      ['hyper_parameters/heads', 8],
      ['hyper_parameters/rope', '2d'],
      ['hyper_parameters/off', false],
    ],
  )
  // A dict that stands in two places, and one that holds itself.
  assert.equal(
    read(
      '\x80\x02}q\x07(' +
        string('model') +
        inner({ a: one }) +
        'q\x08' +
        string('same') +
        'h\x08' +
        string('self') +
        'h\x07u.',
    ),
    ['a'],
  )
  refuses(fileOf(dictOf({ step: int(3) })), /found no tensor under "step"/)
  refuses(fileOf('\x80\x02K\x01.'), /expected a dict of tensors by name, got something else/)
})

test('other formats are named', async () => {
  refuses(new Uint8Array(0), /an empty file/)
  refuses(latin('hello world'), /11 other bytes/)
  refuses(latin('\x10\0\0\0\0\0\0\0{}'), /safetensors/)
  refuses(latin('\x80\x02}.'), /bare pickle/)
  refuses(await fixture('legacy'), /legacy format of torch.save before 1.6/)
  refuses(await fixture('tensor'), /single tensor/)
  refuses(
    fileOf('\x80\x02cargparse\nNamespace\n)\x81}b.'),
    /it holds an object of "argparse.Namespace", expected a dict of tensors by name/,
  )
  refuses(fileOf('\x80\x02}.', {}, { 'archive/byteorder': 'big' }), /expected byte order "little", got "big"/)
  refuses(fileOf('\x80\x02}.', {}, { 'archive/constants.pkl': '' }), /TorchScript/)
  refuses(writeZip([['readme.txt', latin('x')]]), /expected one entry FOLDER\/data.pkl/)
  refuses(fileOf('\x80\x02}.', {}, { 'b/data.pkl': '' }), /expected one entry FOLDER\/data.pkl .* got 2/)
})

test('a pickle that names anything else is refused before anything is built', async () => {
  const calls: string[] = []
  const spy: PickleGlobal = { name: 'spy', call: () => void calls.push('spy') }
  const globals = new Map([['good.spy', spy]])
  const read = (pickle: string) =>
    readPickle(latin(pickle), { globals, persistent: () => void calls.push('persistent') })
  assert.is(read('\x80\x02cgood\nspy\n)R.'), undefined)
  assert.equal(calls.splice(0), ['spy'])
  // A good call and a persistent id first, then the evil name: none of them happens.
  const good = 'cgood\nspy\n)R0N' + 'Q0'
  const unicode = (text: string) => `\x8c${String.fromCharCode(text.length)}${text}`
  const names: [module: string, name: string][] = [
    ['os', 'system'],
    ['posix', 'system'],
    ['nt', 'system'],
    ['subprocess', 'Popen'],
    ['builtins', 'eval'],
    ['builtins', 'exec'],
    ['__builtin__', 'eval'],
    ['builtins', 'getattr'],
    ['builtins', '__import__'],
    ['torch', 'load'],
    ['torch', 'hub.load'],
    ['torch.jit', 'load'],
    ['torch.serialization', 'load'],
    ['numpy', 'load'],
    ['runpy', '_run_code'],
    ['collections', 'OrderedDict.__init__'],
    ['torch', 'FloatStorage.from_file'],
    ['torch._utils', '_rebuild_tensor_v2.__globals__'],
    ['torch', 'UntypedStorage'],
    ['__proto__', 'constructor'],
    ['', ''],
  ]
  for (const [module, name] of names) {
    const forms = [
      `\x80\x02${good}c${module}\n${name}\n${string('echo')}\x85R.`,
      `\x80\x04${good}${unicode(module)}${unicode(name)}\x93${string('echo')}\x85R.`,
      `\x80\x04${good}${unicode(module)}\x94${unicode(name)}\x94\x93)R.`,
      // The names by way of the memo, the calls spelt otherwise.
      `\x80\x04${good}${unicode(module)}q\x07${unicode(name)}q\x0800h\x07h\x08\x93)\x81.`,
      `\x80\x02${good}(${string('echo')}i${module}\n${name}\n.`,
    ]
    for (const form of forms) {
      assert.throws(
        () => read(form),
        (error: Error) => error.message.includes(`names ${JSON.stringify(`${module}.${name}`)}, which is not allowed`),
      )
      refuses(fileOf(form.replaceAll(good, '')), new RegExp(`not allowed`))
    }
  }
  // Names that only running would tell.
  for (const form of [
    `\x80\x04${good}${unicode('o')}${unicode('s')}\x86${unicode('system')}\x93.`,
    `\x80\x04${good}${unicode('os')}N0${unicode('system')}\x93.`,
    `\x80\x04${good}(lh\x01h\x02\x93.`,
  ]) {
    assert.throws(() => read(form), /computes the name of a global/)
  }
  assert.throws(() => read(`\x80\x02${good}\x82\x01.`), /opcode 0x82 at byte \d+ is not understood/)
  assert.throws(() => read(`\x80\x02${good}(cgood\nspy\no.`), /opcode 0x6f/)
  assert.equal(calls, [])
  // Allowed names in the wrong place.
  assert.throws(() => read('\x80\x02}cgood\nspy\nR.'), /expects a global and its arguments/)
  assert.throws(() => read('\x80\x02cgood\nspy\n}b.'), /expects a dict/)
  refuses(fileOf('\x80\x02ctorch\nFloatStorage\n)R.'), /calls torch.FloatStorage/)
  refuses(fileOf('\x80\x02ccollections\nOrderedDict\nK\x01\x85R.'), /OrderedDict has other arguments/)
  refuses(fileOf('\x80\x02ctorch._utils\n_rebuild_parameter\nN\x85R.'), /parameter has other arguments/)
  refuses(fileOf('\x80\x02NQ.'), /expected a storage/)
})

test('pickles: numbers, memo and damage', () => {
  const read = (pickle: string) => readPickle(latin(pickle), { globals: new Map() })
  assert.equal(
    read(
      '\x80\x05\x95\0\0\0\0\0\0\0\0(NK\x05M\x01\x02J\xff\xff\xff\xff\x8a\x01\xff\x8a\0' +
        '\x8a\x09\0\0\0\0\0\0\0\0\x01G?\xf8\0\0\0\0\0\0\x88\x89U\x01\xe9C\x01\xfft.',
    ),
    [null, 5, 513, -1, -1, 0, 2n ** 64n, 1.5, true, false, 'é', Uint8Array.of(255)],
  )
  assert.equal(read('\x80\x02]q\x00(h\x00K\x012K\x02\x86e0h\x00.'.replace('h\x00K\x012', 'K\x012')), [1, [1, 2]])
  assert.equal(read('(K\x01K\x02d}(K\x03K\x04u\x86.'), [new Map([[1, 2]]), new Map([[3, 4]])])
  assert.equal(read('(K\x01(K\x021l.'), [1])
  const cases: [string, RegExp][] = [
    ['', /truncated: it has no end/],
    ['K', /needs 1 bytes more, 0 are left/],
    ['X\xff\xff\xff\xffa.', /needs 4294967295 bytes more/],
    ['\x8d\0\0\0\0\0\0\0\x80.', /bytes more/],
    ['N', /has no end/],
    ['.', /expects a value/],
    ['N0.', /expects a value/],
    ['h\x01.', /entry 1 of the memo/],
    ['t.', /a mark/],
    ['(.', /a value/],
    ['NN.', /one value at the end/],
    ['N.N', /expected nothing after it/],
    ['}Ns.', /expects a/],
    ['}(Nu.', /pairs/],
    ['NNa.', /a list/],
    ['\x80\x06N.', /protocol 6/],
    ['X\x01\0\0\0\xff.', /not UTF-8/],
    ['cos', /has no end/],
    ['NQ.', /outside data/],
    [`\x8b\x01\x04\0\0${'\0'.repeat(1025)}.`, /at most 1024/],
  ]
  for (const [pickle, pattern] of cases)
    assert.throws(
      () => read(pickle),
      (error: Error) => pattern.test(error.message) && error.message.startsWith('pickle: '),
      pickle,
    )
})

test('zip: zip64 sizes are read, damage is named', () => {
  const good = writeZip([
    ['a/data.pkl', latin('\x80\x02}.')],
    ['a/x', latin('hello')],
  ])
  assert.equal(readTorch(good).tensors, new Map())
  // The same archive with all numbers of its last entry and of its end moved to zip64 fields.
  const view = new DataView(good.buffer)
  const end = good.length - 22
  const start = view.getUint32(end + 16, true)
  const entry = good.slice(start + 46 + 10, end)
  const wide = new Uint8Array(28)
  const fields = new DataView(wide.buffer)
  fields.setUint16(0, 1, true)
  fields.setUint16(2, 24, true)
  const entryView = new DataView(entry.buffer)
  for (const [i, at] of [
    [0, 24],
    [1, 20],
    [2, 42],
  ]) {
    fields.setBigUint64(4 + 8 * i, BigInt(entryView.getUint32(at, true)), true)
    entryView.setUint32(at, 0xffffffff, true)
  }
  entryView.setUint16(30, 28, true)
  const directory = [...good.slice(start, start + 56), ...entry, ...wide]
  const end64 = new Uint8Array(56 + 20 + 22)
  const ends = new DataView(end64.buffer)
  ends.setUint32(0, 0x06064b50, true)
  ends.setBigUint64(4, 44n, true)
  ends.setBigUint64(24, 2n, true)
  ends.setBigUint64(32, 2n, true)
  ends.setBigUint64(40, BigInt(directory.length), true)
  ends.setBigUint64(48, BigInt(start), true)
  ends.setUint32(56, 0x07064b50, true)
  ends.setBigUint64(64, BigInt(start + directory.length), true)
  ends.setUint32(72, 1, true)
  ends.setUint32(76, 0x06054b50, true)
  ends.setUint16(84, 0xffff, true)
  ends.setUint16(86, 0xffff, true)
  ends.setUint32(88, 0xffffffff, true)
  ends.setUint32(92, 0xffffffff, true)
  assert.equal([...readZip(Uint8Array.from([...good.slice(0, start), ...directory, ...end64]))], [...readZip(good)])

  const patched = (at: number, ...bytes: number[]) => {
    const copy = good.slice()
    copy.set(bytes, at)
    return copy
  }
  const cases: [Uint8Array, RegExp][] = [
    [good.subarray(0, good.length - 1), /directory at the end .* truncated/],
    [good.subarray(0, 40), /truncated/],
    [patched(end + 16, 255, 255), /expected the archive's directory within/],
    [patched(end + 10, 3), /expected 3 entries/],
    [patched(start, 0), /expected 2 entries in the archive's directory, entry 1 is damaged/],
    [patched(start + 8, 1), /entry "a\/data.pkl": it is encrypted/],
    [patched(start + 10, 8), /compressed \(method 8\)/],
    [patched(start + 20, 5), /equal stored and original sizes, got 5 and 4/],
    [patched(start + 42, 9), /expected its header at byte 9/],
    [patched(64, 0), /entry "a\/data.pkl": expected checksum [0-9a-f]{8}, got [0-9a-f]{8}/],
    [patched(start + 20, 255, 255, 0, 0, 255, 255), /expected 65535 bytes from byte 64 on/],
    [
      writeZip([
        ['a', latin('')],
        ['a', latin('')],
      ]),
      /every name once/,
    ],
  ]
  for (const [bytes, pattern] of cases) refuses(bytes, pattern)
  // PyTorch can be told to write no checksums.
  assert.is(readZip(patched(start + 16, 0, 0, 0, 0)).size, 2)
})

test('random damage either loads or throws an Error', async () => {
  const random = new Random(3)
  const files = [writeTorch(sample), await fixture('training'), await fixture('views-protocol-4')]
  let [refused, damaged] = [0, 0]
  const attempt = (bytes: Uint8Array) => {
    try {
      for (const { shape, data } of readTorch(bytes).tensors.values())
        assert.is(
          data.length,
          shape.reduce((a, b) => a * b, 1),
        )
    } catch (error) {
      refused++
      assert.match((error as Error).message, /^torch: /)
    }
  }
  const hit = (bytes: Uint8Array) => {
    damaged++
    const copy = random.below(5) === 0 ? bytes.slice(0, random.below(bytes.length)) : bytes.slice()
    for (let hits = random.below(3); hits >= 0 && copy.length; hits--)
      copy[random.below(copy.length)] = random.below(256)
    return copy
  }
  for (let i = 0; i < 600; i++) attempt(hit(files[i % 3]))
  // Damage in the pickle alone, under a right checksum.
  for (let i = 0; i < 3000; i++) {
    const entries = readZip(files[i % 3])
    attempt(writeZip([...entries].map(([path, data]) => [path, path.endsWith('data.pkl') ? hit(data) : data] as const)))
  }
  assert.ok(refused > damaged / 2, `${refused} of ${damaged} refused`)
})

/** Runs Python where it has PyTorch; undefined elsewhere. */
const python = (script: string, ...args: string[]): string | undefined => {
  for (const program of ['python3', '/usr/bin/python3']) {
    try {
      execFileSync(program, ['-c', 'import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)'], {
        stdio: 'ignore',
      })
    } catch {
      continue
    }
    return execFileSync(program, ['-c', script, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  }
  return undefined
}

test('PyTorch loads what is written here, and the other way round', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'trm-torch-'))
  try {
    const names = ['dtypes', 'views', 'training', 'trm-attention']
    for (const name of names) {
      const bytes = await fixture(name)
      writeFileSync(join(folder, `theirs-${name}.pt`), bytes)
      writeFileSync(join(folder, `ours-${name}.pt`), writeTorch(readTorch(bytes).tensors))
    }
    const printed = python(
      `
import sys, torch
for name in sys.argv[2:]:
    ours = torch.load(f'{sys.argv[1]}/ours-{name}.pt', weights_only=True)
    theirs = torch.load(f'{sys.argv[1]}/theirs-{name}.pt')
    theirs = theirs.get('model', theirs)
    assert list(ours) == list(theirs), name
    for key, tensor in ours.items():
        other = theirs[key]
        assert tensor.dtype == other.dtype and tensor.shape == other.shape and torch.equal(tensor, other), (name, key)
    torch.save(ours, f'{sys.argv[1]}/again-{name}.pt')
print('same')
`,
      folder,
      ...names,
    )
    if (printed === undefined) return console.log('skipped: python3 has no torch here, apt-get install python3-torch')
    assert.is(printed.trim(), 'same')
    for (const name of names) {
      const read = (prefix: string) =>
        readTorch(new Uint8Array(readFileSync(join(folder, `${prefix}-${name}.pt`)))).tensors
      const ours = read('ours')
      for (const [key, tensor] of read('again')) assert.equal(raw(tensor), raw(ours.get(key)!))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
