// Which unknown names of Python a pickle may have: classes of settings, dates, paths, generators, arrays. Nothing is
// executed in any case. Names of code that could run elsewhere are refused, so that such a file is not passed on.

/** Modules that no honest checkpoint needs. */
const MODULES = new Set([
  'os',
  'posix',
  'nt',
  'sys',
  'subprocess',
  'commands',
  'shutil',
  'socket',
  'ctypes',
  'cffi',
  'runpy',
  'pty',
  'code',
  'codeop',
  'importlib',
  'imp',
  'pkgutil',
  'pip',
  'webbrowser',
  'pickle',
  '_pickle',
  'cPickle',
  'dill',
  'cloudpickle',
  'marshal',
  'operator',
  '_operator',
  'timeit',
  'pdb',
  'bdb',
  'cProfile',
  'profile',
  'doctest',
])
const PARTS_OF_TORCH = /^torch\.(hub|jit|serialization|package|utils\.(cpp_extension|model_zoo))\b/
const BUILTINS = new Set([
  'set',
  'frozenset',
  'dict',
  'list',
  'tuple',
  'complex',
  'bytearray',
  'bytes',
  'slice',
  'range',
  'xrange',
  'int',
  'long',
  'float',
  'str',
  'unicode',
  'bool',
  'object',
  'type',
  'Ellipsis',
  'NotImplemented',
  'max',
  'min',
  'sum',
  'len',
  'abs',
  'round',
  'sorted',
  'any',
  'all',
  'zip',
])
/** Functions and types of any module that read, run or make code. */
const FUNCTIONS = /* @__PURE__ */ new RegExp(
  '^(loads?|eval|exec\\w*|compile|open\\w*|system|popen|from_?file|run\\w*|_run\\w*|call|' +
    'CodeType|FunctionType|UntypedStorage)$',
  'i',
)
const DUNDER = /^__\w*__$/

/** Whether a global such as `argparse.Namespace` may occur. */
export function isHarmless(global: string): boolean {
  const parts = global.split('.')
  const [root, name] = [parts[0], parts.at(-1)!]
  if (parts.length < 2 || !parts.every(part => /^[A-Za-z_]\w*$/.test(part))) return false
  if (root === 'builtins' || root === '__builtin__') return parts.length === 2 && BUILTINS.has(name)
  if (parts.some((part, i) => DUNDER.test(part) && !(i === 0 && part === '__main__'))) return false
  return !MODULES.has(root) && !FUNCTIONS.test(name) && !PARTS_OF_TORCH.test(global)
}
