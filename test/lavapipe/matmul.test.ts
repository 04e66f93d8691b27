// Products with operands in textures, in every transposition and every size of tile, on lavapipe.
import { test } from 'uvu'
import { textureKernel } from '../../src/lavapipe/matmul.js'
import { runByTextures } from '../../src/lavapipe/textures.js'
import { openEngine } from '../../src/node.js'
import type { MatmulSize } from '../../src/kernels/matmul.js'
import { close, printShares } from '../close.js'
import * as oracle from '../oracle.js'
import { values } from '../shapes.js'

const engine = await openEngine({ adapter: 'lavapipe' }).catch(() => undefined)
test.after(() => {
  engine?.close()
  printShares()
})

async function check(size: MatmulSize, rows: number, columns: number): Promise<void> {
  const { m, n, k, batch = 1, reduce = 1, sharedA, accumulate } = size
  const a = values(1, m * k * (sharedA ? 1 : batch * reduce))
  const b = values(2, k * n * batch * reduce)
  const before = values(3, m * n * batch)
  const tensors = { a: engine!.from(a), b: engine!.from(b), c: engine!.from(before) }
  runByTextures(engine!, textureKernel(size, rows, columns)!, tensors, size)
  const truth = oracle.matmul(a, b, size)
  const scale = oracle.matmul(a.map(Math.abs), b.map(Math.abs), size)
  if (accumulate) {
    for (let i = 0; i < truth.length; i++) {
      truth[i] += before[i]
      scale[i] += Math.abs(before[i])
    }
  }
  close(`matmul by textures, ${JSON.stringify({ ...size, rows, columns })}`, await engine!.read(tensors.c), truth, {
    scale,
    depth: k * reduce,
  })
  engine!.release(...Object.values(tensors))
}

if (!engine) console.log('skipped: no lavapipe on this machine')
for (const [rows, columns] of [
  [24, 32],
  [32, 32],
  [48, 64],
]) {
  ;(engine ? test : test.skip)(`tiles of ${rows} × ${columns}`, async () => {
    for (const transposes of [0, 1, 2, 3]) {
      const [transposeA, transposeB] = [transposes % 2 === 1, transposes > 1]
      // Texels hold four neighbours of b: in k where it is transposed, else in n.
      for (const [m, free, fours] of [
        [1, 1, 4],
        [5, 3, 8],
        [33, 17, 36],
        [50, 31, 68],
        [97, 66, 132],
      ]) {
        const [n, k] = transposeB ? [free, fours] : [fours, free]
        await check({ m, n, k, transposeA, transposeB }, rows, columns)
        await check({ m, n, k, transposeA, transposeB, batch: 2, reduce: 3, accumulate: true }, rows, columns)
      }
      await check({ m: 9, n: 36, k: 20, transposeA, transposeB, batch: 3, sharedA: true }, rows, columns)
    }
  })
}

test.run()
