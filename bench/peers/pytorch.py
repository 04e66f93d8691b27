# The backend PyTorch, as a reference: the published computation, written plainly.
#   pytorch.py cpu | cuda                       answers the parent, as child.ts does; always checked in float32,
#                                               timed in float32 on the CPU, in bfloat16 and compiled on CUDA
#   pytorch.py official [cpu | cuda [batch]]    times the published Sudoku networks with random weights;
#                                               on CUDA in bfloat16, compiled, batch 768 by default
import base64, json, math, os, re, statistics, sys, time
import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(len(os.sched_getaffinity(0)))
DEFAULT_DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
DEVICE = next((name for name in sys.argv[1:] if name in ('cpu', 'cuda')), DEFAULT_DEVICE)
torch.set_default_dtype(torch.float32)
LOADED = (line.split()[-1] for line in open('/proc/self/maps') if '/' in line)
IS_BLAS = re.compile(r'/lib(open|mkl|f?lexi)?blas|libblis|libatlas')
BLAS = next((os.path.realpath(path) for path in LOADED if IS_BLAS.search(path)), 'BLAS built in')
CPU = next((line.split(':')[1].strip() for line in open('/proc/cpuinfo') if line.startswith('model name')), 'CPU')


def safetensors(path):
    raw = open(path, 'rb').read()
    size = int.from_bytes(raw[:8], 'little')
    header = json.loads(raw[8:8 + size])
    types = {'F32': np.float32, 'I32': np.int32, 'U8': np.uint8}
    tensors = {}
    for name, entry in header.items():
        if name != '__metadata__':
            begin, end = entry['data_offsets']
            values = np.frombuffer(raw[8 + size + begin:8 + size + end], types[entry['dtype']])
            tensors[name] = values.reshape(entry['shape']).copy()
    return tensors, {key: json.loads(value) for key, value in header['__metadata__'].items() if key != 'arch'}


def linear(x, weight, bias=None):
    return F.linear(x, weight.to(x.dtype), bias)


def random_model(mlp, batch):
    """A published Sudoku network with random weights, in the form of a golden file."""
    width, prefix, cells, vocabulary = 512, 16, 81, 11
    inner = lambda size: 256 * math.ceil(round(4 * size * 2 / 3) / 256)
    shapes = {
        'embed_tokens.embedding_weight': (vocabulary, width),
        'lm_head.weight': (vocabulary, width),
        'q_head.weight': (2, width),
        'q_head.bias': (2,),
        'H_init': (width,),
        'L_init': (width,),
        'puzzle_emb.weights': (1, width),
    }
    for layer in ('L_level.layers.0.', 'L_level.layers.1.'):
        length = prefix + cells
        if mlp:
            parts = {'mlp_t.gate_up_proj': (2 * inner(length), length), 'mlp_t.down_proj': (length, inner(length))}
        else:
            parts = {'self_attn.qkv_proj': (3 * width, width), 'self_attn.o_proj': (width, width)}
        parts.update({'mlp.gate_up_proj': (2 * inner(width), width), 'mlp.down_proj': (width, inner(width))})
        for part, shape in parts.items():
            shapes[layer + part + '.weight'] = shape
    tensors = {}
    for name, shape in shapes.items():
        normal = np.random.default_rng(len(name)).standard_normal(shape).astype(np.float32)
        tensors['init.inner.' + name] = normal / math.sqrt(shape[-1])
    ids = lambda: np.random.default_rng(1).integers(1, vocabulary, (batch, cells)).astype(np.int32)
    tensors['batch.0.inputs'] = ids()
    tensors['batch.0.labels'] = ids()
    tensors['batch.0.puzzle_identifiers'] = np.zeros(batch, np.int32)
    config = {
        'batch_size': batch,
        'seq_len': cells,
        'hidden_size': width,
        'num_heads': 8,
        'L_layers': 2,
        'H_cycles': 3,
        'L_cycles': 6,
        'halt_max_steps': 16,
        'puzzle_emb_len': prefix,
        'mlp_t': mlp,
    }
    train = {'beta1': 0.9, 'beta2': 0.95, 'weight_decay': 1.0, 'puzzle_emb_weight_decay': 1.0, 'ema_rate': 0.999}
    return tensors, {'config': config, 'train': train, 'train_log': [{'lr': 1e-4, 'puzzle_emb_lr': 1e-4}]}


class Model:
    def __init__(self, tensors, metadata, dtype=torch.float32):
        self.dtype = dtype
        self.config, self.train, self.log = metadata['config'], metadata['train'], metadata['train_log']
        weights = {
            name[5:]: torch.from_numpy(value.copy()).to(DEVICE)
            for name, value in tensors.items()
            if name.startswith('init.')
        }
        self.starts = [weights.pop('inner.H_init').to(dtype), weights.pop('inner.L_init').to(dtype)]
        self.table = weights.pop('inner.puzzle_emb.weights', None)
        self.weights = weights
        self.batches = []
        while f'batch.{len(self.batches)}.inputs' in tensors:
            names = [f'batch.{len(self.batches)}.{part}' for part in ('inputs', 'labels', 'puzzle_identifiers')]
            self.batches.append([torch.from_numpy(tensors[name]).long().to(DEVICE) for name in names])
        c = self.config
        self.prefix = c['puzzle_emb_len'] if self.table is not None else 0
        self.length = self.prefix + c['seq_len']
        if not c['mlp_t']:
            width = c['hidden_size'] // c['num_heads']
            frequencies = 10000.0 ** (-torch.arange(0, width, 2).float() / width)
            angles = torch.outer(torch.arange(self.length).float(), frequencies)
            angles = torch.cat([angles, angles], -1)
            self.cos, self.sin = angles.cos().to(DEVICE, dtype), angles.sin().to(DEVICE, dtype)

    def embed(self, inputs, rows):
        width = self.config['hidden_size']
        x = F.embedding(inputs, self.weights['inner.embed_tokens.embedding_weight'])
        if rows is not None:
            rows = F.pad(rows, (0, self.prefix * width - rows.shape[-1]))
            x = torch.cat([rows.view(-1, self.prefix, width), x], 1)
        return math.sqrt(width) * x.to(self.dtype)

    def attention(self, h, layer):
        batch, length, width = h.shape
        heads = self.config['num_heads']
        qkv = linear(h, self.weights[layer + 'self_attn.qkv_proj.weight'])
        qkv = qkv.view(batch, length, 3 * heads, width // heads).transpose(1, 2)
        qk, v = qkv[:, :2 * heads], qkv[:, 2 * heads:]
        x1, x2 = qk.chunk(2, -1)
        q, k = (qk * self.cos + torch.cat([-x2, x1], -1) * self.sin).chunk(2, 1)
        if DEVICE == 'cuda':
            seen = F.scaled_dot_product_attention(q, k, v)
        else:
            seen = (q @ k.transpose(-1, -2) / math.sqrt(width // heads)).softmax(-1) @ v
        seen = seen.transpose(1, 2).reshape(batch, length, width)
        return linear(seen, self.weights[layer + 'self_attn.o_proj.weight'])

    def net(self, h, injection):
        def rms(x):
            wide = x.float()
            return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-5)).to(x.dtype)

        def swiglu(x, part):
            gate, up = linear(x, self.weights[part + 'gate_up_proj.weight']).chunk(2, -1)
            return linear(F.silu(gate) * up, self.weights[part + 'down_proj.weight'])

        h = h + injection
        for k in range(self.config['L_layers']):
            layer = f'inner.L_level.layers.{k}.'
            if self.config['mlp_t']:
                t = h.transpose(1, 2)
                h = rms(t + swiglu(t, layer + 'mlp_t.')).transpose(1, 2)
            else:
                h = rms(h + self.attention(h, layer))
            h = rms(h + swiglu(h, layer + 'mlp.'))
        return h

    def cycle(self, y, z, x):
        for _ in range(self.config['L_cycles']):
            z = self.net(z, y + x)
        return self.net(y, z), z

    def heads(self, y):
        logits = linear(y, self.weights['inner.lm_head.weight'])[:, self.prefix:].float()
        return logits, F.linear(y[:, 0].float(), self.weights['inner.q_head.weight'], self.weights['inner.q_head.bias'])

    def begin(self):
        batch = self.config['batch_size']
        self.halted = torch.ones(batch, dtype=torch.bool, device=DEVICE)
        self.steps = torch.zeros(batch, dtype=torch.long, device=DEVICE)
        shape = (batch, self.length, self.config['hidden_size'])
        self.y, self.z = (torch.zeros(shape, dtype=self.dtype, device=DEVICE) for _ in range(2))
        self.data = [torch.zeros_like(part) for part in self.batches[0]]

    def restart(self, batch):
        h = self.halted
        states = zip(self.starts, (self.y, self.z))
        self.y, self.z = (torch.where(h[:, None, None], start, state) for start, state in states)
        self.data = [torch.where(h.view(-1, *[1] * (new.dim() - 1)), new, old) for new, old in zip(batch, self.data)]
        self.steps = torch.where(h, 0, self.steps)


def infer(model):
    model.begin()
    model.restart(model.batches[0])

    @torch.no_grad()
    def step():
        inputs, _, ids = model.data
        x = model.embed(inputs, None if model.table is None else model.table[ids])
        for _ in range(model.config['H_cycles']):
            model.y, model.z = model.cycle(model.y, model.z, x)
        return model.heads(model.y)

    start = time.perf_counter()
    logits, q = step()
    first = time.perf_counter() - start
    return first, {'eval.1.logits': logits, 'eval.1.q_halt_logits': q[:, 0]}, step


def train(model):
    t, c = model.train, model.config
    names = list(model.weights)
    weights = [model.weights[name].requires_grad_() for name in names]
    m, v = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    ema = [w.detach().clone() for w in weights]
    model.begin()
    done = 0

    def step():
        nonlocal done
        log = model.log[min(done, len(model.log) - 1)]
        model.restart(model.batches[done % len(model.batches)])
        done += 1
        inputs, labels, ids = model.data
        rows = None if model.table is None else model.table[ids].requires_grad_()
        y, z = model.y, model.z
        with torch.no_grad():
            x = model.embed(inputs, rows)
            for _ in range(c['H_cycles'] - 1):
                y, z = model.cycle(y, z, x)
        y, z = model.cycle(y, z, model.embed(inputs, rows))
        logits, q = model.heads(y)
        mask = labels != -100
        s = torch.where(logits < 0, 1 / (1 - logits.clamp(max=0) + 1e-30), logits + 1)
        picked = (s / s.sum(-1, keepdim=True)).log().gather(-1, labels.clamp(min=0)[..., None])[..., 0]
        lm = -(picked * mask).sum(-1) / mask.sum(-1).clamp(min=1)
        exact = ((logits.argmax(-1) == labels) | ~mask).all(-1).float()
        loss = lm.sum() + 0.5 * F.binary_cross_entropy_with_logits(q[:, 0], exact, reduction='sum')
        gradients = torch.autograd.grad(loss / c['batch_size'], weights + ([] if rows is None else [rows]))
        with torch.no_grad():
            model.y, model.z = y.detach(), z.detach()
            if rows is not None:
                touched, where = torch.unique(ids, return_inverse=True)
                sums = torch.zeros(len(touched), rows.shape[1], device=DEVICE).index_add_(0, where, gradients[-1])
                decay = 1 - log['puzzle_emb_lr'] * t['puzzle_emb_weight_decay']
                model.table[touched] = model.table[touched] * decay - log['puzzle_emb_lr'] * sums.sign()
            b1, b2, lr = t['beta1'], t['beta2'], log['lr']
            g = list(gradients[:len(weights)])
            torch._foreach_mul_(weights, 1 - lr * t['weight_decay'])
            torch._foreach_mul_(m, b1)
            torch._foreach_add_(m, g, alpha=1 - b1)
            torch._foreach_mul_(v, b2)
            torch._foreach_addcmul_(v, g, g, 1 - b2)
            roots = torch._foreach_div(torch._foreach_sqrt(v), math.sqrt(1 - b2 ** done))
            for w, mean, root in zip(weights, m, roots):
                w.sub_(torch.atan2(mean, root), alpha=lr / (1 - b1 ** done))
            torch._foreach_mul_(ema, t['ema_rate'])
            torch._foreach_add_(ema, weights, alpha=1 - t['ema_rate'])
            model.steps = model.steps + 1
            model.halted = (model.steps >= c['halt_max_steps']) | ((q[:, 0] > 0) if c['halt_max_steps'] > 1 else False)
        return loss, gradients

    outputs, first = {}, 0
    for i in range(len(model.batches)):
        start = time.perf_counter()
        loss, gradients = step()
        if i == 0:
            first = time.perf_counter() - start
            outputs.update({f'grad.{name}': g for name, g in zip(names, gradients)})
            if model.table is not None:
                outputs['grad.inner.puzzle_emb.local_weights'] = gradients[-1]
        outputs[f'loss.{i}'] = loss.detach()
        outputs[f'train.{i}.halted'] = model.halted
    outputs.update({f'final.{name}': w.detach().clone() for name, w in zip(names, weights)})
    outputs.update({f'ema.{name}': w.clone() for name, w in zip(names, ema)})
    if model.table is not None:
        outputs['final.inner.puzzle_emb.weights'] = model.table.clone()
    return first, outputs, step


def matmul(job, dtype):
    def operand(part, rows):
        values = np.fromfile(job[part], np.float32).reshape(job[rows], job['k'])
        return torch.from_numpy(values).to(DEVICE, dtype)

    a, b = operand('a', 'm'), operand('b', 'n')
    start = time.perf_counter()
    c = a @ b.t()
    first = time.perf_counter() - start
    return first, {'c': c}, lambda: a @ b.t()


def compiled(model):
    """The model with its recursion compiled; unchanged before PyTorch 2."""
    if hasattr(torch, 'compile'):
        model.cycle = torch.compile(model.cycle)
    return model


def wait():
    if DEVICE == 'cuda':
        torch.cuda.synchronize()


def prepare(job):
    """Seconds of the first run, the outputs in float32, and the function to time."""
    def build(dtype):
        if job['case'] == 'matmul':
            return matmul(job, dtype)
        model = Model(*safetensors(job['golden']), dtype)
        step = {'train-step': train, 'inference-step': infer}[job['case']]
        return step(model if dtype == torch.float32 else compiled(model))

    first, outputs, step = build(torch.float32)
    if DEVICE == 'cuda':
        start = time.perf_counter()
        _, _, step = build(torch.bfloat16)
        wait()
        first = time.perf_counter() - start
    return first, outputs, step


def official():
    batch = next((int(text) for text in sys.argv[2:] if text.isdigit()), 768 if DEVICE == 'cuda' else 2)
    dtype = torch.bfloat16 if DEVICE == 'cuda' else torch.float32
    mode = 'compiled' if DEVICE == 'cuda' and hasattr(torch, 'compile') else 'not compiled'
    print(f'{device_name()}, PyTorch {torch.__version__}, {str(dtype)[6:]}, {mode}, batch {batch}')
    for mlp in (True, False):
        for name, begin in (('inference step', infer), ('training step', train)):
            model = Model(*random_model(mlp, batch), dtype)
            first, _, step = begin(compiled(model) if DEVICE == 'cuda' else model)
            times = []
            for _ in range(7 if DEVICE == 'cuda' else 3):
                start = time.perf_counter()
                step()
                wait()
                times.append(1000 * (time.perf_counter() - start))
            memory = f', {torch.cuda.max_memory_allocated() / 1e9:.2f} GB at most' if DEVICE == 'cuda' else ''
            print(
                f'{"MLP" if mlp else "attention"} {name}: median {statistics.median(times):.2f} ms '
                f'of {min(times):.2f} … {max(times):.2f}, first {1000 * first:.0f} ms{memory}',
                flush=True,
            )


def device_name():
    return torch.cuda.get_device_name() if DEVICE == 'cuda' else f'{CPU}, {torch.get_num_threads()} threads, {BLAS}'


def encoded(tensor):
    values = np.ascontiguousarray(tensor.float().cpu().numpy(), np.float32)
    return base64.b64encode(values.tobytes()).decode()


def main():
    step = None
    for line in sys.stdin:
        try:
            request = json.loads(line)
            if request['do'] == 'run':
                start, cpu = time.perf_counter(), time.process_time()
                for _ in range(request['count']):
                    step()
                wait()
                scale = 1000 / request['count']
                peak = torch.cuda.max_memory_allocated() if DEVICE == 'cuda' else None
                ms, cpu_ms = (time.perf_counter() - start) * scale, (time.process_time() - cpu) * scale
                reply = {'ms': ms, 'cpuMs': cpu_ms, 'peakBytes': peak}
            else:
                first, outputs, step = prepare(request['job'])
                reply = {
                    'adapter': device_name(),
                    'version': torch.__version__,
                    'firstMs': first * 1000,
                    'outputs': {name: encoded(value) for name, value in outputs.items()},
                }
        except Exception as error:
            reply = {'error': f'{type(error).__name__}: {error}'}
        print(json.dumps(reply), flush=True)


official() if 'official' in sys.argv[1:2] else main()
