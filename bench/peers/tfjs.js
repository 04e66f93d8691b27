// The backend TensorFlow.js: the model in its operations under tf.tidy. The parameters lie in one flat tensor, so that
// the optimiser takes few operations.
// The parent bundles this file. The ES modules of the package name files without extensions, which Node cannot load;
// its CommonJS build has no gradients.
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-core/dist/register_all_gradients.js'
import '@tensorflow/tfjs-backend-webgpu'

export async function open() {
  if (!(await tf.setBackend('webgpu'))) throw new Error('TensorFlow.js found no WebGPU')
  await tf.ready()
  tf.enableProdMode()
  return { version: '@tensorflow/tfjs-core 4.22.0', matmul, train, infer, transformer }
}

async function matmul({ m, n, k, a, b }) {
  const [x, w] = [tf.tensor2d(a, [m, k]), tf.tensor2d(b, [n, k])]
  const product = () => tf.matMul(x, w, false, true)
  const start = performance.now()
  const first = product()
  const c = await first.data()
  const firstMs = performance.now() - start
  first.dispose()
  const run = async count => {
    for (let i = 0; i < count; i++) product().dispose()
    await finish()
  }
  return { firstMs, outputs: { c }, run }
}

/** Waits for everything that was dispatched; reads nothing. */
async function finish() {
  const backend = tf.backend()
  backend.ensureCommandEncoderReady()
  backend.endComputePassEncoder()
  backend.submitQueue()
  await backend.queue.onSubmittedWorkDone()
}

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
  const width = D / heads
  const linear = (x, w) => tf.matMul(x, w, false, true)
  const rms = x => tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-5)))
  const swiglu = (x, gateUp, down) => {
    const [gate, up] = tf.split(linear(x, gateUp), 2, -1)
    return linear(tf.mul(tf.mul(gate, tf.sigmoid(gate)), up), down)
  }
  let cos, sin
  if (!mixing) {
    const half = Array.from({ length: width / 2 }, (_, i) => 10000 ** ((-2 * i) / width))
    const angles = Array.from({ length: L }, (_, l) => [...half, ...half].map(f => l * f)).flat()
    cos = tf.tensor(Float32Array.from(angles, Math.cos), [L, width])
    sin = tf.tensor(Float32Array.from(angles, Math.sin), [L, width])
  }
  const rotate = x => {
    const [x1, x2] = tf.split(x, 2, -1)
    return tf.add(tf.mul(x, cos), tf.mul(tf.concat([tf.neg(x2), x1], -1), sin))
  }
  const attention = (h, qkvWeight, outputWeight) => {
    const qkv = tf.transpose(tf.reshape(linear(h, qkvWeight), [B, L, 3 * heads, width]), [0, 2, 1, 3])
    const [qk, v] = tf.split(qkv, [2 * heads, heads], 1)
    const [q, k] = tf.split(rotate(qk), 2, 1)
    const scores = tf.softmax(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(width)))
    return linear(tf.reshape(tf.transpose(tf.matMul(scores, v), [0, 2, 1, 3]), [B * L, D]), outputWeight)
  }
  // h and the injection as (B·L, D).
  const net = (w, h, injection) => {
    h = tf.add(h, injection)
    for (let k = 0; k < layers; k++) {
      const part = name => w[`inner.L_level.layers.${k}.${name}.weight`]
      if (mixing) {
        const t = tf.reshape(tf.transpose(tf.reshape(h, [B, L, D]), [0, 2, 1]), [B * D, L])
        const mixed = rms(tf.add(t, swiglu(t, part('mlp_t.gate_up_proj'), part('mlp_t.down_proj'))))
        h = tf.reshape(tf.transpose(tf.reshape(mixed, [B, D, L]), [0, 2, 1]), [B * L, D])
      } else {
        h = rms(tf.add(h, attention(h, part('self_attn.qkv_proj'), part('self_attn.o_proj'))))
      }
      h = rms(tf.add(h, swiglu(h, part('mlp.gate_up_proj'), part('mlp.down_proj'))))
    }
    return h
  }
  const cycle = (w, y, z, x) => {
    const injection = tf.add(y, x)
    for (let i = 0; i < n; i++) {
      const before = z
      z = tf.tidy(() => net(w, before, injection))
    }
    return [tf.tidy(() => net(w, y, z)), z]
  }
  const embed = (w, inputs, rows) => {
    const tokens = tf.reshape(
      tf.matMul(tf.oneHot(tf.reshape(inputs, [B * S]), V, 1, 0, 'float32'), w['inner.embed_tokens.embedding_weight']),
      [B, S, D],
    )
    const x = rows ? tf.concat([tf.reshape(rows, [B, P, D]), tokens], 1) : tokens
    return tf.reshape(tf.mul(x, Math.sqrt(D)), [B * L, D])
  }
  const readHeads = (w, y) => {
    const first = tf.reshape(tf.slice(tf.reshape(y, [B, L, D]), [0, 0, 0], [B, 1, D]), [B, D])
    const q = tf.add(linear(first, w['inner.q_head.weight']), w['inner.q_head.bias'])
    const logits = tf.slice(tf.reshape(linear(y, w['inner.lm_head.weight']), [B, L, V]), [0, P, 0], [B, S, V])
    return { logits, q }
  }
  return { B, S, V, D, T, L, hasPuzzles, linear, rms, swiglu, rotate, cycle, embed, readHeads }
}

function load({ config, weights }) {
  const arrays = Object.fromEntries(
    Object.entries(weights).map(([name, { shape, data }]) => [name, tf.tensor(data, shape)]),
  )
  const { 'inner.H_init': yStart, 'inner.L_init': zStart, 'inner.puzzle_emb.weights': table, ...w } = arrays
  return { yStart, zStart, table: config.puzzle_emb_ndim > 0 ? table : undefined, w }
}

async function infer({ config, weights, batches }) {
  const { B, S, D, T, L, hasPuzzles, cycle, embed, readHeads } = define(config)
  const { yStart, zStart, table, w } = load({ config, weights })
  const inputs = tf.tensor2d(batches[0].inputs, [B, S], 'int32')
  const ids = tf.tensor1d(batches[0].ids, 'int32')
  let y = tf.tile(tf.reshape(yStart, [1, D]), [B * L, 1])
  let z = tf.tile(tf.reshape(zStart, [1, D]), [B * L, 1])
  const step = () => {
    const before = [y, z]
    const result = tf.tidy(() => {
      const x = embed(w, inputs, hasPuzzles ? tf.gather(table, ids) : undefined)
      let state = before
      for (let t = 0; t < T; t++) state = tf.tidy(() => cycle(w, ...state, x))
      return [...state, readHeads(w, state[0])]
    })
    tf.dispose(before)
    ;[y, z] = result
    return result[2]
  }
  const start = performance.now()
  const { logits, q } = step()
  const outputs = {
    'eval.1.logits': await logits.data(),
    'eval.1.q_halt_logits': (await q.data()).filter((_, i) => i % 2 === 0),
  }
  const firstMs = performance.now() - start
  tf.dispose([logits, q])
  const run = async count => {
    for (let i = 0; i < count; i++) {
      const { logits, q } = step()
      if (i === count - 1) await q.data()
      tf.dispose([logits, q])
    }
  }
  return { firstMs, outputs, run }
}

async function train({ config, train: t, rates, weights, batches }) {
  const { B, S, V, D, T, L, hasPuzzles, cycle, embed, readHeads } = define(config)
  const { yStart, zStart, table, w } = load({ config, weights })
  const names = Object.keys(w)
  const shapes = names.map(name => w[name].shape)
  const sizes = names.map(name => w[name].size)
  const flatten = list => tf.concat1d(list.map(each => tf.reshape(each, [each.size])))
  const split = flat =>
    Object.fromEntries(tf.split(flat, sizes).map((part, i) => [names[i], tf.reshape(part, shapes[i])]))

  const objective = (w, rows, { y, z, inputs, labels }, keep) => {
    ;[y, z] = cycle(w, y, z, embed(w, inputs, rows))
    const { logits, q } = readHeads(w, y)
    const qHalt = tf.reshape(tf.slice(q, [0, 0], [B, 1]), [B])
    const mask = tf.notEqual(labels, -100)
    const scored = tf.cast(mask, 'float32')
    // stablemax: x + 1 from 0 on, 1 / (1 − x) below.
    const s = tf.add(tf.relu(logits), tf.reciprocal(tf.add(tf.relu(tf.neg(logits)), 1)))
    const logP = tf.log(tf.div(s, tf.sum(s, -1, true)))
    const hot = tf.oneHot(tf.cast(tf.maximum(labels, 0), 'int32'), V, 1, 0, 'float32')
    const picked = tf.mul(tf.sum(tf.mul(logP, hot), -1), scored)
    const lm = tf.neg(tf.sum(tf.div(tf.sum(picked, -1), tf.maximum(tf.sum(scored, -1), 1))))
    const exactOf = tf.customGrad(logits => {
      const right = tf.cast(tf.equal(tf.argMax(logits, -1), labels), 'float32')
      return { value: tf.min(tf.maximum(right, tf.sub(1, scored)), -1), gradFunc: () => tf.zerosLike(logits) }
    })
    const exact = exactOf(logits)
    const bce = tf.sum(tf.add(tf.sub(tf.relu(qHalt), tf.mul(qHalt, exact)), tf.log1p(tf.exp(tf.neg(tf.abs(qHalt))))))
    const loss = tf.add(lm, tf.mul(bce, 0.5))
    Object.assign(keep, { loss: tf.keep(loss), y: tf.keep(y), z: tf.keep(z), qHalt: tf.keep(qHalt) })
    return tf.div(loss, B)
  }

  let current = tf.tidy(() => ({
    flat: flatten(names.map(name => w[name])),
    m: tf.zeros([sizes.reduce((a, b) => a + b)]),
    v: tf.zeros([sizes.reduce((a, b) => a + b)]),
    ema: flatten(names.map(name => w[name])),
    ...(hasPuzzles && { table: tf.clone(table) }),
    y: tf.zeros([B * L, D]),
    z: tf.zeros([B * L, D]),
    inputs: tf.zeros([B, S], 'int32'),
    labels: tf.zeros([B, S], 'int32'),
    ids: tf.zeros([B], 'int32'),
    steps: tf.zeros([B]),
    halted: tf.ones([B]),
  }))
  tf.dispose(w)
  let done = 0
  const step = () => {
    const { lr, puzzleLr } = rates[Math.min(done, rates.length - 1)]
    const batch = batches[done % batches.length]
    done++
    const before = current
    const keep = {}
    const { next, loss } = tf.tidy(() => {
      const w = split(before.flat)
      // Halted slots restart with the rows of the new batch.
      const isHalted = tf.cast(before.halted, 'bool')
      const column = tf.reshape(isHalted, [B, 1])
      const swap = (data, old, shape) =>
        tf.where(shape.length === 2 ? tf.broadcastTo(column, shape) : isHalted, tf.tensor(data, shape, 'int32'), old)
      const states = tf.reshape(tf.broadcastTo(tf.reshape(before.halted, [B, 1, 1]), [B, L, D]), [B * L, D])
      const reset = (start, state) =>
        tf.where(tf.cast(states, 'bool'), tf.broadcastTo(tf.reshape(start, [1, D]), [B * L, D]), state)
      const slots = {
        inputs: swap(batch.inputs, before.inputs, [B, S]),
        labels: swap(batch.labels, before.labels, [B, S]),
        ids: swap(batch.ids, before.ids, [B]),
      }
      const steps = tf.add(tf.mul(before.steps, tf.sub(1, before.halted)), 1)
      const rows = hasPuzzles ? tf.gather(before.table, slots.ids) : undefined
      let state = tf.tidy(() => {
        const x = embed(w, slots.inputs, rows)
        let state = [reset(yStart, before.y), reset(zStart, before.z)]
        for (let c = 1; c < T; c++) state = tf.tidy(() => cycle(w, ...state, x))
        return state
      })
      const wanted = [...names.map(name => w[name]), ...(rows ? [rows] : [])]
      const { value, grads } = tf.valueAndGrads((...list) =>
        objective(
          Object.fromEntries(names.map((name, i) => [name, list[i]])),
          rows && list.at(-1),
          { y: state[0], z: state[1], ...slots },
          keep,
        ),
      )(wanted)
      value.dispose()
      const next = { ...slots, steps }
      if (rows) {
        const hot = tf.oneHot(slots.ids, config.num_puzzle_identifiers, 1, 0, 'float32')
        const sums = tf.matMul(hot, grads.at(-1), true, false)
        const touched = tf.greater(tf.broadcastTo(tf.reshape(tf.sum(hot, 0), [-1, 1]), sums.shape), 0)
        const moved = tf.sub(
          tf.mul(before.table, 1 - puzzleLr * t.puzzle_emb_weight_decay),
          tf.mul(tf.sign(sums), puzzleLr),
        )
        next.table = tf.where(touched, moved, before.table)
      }
      const g = flatten(grads.slice(0, names.length))
      next.m = tf.add(tf.mul(before.m, t.beta1), tf.mul(g, 1 - t.beta1))
      next.v = tf.add(tf.mul(before.v, t.beta2), tf.mul(tf.square(g), 1 - t.beta2))
      const root = tf.add(tf.div(tf.sqrt(next.v), Math.sqrt(1 - t.beta2 ** done)), 1e-30)
      next.flat = tf.sub(
        tf.mul(before.flat, 1 - lr * t.weight_decay),
        tf.mul(tf.atan2(next.m, root), lr / (1 - t.beta1 ** done)),
      )
      next.ema = tf.add(tf.mul(before.ema, t.ema_rate), tf.mul(next.flat, 1 - t.ema_rate))
      const isLast = tf.greaterEqual(steps, config.halt_max_steps)
      next.halted = tf.cast(
        config.halt_max_steps > 1 ? tf.logicalOr(isLast, tf.greater(keep.qHalt, 0)) : isLast,
        'float32',
      )
      return { next, loss: keep.loss }
    })
    keep.qHalt.dispose()
    current = { ...next, y: keep.y, z: keep.z }
    tf.dispose(before)
    return loss
  }

  const outputs = {}
  const slices = async (group, flat, scale = 1) => {
    const values = await flat.data()
    let at = 0
    names.forEach((name, i) => {
      outputs[`${group}.${name}`] = values.slice(at, at + sizes[i]).map(value => value * scale)
      at += sizes[i]
    })
  }
  const start = performance.now()
  let firstMs = 0
  for (let i = 0; i < batches.length; i++) {
    const loss = step()
    outputs[`loss.${i}`] = await loss.data()
    loss.dispose()
    if (i === 0) {
      firstMs = performance.now() - start
      // The first moment after one step is (1 − β1) times the gradient.
      await slices('grad', current.m, 1 / (1 - t.beta1))
    }
    outputs[`train.${i}.halted`] = await current.halted.data()
  }
  await slices('final', current.flat)
  await slices('ema', current.ema)
  if (current.table) outputs['final.inner.puzzle_emb.weights'] = await current.table.data()
  const run = async count => {
    for (let i = 0; i < count; i++) {
      const loss = step()
      if (i === count - 1) await loss.data()
      loss.dispose()
    }
  }
  return { firstMs, outputs, run }
}

async function transformer({ sizes, adamw, weights, ids, targets }) {
  const { batch: B, length: L, width: D, heads, layers, characters: V } = sizes
  const { linear, rms, swiglu, rotate } = define({ batch_size: B, seq_len: L, hidden_size: D, num_heads: heads })
  const isHidden = (_, i) => (i % L > Math.floor(i / L) ? -1e9 : 0)
  const hidden = tf.tensor(Float32Array.from({ length: L * L }, isHidden), [L, L])
  const start = performance.now()
  const names = Object.keys(weights)
  const [inputs, labels] = [ids, targets].map(each => tf.oneHot(tf.tensor1d(each, 'int32'), V, 1, 0, 'float32'))
  const objective = w => {
    let h = tf.matMul(inputs, w.tokens)
    for (let layer = 0; layer < layers; layer++) {
      const part = name => w[`${layer}.${name}`]
      const packed = tf.reshape(linear(rms(h), part('qkv')), [B, L, 3 * heads, D / heads])
      const [qk, v] = tf.split(tf.transpose(packed, [0, 2, 1, 3]), [2 * heads, heads], 1)
      const [q, k] = tf.split(rotate(qk), 2, 1)
      const scores = tf.add(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(D / heads)), hidden)
      const o = tf.reshape(tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]), [B * L, D])
      h = tf.add(h, linear(o, part('out')))
      h = tf.add(h, swiglu(rms(h), part('gateUp'), part('down')))
    }
    return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(linear(rms(h), w.head)), labels), -1)))
  }
  const { learningRate, beta1, beta2, weightDecay, epsilon } = adamw
  let state = names.map(name => {
    const w = tf.tensor(weights[name].data, weights[name].shape)
    return { w, m: tf.zerosLike(w), v: tf.zerosLike(w) }
  })
  let done = 0
  const step = () => {
    done++
    const before = state
    const { next, loss } = tf.tidy(() => {
      const { value, grads } = tf.valueAndGrads((...list) =>
        objective(Object.fromEntries(names.map((name, i) => [name, list[i]]))),
      )(before.map(({ w }) => w))
      const next = before.map(({ w, m, v }, i) => {
        const mean = tf.add(tf.mul(m, beta1), tf.mul(grads[i], 1 - beta1))
        const square = tf.add(tf.mul(v, beta2), tf.mul(tf.square(grads[i]), 1 - beta2))
        const root = tf.add(tf.div(tf.sqrt(square), Math.sqrt(1 - beta2 ** done)), epsilon)
        const moved = tf.mul(tf.div(mean, root), learningRate / (1 - beta1 ** done))
        return { w: tf.sub(tf.mul(w, 1 - learningRate * weightDecay), moved), m: mean, v: square }
      })
      return { next, loss: value }
    })
    tf.dispose(before)
    state = next
    return loss
  }
  const first = step()
  const outputs = { loss: await first.data() }
  const firstMs = performance.now() - start
  first.dispose()
  // The first moment after one step is (1 − β1) times the gradient.
  for (const [i, name] of names.entries())
    outputs[`grad.${name}`] = (await state[i].m.data()).map(value => value / (1 - beta1))
  const run = async count => {
    for (let i = 0; i < count; i++) {
      const loss = step()
      if (i === count - 1) await loss.data()
      loss.dispose()
    }
  }
  return { firstMs, outputs, run }
}
