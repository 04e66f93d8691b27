// What an unexpected file is, by its first bytes; names and extensions are not used, since they may be wrong.

/** A kind of file, and what to do with it where another kind was expected. */
export interface Kind {
  what: string
  hint?: string
}

const FETCH = 'fetch the file itself'
const UNPACK = 'unpack it'
const TABLE = 'save the table as CSV, e.g. with pandas'
const RESAVE = 'load it in Python and save a state_dict with torch.save'

const SERVER_ERROR = /* @__PURE__ */ new RegExp(
  '^(\\d{3}:? )?((entry|repository|page|file)? ?not found\\b|access to |invalid username|' +
    'unauthorized\\b|forbidden\\b|bad request\\b|too many requests)',
  'i',
)

/**
 * Patterns of the first bytes (one character each), what such a file is, and a hint. The most specific come first. This
 * is a function, so that bundles that do not need it leave it out.
 */
const kinds = (): readonly (readonly [pattern: RegExp, what: string, hint?: string])[] => [
  // What stands where a file should be.
  [/^$/, 'an empty file', 'copy or download it again'],
  [/^version https?:\S+\/spec\/|^# xet version/, 'a Git LFS pointer', `${FETCH}, e.g. git lfs pull`],
  [/^\s*<(!doctype|html|head|body|!--|\?xml|error)/i, 'a web page', `${FETCH}, e.g. by the link "raw" or "download"`],
  [/^\s*\{\s*"(errors?|message|detail|status|statusCode|code)"\s*:/i, 'an error message of a server (JSON)', FETCH],
  [SERVER_ERROR, 'an error message of a server', FETCH],
  [/^\s*\{[^]*"weight_map"\s*:/, 'the index of a checkpoint in several files (shards)', 'join them into one file'],
  [/^\0{64}/, 'a file that begins with zero bytes', 'its copy was interrupted: copy or download it again'],
  // Models and arrays.
  [/^[^]{4}\0{4}\{\s*["}]/, 'a safetensors file'],
  [/^PK\x03\x04[^]*?\/data\.pkl/, 'a file of torch.save (.pt)'],
  [
    /^PK\x03\x04[^]{26}[^\0]*?\.npy/,
    'an archive of NumPy arrays (.npz), as MLX writes its models too',
    'save one array with numpy.save, a model as safetensors',
  ],
  [/^PK\x03\x04[^]*?(\[Content_Types\]|xl\/)/, 'an Excel or other Office document', TABLE],
  [/^PK\x03\x04[^]{26}(metadata|config)\.json/, 'a Keras model', RESAVE],
  [/^\x93NUMPY/, 'a NumPy array (.npy)'],
  [
    /^\x80\x02\x8a\x0al\xfc\x9c\x46\xf9/,
    'the legacy format of torch.save before 1.6',
    'load it with torch.load and save it again without _use_new_zipfile_serialization=False',
  ],
  [/^\x80[\x02-\x05][^{]/, 'a bare pickle', RESAVE],
  [/^\x89HDF\r\n/, 'an HDF5 file, as Keras and h5py write it', RESAVE],
  [/^GGUF/, 'a GGUF file', 'take the model as it was before that: safetensors or .pt'],
  [/^\x08[\x02-\x1f]\x12/, 'an ONNX model', 'take the model as it was before that: safetensors or .pt'],
  [/^\x08\x01\x12/, 'a TensorFlow SavedModel', RESAVE],
  [/^[^]{4}TFL3/, 'a TensorFlow Lite model', 'take the model as it was before that: safetensors or .pt'],
  [/^model_checkpoint_path:/, 'the index of a TensorFlow checkpoint', RESAVE],
  [/^[\x81-\x8f][\xa1-\xbf]\w/, 'a MessagePack file, as Flax writes it', RESAVE],
  // Archives, tables, documents.
  [/^PK[\x03\x05\x07]/, 'a zip archive', UNPACK],
  [/^\x1f\x8b/, 'a gzip file', UNPACK],
  [/^\xfd7zXZ/, 'an xz file', UNPACK],
  [/^7z\xbc\xaf/, 'a 7z archive', UNPACK],
  [/^BZh[1-9]/, 'a bzip2 file', UNPACK],
  [/^\x28\xb5\x2f\xfd/, 'a Zstandard file', UNPACK],
  [/^Rar!/, 'a RAR archive', UNPACK],
  [/^[^]{257}ustar/, 'a tar archive', UNPACK],
  [/^PAR1/, 'a Parquet file', TABLE],
  [/^(ARROW1|FEA1|\xff{4}[^]{2}\0\0)/, 'an Arrow file', TABLE],
  [/^SQLite format/, 'an SQLite database', TABLE],
  [/^\xd0\xcf\x11\xe0/, 'an old Office document (.xls)', TABLE],
  [/^%PDF-/, 'a PDF document'],
  [/^(\x89PNG|\xff\xd8\xff|GIF8)/, 'an image'],
  [/^\s*\{\s*"(cells|nbformat|metadata)"[^]*"(cell_type|nbformat|kernelspec)"/, 'a Jupyter notebook'],
  [/^(\xff\xfe|\xfe\xff|([\t\n\r -~]\0){4}|(\0[\t\n\r -~]){4})/, 'text in UTF-16', 'save it in UTF-8'],
  [/^\s*[{[]/, 'JSON'],
]

/** The kind of a file; undefined where its first bytes do not show it. */
export function recognise(bytes: Uint8Array): Kind | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 4096)).replace(/^\xef\xbb\xbf/, '')
  const found = kinds().find(([pattern]) => pattern.test(start))
  return found && { what: found[1], hint: found[2] }
}

/**
 * The message about a file of another kind than expected, such as `this is a web page, expected a table (CSV) — fetch
 * the file itself`. It is undefined where the file is not recognised, or is of an expected kind: `expected`, or `like`,
 * names kinds by their `what`.
 */
export function foreign(bytes: Uint8Array, expected: string, like = expected): string | undefined {
  const { what, hint } = recognise(bytes) ?? {}
  if (what === undefined || like.includes(what)) return undefined
  return `this is ${what}, expected ${expected}${hint ? ` — ${hint}` : ''}`
}

/** Runs a reader. Where it fails on a file of another kind, the error names that kind. */
export function named<T>(bytes: Uint8Array, name: string, expected: string, read: () => T, like = expected): T {
  try {
    return read()
  } catch (error) {
    const message = foreign(bytes, expected, like)
    throw message === undefined ? error : new Error(`${name}: ${message}`, { cause: error })
  }
}
