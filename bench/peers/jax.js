// The backend jax-js: the model in its NumPy-like operations. Cycles and training steps are jitted, as it advises.
// An operation of jax-js consumes its arguments; `.ref` keeps an array for another use.
import * as jax from '@jax-js/jax'

const { numpy: np, nn, tree, jit, valueAndGrad, lax } = jax

export async function open() {
  const devices = await jax.init('webgpu')
  if (!devices.includes('webgpu')) throw new Error('jax-js found no WebGPU')
  jax.defaultDevice('webgpu')
  return { version: '@jax-js/jax 0.1.25', matmul, train, infer, transformer }
}

const from = (data, shape = [data.length]) => np.array(data).reshape(shape)

async function matmul({ m, n, k, a, b }) {
  const [x, w] = [from(a, [m, k]), from(b, [n, k])]
  await jax.blockUntilReady([x, w])
  const product = jit((x, w) => np.matmul(x, w.transpose()))
  const start = performance.now()
  const c = await product(x.ref, w.ref).data()
  const firstMs = performance.now() - start
  // An array that is dropped before anyone awaits it is never computed: all are kept until the end.
  const run = async count => {
    const all = []
    for (let i = 0; i < count; i++) all.push(product(x.ref, w.ref))
    for (const each of all) await submitted(each)
    await jax.blockUntilReady(all.at(-1))
    all.forEach(each => each.dispose())
  }
  return { firstMs, outputs: { c }, run }
}

/** Sends the pending work of an array to the GPU without waiting. */
const submitted = array => array.ref.gpuBuffer()

/** The network and its parts, for the settings of a golden. */
function define(config) {
  const {
    batch_size: B,
    seq_len: S,
    vocab_size: V,
    hidden_size: D,
    num_heads: heads,
    H_cycles: T,
    L_cycles: n,
    L_layers: layers,
    mlp_t: mixing,
  } = config
  const hasPuzzles = config.puzzle_emb_ndim > 0
  const P = hasPuzzles ? config.puzzle_emb_len : 0
  const L = P + S
  const linear = (x, w) => np.matmul(x, w.transpose())
  const rms = x => {
    const mean = np.mean(np.square(x.ref), -1, { keepdims: true })
    return x.mul(np.reciprocal(np.sqrt(mean.add(1e-5))))
  }
  const swiglu = (x, gateUp, down) => {
    const [gate, up] = np.split(linear(x, gateUp), 2, -1)
    return linear(nn.silu(gate).mul(up), down)
  }
  const rotate = x => {
    const width = D / heads
    const half = Array.from({ length: width / 2 }, (_, i) => 10000 ** ((-2 * i) / width))
    const angles = Array.from({ length: L }, (_, l) => [...half, ...half].map(f => l * f)).flat()
    const cos = from(Float32Array.from(angles, Math.cos), [1, 1, L, width])
    const sin = from(Float32Array.from(angles, Math.sin), [1, 1, L, width])
    const [x1, x2] = np.split(x.ref, 2, -1)
    return x.mul(cos).add(np.concatenate([x2.neg(), x1], -1).mul(sin))
  }
  const attention = (h, qkvWeight, outputWeight) => {
    const qkv = linear(h, qkvWeight).reshape([B, L, 3 * heads, D / heads])
    const [q, k, v] = np.split(qkv.transpose([0, 2, 1, 3]), 3, 1)
    // nn.dotProductAttention computes the same through einsum, which wants iterator helpers that Node 20 lacks.
    const scores = nn.softmax(np.matmul(rotate(q), rotate(k).transpose([0, 1, 3, 2])).mul(1 / Math.sqrt(D / heads)), -1)
    return linear(
      np
        .matmul(scores, v)
        .transpose([0, 2, 1, 3])
        .reshape([B * L, D]),
      outputWeight,
    )
  }
  // h and the injection as (B·L, D).
  const net = (w, h, injection) => {
    h = h.add(injection)
    for (let k = 0; k < layers; k++) {
      const part = name => w[`inner.L_level.layers.${k}.${name}.weight`].ref
      if (mixing) {
        const t = h
          .reshape([B, L, D])
          .transpose([0, 2, 1])
          .reshape([B * D, L])
        const mixed = rms(t.ref.add(swiglu(t, part('mlp_t.gate_up_proj'), part('mlp_t.down_proj'))))
        h = mixed
          .reshape([B, D, L])
          .transpose([0, 2, 1])
          .reshape([B * L, D])
      } else {
        h = rms(h.ref.add(attention(h, part('self_attn.qkv_proj'), part('self_attn.o_proj'))))
      }
      h = rms(h.ref.add(swiglu(h, part('mlp.gate_up_proj'), part('mlp.down_proj'))))
    }
    return h
  }
  /** Does not consume w; consumes y, z, x. */
  const cycle = (w, y, z, x) => {
    const injection = y.ref.add(x)
    for (let i = 0; i < n; i++) z = net(w, z, injection.ref)
    injection.dispose()
    return [net(w, y, z.ref), z]
  }
  /** Does not consume w. */
  const embed = (w, inputs, rows) => {
    const tokens = np
      .matmul(nn.oneHot(inputs.reshape([B * S]), V), w['inner.embed_tokens.embedding_weight'].ref)
      .reshape([B, S, D])
    const x = rows ? np.concatenate([rows.reshape([B, P, D]), tokens], 1) : tokens
    return x.mul(Math.sqrt(D)).reshape([B * L, D])
  }
  /** Does not consume w. */
  const readHeads = (w, y) => {
    const first = y.ref.reshape([B, L, D]).slice([], 0)
    const q = linear(first, w['inner.q_head.weight'].ref).add(w['inner.q_head.bias'].ref)
    const logits = linear(y, w['inner.lm_head.weight'].ref).reshape([B, L, V]).slice([], [P, L])
    return { logits, q }
  }
  return { B, S, V, D, T, L, P, hasPuzzles, linear, rms, swiglu, rotate, cycle, embed, readHeads }
}

function load({ config, weights }) {
  const arrays = Object.fromEntries(Object.entries(weights).map(([name, { shape, data }]) => [name, from(data, shape)]))
  const { 'inner.H_init': yStart, 'inner.L_init': zStart, 'inner.puzzle_emb.weights': table, ...w } = arrays
  if (!(config.puzzle_emb_ndim > 0)) table?.dispose()
  return { yStart, zStart, table: config.puzzle_emb_ndim > 0 ? table : undefined, w }
}

async function infer({ config, weights, batches }) {
  const { B, D, T, L, hasPuzzles, cycle, embed, readHeads } = define(config)
  const { yStart, zStart, table, w } = load({ config, weights })
  const inputs = from(batches[0].inputs, [B, config.seq_len])
  const ids = from(batches[0].ids)
  await jax.blockUntilReady([w, inputs, ids])
  const begin = jit((w, inputs, ids, table) => {
    const x = embed(w, inputs, hasPuzzles ? np.take(table, ids, 0) : undefined)
    tree.dispose(w)
    return x
  })
  const turn = jit((w, y, z, x) => {
    const next = cycle(w, y, z, x)
    tree.dispose(w)
    return next
  })
  const end = jit((w, y) => {
    const heads = readHeads(w, y)
    tree.dispose(w)
    return heads
  })
  let y = np.broadcastTo(yStart, [B * L, D])
  let z = np.broadcastTo(zStart, [B * L, D])
  const step = () => {
    const x = begin(
      tree.ref(w),
      inputs.ref,
      hasPuzzles ? ids.ref : np.zeros([1]),
      hasPuzzles ? table.ref : np.zeros([1]),
    )
    for (let t = 0; t < T; t++) [y, z] = turn(tree.ref(w), y, z, x.ref)
    x.dispose()
    return end(tree.ref(w), y.ref)
  }
  const start = performance.now()
  const { logits, q } = step()
  const outputs = {
    'eval.1.logits': await logits.data(),
    'eval.1.q_halt_logits': (await q.data()).filter((_, i) => i % 2 === 0),
  }
  const firstMs = performance.now() - start
  const run = async count => {
    for (let i = 0; i < count; i++) {
      const { logits, q } = step()
      await submitted(q)
      if (i === count - 1) await jax.blockUntilReady(q)
      tree.dispose([logits, q])
    }
  }
  return { firstMs, outputs, run }
}

async function train({ config, train: t, rates, weights, batches }) {
  const { B, S, V, D, T, L, hasPuzzles, cycle, embed, readHeads } = define(config)
  const { yStart, zStart, table, w } = load({ config, weights })
  const zeros = () => tree.map(each => np.zeros(each.shape), w)
  const ints = shape => np.zeros(shape, { dtype: np.int32 })

  /** Restarts halted slots and embeds the input. */
  const begin = jit(({ w, table, yStart, zStart, y, z, inputs, labels, ids, steps, halted }, batch) => {
    const isHalted = np.greater(halted, 0)
    const column = isHalted.ref.reshape([B, 1])
    const swap = (next, old) => np.where(column.ref, next, old)
    const state = np.repeat(isHalted.ref, L).reshape([B * L, 1])
    const result = {
      y: np.where(state.ref, yStart.reshape([1, D]), y),
      z: np.where(state, zStart.reshape([1, D]), z),
      inputs: swap(batch.inputs, inputs),
      labels: swap(batch.labels, labels),
      ids: np.where(isHalted.ref, batch.ids, ids),
      steps: np.where(isHalted, 0, steps),
    }
    column.dispose()
    const rows = hasPuzzles ? np.take(table, result.ids.ref, 0) : undefined
    result.x = embed(w, result.inputs.ref, rows?.ref)
    tree.dispose(w)
    return rows ? { ...result, rows } : result
  })

  const turn = jit((w, y, z, x) => {
    const next = cycle(w, y, z, x)
    tree.dispose(w)
    return next
  })

  const objective = ({ w, rows }, y, z, inputs, labels) => {
    ;[y, z] = cycle(w, y, z, embed(w, inputs, rows))
    const { logits, q } = readHeads(w, y.ref)
    tree.dispose(w)
    const qHalt = q.slice([], 0)
    const mask = np.notEqual(labels.ref, -100)
    // stablemax
    const negative = np.reciprocal(np.minimum(logits.ref, 0).mul(-1).add(1))
    const s = np.where(np.less(logits.ref, 0), negative, logits.ref.add(1))
    const logP = np.log(s.ref.div(np.sum(s, -1, { keepdims: true })))
    const label = np.where(mask.ref, labels.ref, 0)
    const picked = np.where(mask.ref, np.sum(logP.mul(nn.oneHot(label, V)), -1), 0)
    const count = np.sum(mask.ref.astype(np.float32), -1)
    const lm = np.sum(np.sum(picked, -1).neg().div(np.maximum(count, 1)))
    const right = np.equal(np.argmax(lax.stopGradient(logits), -1), labels)
    const exact = np.where(mask, right, true).astype(np.float32).min(-1)
    const bce = np.sum(
      np
        .maximum(qHalt.ref, 0)
        .sub(qHalt.ref.mul(exact))
        .add(np.log(np.exp(np.absolute(qHalt.ref).neg()).add(1))),
    )
    const loss = lm.add(bce.mul(0.5))
    return [loss.ref.div(B), { loss, y, z, qHalt }]
  }

  /**
   * The last cycle with gradient, both optimisers, the moving average, halting.
   * hyper: [lr / (1 − β1ᵗ), sqrt(1 − β2ᵗ), 1 − lr·wd, puzzle lr].
   */
  const finish = jit(({ w, table, m, v, ema }, { y, z, inputs, labels, ids, steps, rows }, hyper) => {
    const [[value, aux], gradients] = valueAndGrad(objective, { hasAux: true })(
      rows ? { w: tree.ref(w), rows } : { w: tree.ref(w) },
      y,
      z,
      inputs.ref,
      labels.ref,
    )
    value.dispose()
    const at = i => hyper.ref.slice(i)
    const next = { w: {}, m: {}, v: {}, ema: {}, inputs, labels, ids, y: aux.y, z: aux.z }
    for (const name of Object.keys(w)) {
      const g = gradients.w[name]
      const mean = m[name].mul(t.beta1).add(g.ref.mul(1 - t.beta1))
      const square = v[name].mul(t.beta2).add(np.square(g).mul(1 - t.beta2))
      // atan2 with a second argument that is not negative.
      const turned = np.arctan(mean.ref.div(np.sqrt(square.ref).div(at(1)).add(1e-30)))
      const weight = w[name].mul(at(2)).sub(turned.mul(at(0)))
      next.ema[name] = ema[name].mul(t.ema_rate).add(weight.ref.mul(1 - t.ema_rate))
      Object.assign(next.m, { [name]: mean })
      Object.assign(next.v, { [name]: square })
      Object.assign(next.w, { [name]: weight })
    }
    if (hasPuzzles) {
      const hot = nn.oneHot(ids.ref, config.num_puzzle_identifiers)
      const sums = np.matmul(hot.ref.transpose(), gradients.rows)
      const touched = np.greater(np.sum(hot, 0), 0).reshape([-1, 1])
      const moved = table.ref.mul(at(3).mul(-t.puzzle_emb_weight_decay).add(1)).sub(np.sign(sums).mul(at(3)))
      next.table = np.where(touched, moved, table)
    }
    hyper.dispose()
    next.steps = steps.add(1)
    const isLast = np.greaterEqual(next.steps.ref, config.halt_max_steps)
    const halts = config.halt_max_steps > 1 ? np.greater(aux.qHalt, 0) : np.greater(aux.qHalt, Infinity)
    next.halted = np.where(isLast, true, halts).astype(np.int32)
    return { next, loss: aux.loss }
  })

  const state = {
    w,
    table,
    m: zeros(),
    v: zeros(),
    ema: tree.map(each => each.ref, w),
    y: np.zeros([B * L, D]),
    z: np.zeros([B * L, D]),
    inputs: ints([B, S]),
    labels: ints([B, S]),
    ids: ints([B]),
    steps: ints([B]),
    halted: from(new Int32Array(B).fill(1)),
  }
  let current = state
  if (!hasPuzzles) delete current.table
  let done = 0
  const step = () => {
    const { lr, puzzleLr } = rates[Math.min(done, rates.length - 1)]
    const batch = batches[done % batches.length]
    done++
    const hyper = from(
      Float32Array.of(lr / (1 - t.beta1 ** done), Math.sqrt(1 - t.beta2 ** done), 1 - lr * t.weight_decay, puzzleLr),
    )
    const { w, table, m, v, ema, ...slots } = current
    const offered = { inputs: from(batch.inputs, [B, S]), labels: from(batch.labels, [B, S]), ids: from(batch.ids) }
    const begun = begin(
      { w: tree.ref(w), ...(table && { table: table.ref }), yStart: yStart.ref, zStart: zStart.ref, ...slots },
      offered,
    )
    let { x, y, z, ...rest } = begun
    for (let c = 1; c < T; c++) [y, z] = turn(tree.ref(w), y, z, x.ref)
    x.dispose()
    const { next, loss } = finish({ w, ...(table && { table }), m, v, ema }, { ...rest, y, z }, hyper)
    current = next
    return loss
  }

  const outputs = {}
  const start = performance.now()
  let firstMs = 0
  for (let i = 0; i < batches.length; i++) {
    outputs[`loss.${i}`] = await step().data()
    if (i === 0) {
      firstMs = performance.now() - start
      // The first moment after one step is (1 − β1) times the gradient.
      for (const [name, mean] of Object.entries(current.m))
        outputs[`grad.${name}`] = (await mean.ref.data()).map(value => value / (1 - t.beta1))
    }
    outputs[`train.${i}.halted`] = await current.halted.ref.data()
  }
  for (const [name, value] of Object.entries(current.w)) outputs[`final.${name}`] = await value.ref.data()
  for (const [name, value] of Object.entries(current.ema)) outputs[`ema.${name}`] = await value.ref.data()
  if (current.table) outputs['final.inner.puzzle_emb.weights'] = await current.table.ref.data()
  const run = async count => {
    for (let i = 0; i < count; i++) {
      const loss = step()
      await submitted(loss)
      if (i === count - 1) await jax.blockUntilReady(loss)
      loss.dispose()
    }
  }
  return { firstMs, outputs, run }
}

async function transformer({ sizes, adamw, weights, ids, targets }) {
  const { batch: B, length: L, width: D, heads, layers, characters: V } = sizes
  const { linear, rms, swiglu, rotate } = define({ batch_size: B, seq_len: L, hidden_size: D, num_heads: heads })
  const hidden = Float32Array.from({ length: L * L }, (_, i) => (i % L > Math.floor(i / L) ? -1e9 : 0))
  const objective = (w, ids, targets) => {
    let h = np.matmul(nn.oneHot(ids, V), w.tokens.ref)
    for (let layer = 0; layer < layers; layer++) {
      const part = name => w[`${layer}.${name}`].ref
      const qkv = linear(rms(h.ref), part('qkv')).reshape([B, L, 3 * heads, D / heads])
      const [q, k, v] = np.split(qkv.transpose([0, 2, 1, 3]), 3, 1)
      const scores = np.matmul(rotate(q), rotate(k).transpose([0, 1, 3, 2])).mul(1 / Math.sqrt(D / heads))
      const o = np.matmul(nn.softmax(scores.add(from(hidden, [1, 1, L, L])), -1), v)
      h = h.add(linear(o.transpose([0, 2, 1, 3]).reshape([B * L, D]), part('out')))
      h = h.ref.add(swiglu(rms(h), part('gateUp'), part('down')))
    }
    const logits = linear(rms(h), w.head.ref)
    tree.dispose(w)
    return np.mean(np.sum(nn.logSoftmax(logits, -1).mul(nn.oneHot(targets, V)), -1)).neg()
  }
  const { learningRate, beta1, beta2, weightDecay, epsilon } = adamw
  /** hyper: [lr / (1 − β1ᵗ), sqrt(1 − β2ᵗ)]. */
  const update = jit(({ w, m, v }, ids, targets, hyper) => {
    const [loss, gradients] = valueAndGrad(objective)(tree.ref(w), ids, targets)
    const next = { w: {}, m: {}, v: {} }
    for (const name of Object.keys(w)) {
      const g = gradients[name]
      const mean = m[name].mul(beta1).add(g.ref.mul(1 - beta1))
      const square = v[name].mul(beta2).add(np.square(g).mul(1 - beta2))
      const root = np.sqrt(square.ref).div(hyper.ref.slice(1)).add(epsilon)
      const moved = mean.ref.div(root).mul(hyper.ref.slice(0))
      Object.assign(next.w, { [name]: w[name].mul(1 - learningRate * weightDecay).sub(moved) })
      Object.assign(next.m, { [name]: mean })
      Object.assign(next.v, { [name]: square })
    }
    hyper.dispose()
    return { next, loss }
  })
  const start = performance.now()
  const w = Object.fromEntries(Object.entries(weights).map(([name, { shape, data }]) => [name, from(data, shape)]))
  const zeros = () => Object.fromEntries(Object.entries(weights).map(([name, { shape }]) => [name, np.zeros(shape)]))
  let state = { w, m: zeros(), v: zeros() }
  const [boundIds, boundTargets] = [from(ids), from(targets)]
  let done = 0
  const step = () => {
    done++
    const hyper = from(Float32Array.of(learningRate / (1 - beta1 ** done), Math.sqrt(1 - beta2 ** done)))
    const { next, loss } = update(state, boundIds.ref, boundTargets.ref, hyper)
    state = next
    return loss
  }
  const outputs = { loss: await step().data() }
  const firstMs = performance.now() - start
  // The first moment after one step is (1 − β1) times the gradient.
  for (const [name, mean] of Object.entries(state.m))
    outputs[`grad.${name}`] = (await mean.ref.data()).map(value => value / (1 - beta1))
  const run = async count => {
    for (let i = 0; i < count; i++) {
      const loss = step()
      await submitted(loss)
      if (i === count - 1) await jax.blockUntilReady(loss)
      loss.dispose()
    }
  }
  return { firstMs, outputs, run }
}
