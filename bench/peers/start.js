// Bundles the TypeScript of the benchmark into build/bench/peers and runs it.
import { pathToFileURL } from 'node:url'
import { buildScripts } from '../../scripts/build.js'

const built = await buildScripts('bench/peers', '.ts')
await import(pathToFileURL(built.find(({ file }) => file.endsWith('run.js')).file).href)
