// Imports point down only, each shader belongs to one kernel, and only the doors use Node.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { rootFolder } from './files.js'

const root = await rootFolder()
const filesBelow = (folder: string, suffix: string) =>
  readdirSync(join(root, folder), { recursive: true })
    .map(file => `${folder}/${String(file)}`)
    .filter(file => file.endsWith(suffix))
const sources = filesBelow('src', '.ts').filter(file => !file.endsWith('.d.ts'))
const doors = ['playground', 'bench']
  .flatMap(folder => filesBelow(folder, '.ts'))
  .filter(file => !file.includes('node_modules'))
const shaders = filesBelow('shaders', '.wgsl')
const text = (file: string) => readFileSync(join(root, file), 'utf8')

/** The floors, the lowest first. A path belongs to the first floor with an entry that it begins with. */
const FLOORS = [
  ['shaders/', 'src/data/', 'src/formats/'],
  ['src/kernels/'],
  ['src/engine/'],
  ['src/lavapipe/', 'src/matrices/'],
  ['src/trm/'],
  ['src/verify/'],
  ['src/', 'scripts/', 'bench/', 'playground/'],
]
const floorOf = (path: string) => FLOORS.findIndex(rooms => rooms.some(room => path.startsWith(room)))

/** The imports of a file: paths from the root, or names of packages. */
function imports(file: string): string[] {
  const found = text(file).matchAll(
    /(?:^|[\s;}])(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]|import\s*\(?\s*['"]([^'"]+)['"]/gm,
  )
  return [...found]
    .map(([, from, bare]) => from ?? bare)
    .map(path => (path.startsWith('.') ? normalize(join(dirname(file), path)) : path))
}

test('imports point down', () => {
  const arrows = sources.flatMap(file => imports(file).map(path => [file, path]))
  assert.ok(arrows.length > 100 && arrows.some(([, path]) => path === 'shaders/rmsnorm.wgsl'), 'imports are found')
  const wrong = arrows.filter(([file, path]) => floorOf(path) > floorOf(file))
  assert.equal(
    wrong.map(arrow => arrow.join(' → ')),
    [],
  )
  const deep = doors.flatMap(file =>
    imports(file)
      .filter(path => path.startsWith('src/cli/') || (file.startsWith('bench/') && path.startsWith('playground/')))
      .map(path => `${file} → ${path}`),
  )
  assert.equal(deep, [], 'page and bench do not know the command line, nor the bench the page')
  const sideways = arrows.filter(([file, path]) => file.startsWith('src/formats/') && path.startsWith('src/data/'))
  assert.equal(
    sideways.map(arrow => arrow.join(' → ')),
    [],
    'formats know no puzzles',
  )
})

/** Packages that a file may import because they are bundled. */
const BUNDLED: Record<string, string> = { 'playground/chart.ts': 'uplot' }

test('only the doors know Node or a package', () => {
  const nodeDoors = /^src\/(node\.ts|adapters\/|cli\/|models\/node\.ts)/
  const isForeign = (file: string, path: string) =>
    !/^(src|shaders|bench|playground)\//.test(path) && !path.startsWith(BUNDLED[file] ?? 'none')
  const everywhere = [...sources, ...doors.filter(file => file.startsWith('playground/'))]
  const wrong = everywhere
    .filter(file => !nodeDoors.test(file))
    .flatMap(file =>
      imports(file)
        .filter(path => isForeign(file, path))
        .map(path => `${file} → ${path}`),
    )
  assert.equal(wrong, [])
})

test('the core names no adapter, the wings know nothing of each other nor of the model', () => {
  const core = [...sources, ...shaders].filter(
    file =>
      /^(src\/(engine|kernels)|shaders)\/[^/]+(\/[^/]+)?$/.test(file) && !/^shaders\/(lavapipe|matrices)\//.test(file),
  )
  assert.ok(core.length > 70)
  for (const file of core) assert.not.match(text(file), /lavapipe|swiftshader|llvmpipe|texel|FOR_BROWSERS/i, file)
  const wings = sources.filter(file => /^src\/(lavapipe|matrices)\//.test(file))
  const wrong = wings.flatMap(file =>
    imports(file)
      .filter(path => /^src\//.test(path) && !/^src\/(engine|kernels)\//.test(path) && dirname(path) !== dirname(file))
      .map(path => `${file} → ${path}`),
  )
  assert.equal(wrong, [])
})

const isShared = (shader: string) => shader.endsWith('.shared.wgsl')
const included = (shader: string) =>
  [...text(shader).matchAll(/^#import (\S+)$/gm)].map(([, file]) => normalize(join(dirname(shader), file)))

test('each shader belongs to exactly one module of its floor or wing, a shared one to shaders that import it', () => {
  const room = (file: string) => /^(?:src|shaders)\/(lavapipe|matrices)\//.exec(file)?.[1] ?? 'kernels'
  for (const shader of shaders) {
    const users = sources.filter(file => imports(file).includes(shader))
    if (isShared(shader)) {
      assert.ok(
        shaders.some(other => included(other).includes(shader)) && !users.length,
        `${shader} is imported by ${users.join(', ') || 'no shader'}`,
      )
    } else
      assert.ok(
        users.length === 1 && users[0].startsWith(`src/${room(shader)}/`),
        `${shader} is used by ${users.join(', ') || 'nobody'}`,
      )
  }
})

test('shaders say what they compute, have one entry point with what they import, and no defaults of constants', () => {
  assert.ok(shaders.length > 20)
  for (const shader of shaders) {
    const source = text(shader)
    assert.match(source, /^\/\/ /, shader)
    const all = [shader, ...included(shader)].map(text).join('\n')
    if (!isShared(shader)) assert.is([...all.matchAll(/^@compute/gm)].length, 1, shader)
    assert.not.match(source, /^\s*(@id\(\d+\)\s*)?override\s+\w+\s*(:\s*\w+\s*)?=/m, shader)
  }
})

/** What a file imports when it runs: types alone are gone by then. */
function importsAtRunTime(file: string): string[] {
  const statements = text(file).matchAll(
    /^(?:import|export)\s+(?!type\s)([^'"`;]*?)from\s*['"](\.[^'"]+)['"]|^import\s*['"](\.[^'"]+)['"]/gm,
  )
  return [...statements].flatMap(([, names, from, bare]) => {
    const given =
      names &&
      /\{([^}]*)\}/
        .exec(names)?.[1]
        .split(',')
        .map(name => name.trim())
        .filter(Boolean)
    const areTypes = given && given.length > 0 && given.every(name => name.startsWith('type '))
    return areTypes ? [] : [normalize(join(dirname(file), from ?? bare))]
  })
}

/** Files that reach each other, a list for each circle; `arrows` leads from a file to those that it imports. */
function circles(files: readonly string[], arrows: (file: string) => readonly string[]): string[][] {
  const next = new Map(files.map(file => [file, arrows(file)]))
  const reached = new Map(
    files.map(file => {
      const seen = new Set(next.get(file))
      for (const other of seen) for (const more of next.get(other) ?? []) seen.add(more)
      return [file, seen]
    }),
  )
  const members = (file: string) =>
    files.filter(other => reached.get(file)!.has(other) && reached.get(other)!.has(file))
  return files.map(members).filter(([first], i) => first === files[i])
}

test('no circle of imports at run time, and none between files of different folders even of types', () => {
  // The check can fail.
  const ring: Record<string, string[]> = { a: ['b', 'd'], b: ['c'], c: ['b', 'a'], d: [] }
  assert.equal(
    circles(Object.keys(ring), file => ring[file]),
    [['a', 'b', 'c']],
  )
  const files = [...sources, ...doors]
  const asSource = (path: string) => path.replace(/\.js$/, '.ts')
  assert.equal(
    circles(files, file => importsAtRunTime(file).map(asSource)),
    [],
    'at run time',
  )
  const all = circles(files, file => imports(file).map(asSource))
  assert.equal(
    all.filter(members => new Set(members.map(dirname)).size > 1),
    [],
    'between folders',
  )
})

test('no line is wider than 120 columns', () => {
  const files = ['src', 'shaders', 'test', 'bench', 'playground', 'examples', 'scripts']
    .flatMap(folder => ['.ts', '.js', '.wgsl'].flatMap(suffix => filesBelow(folder, suffix)))
    .filter(file => !file.includes('node_modules'))
  assert.ok(files.length > 300, `${files.length} files`)
  const wide = files.flatMap(file =>
    text(file)
      .split('\n')
      .flatMap((line, i) => ([...line].length > 120 ? `${file}:${i + 1}` : [])),
  )
  assert.equal(wide, [])
})

test('modules open with a sentence and export names only', () => {
  for (const file of [...sources, ...doors.filter(file => file.startsWith('playground/'))]) {
    const source = text(file)
    assert.match(source, /^(#!.*\n)?\/\/ /, file)
    assert.not.match(source, /^export (default|\*(?! as))/m, file)
  }
})

test.run()
