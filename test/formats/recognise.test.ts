// Every reader says what kind of file it got, whatever its name; characters that do not print reach no message.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseArcTasks } from '../../src/data/arc-tasks.js'
import { readDataset } from '../../src/data/directory.js'
import { parseGrids } from '../../src/data/grids.js'
import { parsePuzzleCsv } from '../../src/data/table.js'
import { parseNpy, writeNpy } from '../../src/formats/npy.js'
import { named, recognise } from '../../src/formats/recognise.js'
import { parseSafetensors, writeSafetensors } from '../../src/formats/safetensors.js'
import { printable, shown } from '../../src/formats/shown.js'
import { readTorch } from '../../src/formats/torch.js'
import { writeTorch } from '../../src/formats/torch-write.js'
import { writeZip } from '../../src/formats/zip.js'

/** One byte for each character. */
const latin = (text: string) => Uint8Array.from(text, char => char.charCodeAt(0))
const zipOf = (...names: string[]) => writeZip(names.map(name => [name, latin('x')]))
const utf16 = (text: string, mark = '') => latin(mark + [...text].map(char => `${char}\0`).join(''))

const POINTER = latin(
  'version https://git-lfs.github.com/spec/v1\n' +
    'oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 28311552\n',
)
const KINDS: [name: string, bytes: Uint8Array, what: RegExp][] = [
  ['LFS pointer', POINTER, /^a Git LFS pointer$/],
  ['LFS pointer of old', latin('version https://hawser.github.com/spec/v1\noid sha256:1\n'), /LFS/],
  ['empty', new Uint8Array(0), /an empty file/],
  ['HTML', latin('\xef\xbb\xbf\n<!DOCTYPE html>\n<html lang="en">'), /web page/],
  ['HTML without doctype', latin('<html><head>'), /web page/],
  ['XML of a bucket', latin('<?xml version="1.0"?><Error><Code>AccessDenied</Code>'), /web page/],
  ['JSON error', latin('{"error":"Repository not found"}'), /error message of a server \(JSON\)/],
  ['text error', latin('Entry not found'), /error message of a server/],
  ['text error', latin('404: Not Found'), /error message of a server/],
  ['text error', latin('Access to model x/y is restricted.'), /error message of a server/],
  [
    'index of shards',
    latin('{\n "metadata": {"total_size": 5},\n "weight_map": {"a": "model-00001-of-00002.safetensors"}}'),
    /several files/,
  ],
  ['zeros', new Uint8Array(200), /zero bytes/],
  [
    'safetensors',
    writeSafetensors([['a', { dtype: 'U8', shape: [1], data: new Uint8Array(1) }]]),
    /^a safetensors file$/,
  ],
  [
    'torch',
    writeTorch([['a', { dtype: 'U8', shape: [1], data: new Uint8Array(1) }]]),
    /^a file of torch.save \(.pt\)$/,
  ],
  ['npz', zipOf('inputs.npy', 'labels.npy'), /\.npz/],
  ['xlsx', zipOf('[Content_Types].xml', 'xl/workbook.xml'), /Excel/],
  ['Keras', zipOf('metadata.json', 'config.json', 'model.weights.h5'), /Keras/],
  ['zip', zipOf('readme.txt'), /^a zip archive$/],
  ['npy', writeNpy({ shape: [1], dtype: 'u1', data: new Uint8Array(1) }), /^a NumPy array/],
  ['torch before 1.6', latin('\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.'), /legacy format/],
  ['pickle', latin('\x80\x04\x95\x0b\0\0\0\0\0\0\0}\x94.'), /pickle/],
  ['HDF5', latin('\x89HDF\r\n\x1a\n'), /HDF5/],
  ['GGUF', latin('GGUF\x03\0\0\0'), /GGUF/],
  ['ONNX', latin('\x08\x07\x12\x07pytorch'), /ONNX/],
  ['SavedModel', latin('\x08\x01\x12\xe5\x02'), /SavedModel/],
  ['TFLite', latin('\x1c\0\0\0TFL3'), /Lite/],
  ['gzip', latin('\x1f\x8b\x08'), /gzip/],
  ['xz', latin('\xfd7zXZ\0'), /xz/],
  ['7z', latin('7z\xbc\xaf\x27\x1c'), /7z/],
  ['bzip2', latin('BZh91AY'), /bzip2/],
  ['Zstandard', latin('\x28\xb5\x2f\xfd'), /Zstandard/],
  ['tar', latin(`model.pt${'\0'.repeat(249)}ustar\0`), /tar archive/],
  ['Parquet', latin('PAR1\x15\x04'), /Parquet/],
  ['Arrow', latin('ARROW1\0\0'), /Arrow/],
  ['PDF', latin('%PDF-1.7'), /PDF/],
  ['image', latin('\x89PNG\r\n'), /image/],
  ['notebook', latin('{"cells": [{"cell_type": "code"}]}'), /notebook/],
  ['UTF-16', utf16('source,question', '\xff\xfe'), /UTF-16/],
  ['UTF-16 without a mark', utf16('source,question'), /UTF-16/],
  ['JSON', latin('{"a": 1}'), /^JSON$/],
]

test('each kind is recognised by its first bytes, and nothing else is', () => {
  for (const [name, bytes, what] of KINDS) assert.match(recognise(bytes)?.what ?? 'nothing', what, name)
  for (const text of [
    'source,question,answer,rating\nx,..,12,0\n',
    'lr: 1e-4\narch:\n  L_cycles: 6\n',
    'hello',
    '400 000 805',
    '\x01\x02\x03',
  ])
    assert.is(recognise(latin(text)), undefined, text)
})

/** Every reader, what it takes, and how its errors begin. */
const READERS: [name: string, own: RegExp, read: (bytes: Uint8Array) => unknown][] = [
  [
    'parseSafetensors',
    /^safetensors$/,
    bytes => named(bytes, 'f', 'a safetensors file', () => parseSafetensors(bytes, 'f')),
  ],
  ['readTorch', /^(torch|zip)$/, bytes => readTorch(bytes, 'f')],
  ['parseNpy', /^npy$/, bytes => parseNpy(bytes, 'f')],
  ['parsePuzzleCsv', /^$/, bytes => parsePuzzleCsv(bytes, 'f')],
  ['parseGrids', /^JSON$/, bytes => parseGrids(bytes, 'f')],
  ['parseArcTasks', /^JSON$/, bytes => parseArcTasks({ bytes, name: 'f' })],
  ['readDataset', /^JSON$/, bytes => readDataset(async () => bytes, 'train')],
]

test('every reader names every kind that it does not take, in one line that says what was expected', async () => {
  for (const [reader, own, read] of READERS) {
    for (const [kind, bytes, what] of KINDS) {
      if (own.test(kind)) continue
      const message = await Promise.resolve()
        .then(() => read(bytes))
        .then(
          () => 'it was read',
          ({ message }) => message as string,
        )
      assert.match(message, new RegExp(what.source.replace(/[$^]/g, '')), `${reader}, ${kind}`)
      assert.match(message, /^[^\n]*: this is [^\n]*, expected /, `${reader}, ${kind}`)
    }
  }
})

test('a damaged file of the kind that is expected keeps its own message', () => {
  const whole = writeSafetensors([['a', { dtype: 'U8', shape: [1], data: new Uint8Array(1) }]])
  assert.throws(
    () => named(whole.subarray(0, 30), 'f', 'a safetensors file', () => parseSafetensors(whole.subarray(0, 30), 'f')),
    /^f: truncated/,
  )
})

test('text out of files: one line, clipped, nothing that does not print', () => {
  assert.is(shown('plain "text"'), '"plain \\"text\\""')
  assert.is(
    shown('\x1b[31mred\x9b\u202e\u2028\u200b\ufeff\x7f\n'),
    '"\\u001b[31mred\\u009b\\u202e\\u2028\\u200b\\ufeff\\u007f\\n"',
  )
  assert.is(shown('x'.repeat(100), 5), '"xxxxx…"')
  assert.is(shown({ a: '\x1b' }), '{"a":"\\u001b"}')
  assert.is(shown(undefined), 'undefined')
  assert.is(shown('ünïcode 𝟙'), '"ünïcode 𝟙"')
  assert.is(printable('a\x1b]0;title\x07\tb', 300), 'a\\u001b]0;title\\u0007\\u0009b')
})

test.run()
