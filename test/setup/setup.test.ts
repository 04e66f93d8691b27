// What scripts/setup.js decides, without installing anything: lock file, tar reader, apt's sources, messages.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  debianMirror,
  lavapipeCommands,
  noAdapterMessage,
  osRelease,
  readTar,
  readyBrowser,
  stalePackages,
} from '../../scripts/setup.js'

const test = suite('setup')
let root = ''

test.before.each(() => {
  root = mkdtempSync(join(tmpdir(), 'trm-setup-'))
})
test.after.each(() => rmSync(root, { recursive: true }))

function write(path: string, content: unknown) {
  const file = join(root, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

const packages = {
  '': { name: 'x' },
  'node_modules/a': { version: '1.0.0' },
  'node_modules/a/node_modules/b': { version: '2.0.0' },
  'node_modules/@c/mac': { version: '3.0.0', optional: true, os: ['darwin'], cpu: ['x64'] },
  'node_modules/@c/linux': { version: '3.0.0', optional: true, os: ['linux'], cpu: ['x64'] },
  'node_modules/@c/posix': { version: '3.0.0', optional: true, os: ['!win32'] },
}

test("every package of the lock file is missed when there is no node_modules, except other platforms'", () => {
  write('package-lock.json', { packages })
  assert.equal(stalePackages(root, { platform: 'linux', arch: 'x64' }), [
    'a',
    'a/node_modules/b',
    '@c/linux',
    '@c/posix',
  ])
  assert.equal(stalePackages(root, { platform: 'linux', arch: 'arm64' }), ['a', 'a/node_modules/b', '@c/posix'])
  assert.equal(stalePackages(root, { platform: 'win32', arch: 'x64' }), ['a', 'a/node_modules/b'])
})

test('node_modules that matches is left alone; another version does not match', () => {
  write('package-lock.json', { packages })
  for (const [path, { version }] of Object.entries(packages).slice(1) as [string, { version: string }][])
    write(`${path}/package.json`, { version })
  assert.equal(stalePackages(root, { platform: 'linux', arch: 'x64' }), [])
  write('node_modules/a/package.json', { version: '1.0.1' })
  assert.equal(stalePackages(root, { platform: 'linux', arch: 'x64' }), ['a'])
})

test('no lock file, nothing to compare: an installed package is not a checkout', () => {
  assert.equal(stalePackages(root), [])
})

test('readTar reads plain files, prefixes included, and passes folders over', () => {
  const entry = (name: string, content: string, { type = '0', prefix = '' } = {}) => {
    const head = Buffer.alloc(512)
    head.write(name, 0)
    head.write(content.length.toString(8).padStart(11, '0'), 124)
    head.write(type, 156)
    head.write('ustar', 257)
    head.write(prefix, 345)
    return Buffer.concat([head, Buffer.from(content), Buffer.alloc((512 - (content.length % 512)) % 512)])
  }
  const tar = Buffer.concat([
    entry('folder/', '', { type: '5' }),
    entry('./a.txt', 'x'.repeat(513)),
    entry('b', 'two', { prefix: 'deep/er' }),
    entry('c', ''),
    Buffer.alloc(1024),
  ])
  const files = readTar(tar)
  assert.equal(
    Object.entries(files).map(([path, bytes]) => [path, bytes.length]),
    [
      ['a.txt', 513],
      ['deep/er/b', 3],
      ['c', 0],
    ],
  )
  assert.is(files['deep/er/b']!.toString(), 'two')
  assert.equal(Object.keys(readTar(tar, path => path === 'c')), ['c'])
})

test('backports come from the mirror that apt uses', () => {
  assert.is(debianMirror(root), 'http://deb.debian.org/debian')
  write(
    'sources.list',
    '# deb http://commented/debian bookworm main\n' +
      'deb http://security.debian.org/debian-security bookworm-security main\n',
  )
  assert.is(debianMirror(root), 'http://deb.debian.org/debian')
  write('sources.list.d/debian.sources', 'Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n')
  assert.is(debianMirror(root), 'http://mirror.example/debian')
  write('sources.list', 'deb [arch=amd64] https://near.example/debian/ bookworm main\n')
  assert.is(debianMirror(root), 'https://near.example/debian/')
})

test('the commands fit the system: backports only on Debian 12, sudo only where needed', () => {
  const bookworm = osRelease(
    write('os-release', 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n'),
  )
  assert.is(bookworm.PRETTY_NAME, 'Debian GNU/Linux 12 (bookworm)')
  assert.is(
    lavapipeCommands(bookworm, true).at(-1),
    'apt-get install -y --no-install-recommends -t bookworm-backports mesa-vulkan-drivers libvulkan1',
  )
  assert.is(
    lavapipeCommands({ ID: 'linuxmint', ID_LIKE: 'ubuntu debian' }, false).at(-1),
    'sudo apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1',
  )
  assert.match(lavapipeCommands({ ID: 'fedora' }, true)[0]!, 'dnf install')
})

test('the last message names each reason and ends with the commands', () => {
  const message = noAdapterMessage(
    ['installing lavapipe: not root'],
    { ID: 'debian', VERSION_CODENAME: 'trixie' },
    'linux',
  )
  assert.match(message, /^setup: no WebGPU adapter on this machine\n  installing lavapipe: not root\n/)
  assert.match(message, /apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1\nthen run again:\n/)
  assert.match(message, /libvulkan1\nthen run again:\n  node scripts\/setup\.js$/)
})

test('the browser of the tests is found, or installed, or in one line said to be missing', () => {
  assert.is(readyBrowser({ env: {}, find: () => '/usr/bin/chromium' }), 'browser: /usr/bin/chromium')
  let installed = false
  const install = () => void (installed = true)
  assert.is(
    readyBrowser({ env: {}, find: () => (installed ? '/usr/bin/chromium' : undefined), install }),
    'browser: /usr/bin/chromium',
  )
  assert.match(
    readyBrowser({ env: {}, find: () => undefined, install: () => 'not root' }),
    /^browser: none — not root: the tests in a page are left out; install the package chromium.*$/,
  )
  assert.match(
    readyBrowser({
      env: { TRM_CHROMIUM: 'none' },
      install: () => assert.unreachable('nothing is installed then') as never,
    }),
    /^browser: none — TRM_CHROMIUM is none: /,
  )
})

test.run()
