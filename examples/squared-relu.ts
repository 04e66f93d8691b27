// An operation of one's own, from the formula to its check: squared ReLU with its derivative.
// docs/add-an-operation.md explains it piece by piece. Run it as the other examples.
import { defineKernel, grid, type Tensor } from '../src/engine/index.js'
import { openEngine } from '../src/node.js'

const source = `
// y = max(x, 0)²; with BACKWARD y = dy · 2 · max(x, 0), the gradient of x. One thread per element.
override THREADS: u32;
override COUNT: u32;
override BACKWARD: bool;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let i = (group.x + group.y * groups.x) * THREADS + thread;
  if (i >= COUNT) { return; }
  let positive = max(x[i], 0.0);
  y[i] = select(positive, 2.0 * dy[i], BACKWARD) * positive;
}`

const THREADS = 64

const kernel = defineKernel<{ count: number; backward: boolean }>({
  name: 'squared_relu',
  source,
  bindings: { x: 'read', dy: 'read', y: 'write' },
  constants: ({ count, backward }) => ({ THREADS, COUNT: count, BACKWARD: Number(backward) }),
  workgroups: ({ count }) => grid(Math.ceil(count / THREADS)),
})

/** `max(x, 0)²`, element by element. */
export function squaredRelu(x: Tensor): Tensor {
  const { engine } = x
  const count = x.size
  const y = engine.tensor(x.shape, x.dtype)
  engine.dispatch(kernel, { x, dy: x, y }, { count, backward: false })
  return engine.record(y, [x], dy => {
    const dx = engine.tensor(x.shape, x.dtype)
    engine.dispatch(kernel, { x, dy, y: dx }, { count, backward: true })
    return [dx]
  })
}

const truth = (x: number) => Math.max(x, 0) ** 2
const slope = (x: number) => (truth(x + 1e-4) - truth(x - 1e-4)) / 2e-4

/** The largest difference; more than `allowed` is an error. */
function check(what: string, ours: Float32Array, expected: Float32Array, allowed: number): void {
  const worst = ours.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0)
  if (!(worst <= allowed)) throw new Error(`${what} is off by ${worst}, expected at most ${allowed}`)
  console.log(`${what}: at most ${worst.toExponential(1)} off`)
}

const engine = await openEngine()
const data = Float32Array.from({ length: 1000 }, (_, i) => 3 * Math.sin(i))
const x = engine.from(data, [10, 100])
const reads = engine.scope(() => {
  const { value, gradients } = engine.valueAndGradients([x], () => squaredRelu(x))
  return [engine.read(value), engine.read(gradients[0])]
})
const [y, dx] = await Promise.all(reads)
check('squared ReLU', y, data.map(truth), 1e-6)
check('its derivative', dx, data.map(slope), 1e-4)
engine.close()
