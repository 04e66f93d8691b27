// The engine without any TRM code: a two-layer network learns y = sin(x).
// Run it after `npm run build` and `npm test`, or paste it into a project that has webgpu-trm:
// imports are then 'webgpu-trm/engine' and 'webgpu-trm/node'.
import { Adam, linear, Parameters, Random, squaredError, swiglu, truncatedNormal } from '../src/engine/index.js'
import { openEngine } from '../src/node.js'

const engine = await openEngine()
const random = new Random(1)
const weights = new Parameters(engine, { gateUp: [64, 2], down: [1, 32] })
for (const name of weights.names) weights.write(name, truncatedNormal(random, weights.get(name).size, 0.5))
const optimizer = new Adam(engine, weights, { algorithm: 'adamw', weightDecay: 0 })

// 256 points; the second input is 1, so that the first layer has a bias.
const xs = Float32Array.from({ length: 256 }, (_, i) => (i / 255) * 6 - 3)
const x = engine.from(
  Float32Array.from({ length: 512 }, (_, i) => (i % 2 ? 1 : xs[i >> 1])),
  [256, 2],
)
const target = engine.from(xs.map(Math.sin), [256, 1])

for (let step = 1; step <= 500; step++) {
  const errors = engine.scope(() => {
    const { value } = engine.valueAndGradients(
      weights.all(),
      () => squaredError(linear(swiglu(linear(x, weights.get('gateUp'))), weights.get('down')), target),
      { into: optimizer.gradients.all() },
    )
    optimizer.step({ step, learningRate: 0.01 })
    return step % 100 === 0 ? engine.read(value) : undefined
  })
  if (errors) console.log(`step ${step}: mean squared error ${(await errors).reduce((a, b) => a + b).toFixed(6)}`)
}
engine.close()
