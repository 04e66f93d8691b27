// Builds the playground and serves it on this machine alone.
//   node scripts/playground.js [--port N]
import { parseArgs } from 'node:util'
import { buildPlayground } from './build.js'
import { buildReference } from './reference.js'
import { serve } from './serve.js'

const { values } = parseArgs({ options: { port: { type: 'string', default: '8080' } } })
const port = Number(values.port)
if (!Number.isInteger(port) || port < 0 || port > 65535) {
  console.error(`playground: --port: expected 0 … 65535, got ${values.port}`)
  process.exit(2)
}
const folder = await buildPlayground()
try {
  buildReference()
} catch (error) {
  console.error(`left out: the API reference — ${error.message.split('\n')[0]}`)
}
// Where the port is taken, a free one is used.
const { url } = await serve({ '/': folder }, { port }).catch(() => serve({ '/': folder }))
console.log(`the files, to be hosted anywhere: ${folder}\nopen ${url} — Ctrl-C ends`)
