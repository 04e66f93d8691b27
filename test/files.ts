// Bytes of files that tests need: from the disk in Node, from the server of the page in a browser. No test is here.

/** A file of the repository, by its path from the root; undefined if it is absent. */
export async function repositoryFile(path: string): Promise<Uint8Array | undefined> {
  return inPage ? fetched(path) : fromDisk(await rootFolder(), path)
}

/** A file outside of the project, below TRM_SHARED or, by default, ../shared of the root; undefined if it is absent. */
export async function sharedFile(path: string): Promise<Uint8Array | undefined> {
  return inPage
    ? fetched(`shared/${path}`)
    : fromDisk(process.env.TRM_SHARED ?? `${await rootFolder()}/../shared`, path)
}

/** The bytes of test/goldens/NAME.safetensors. */
export async function golden(name: string): Promise<Uint8Array> {
  const bytes = await repositoryFile(`test/goldens/${name}.safetensors`)
  if (!bytes) throw new Error(`test/goldens/${name}.safetensors is absent, it belongs to the repository`)
  return bytes
}

/** SHA-256 of bytes, in hexadecimal. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  return [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>))]
    .map(byte => byte.toString(16).padStart(2, '0'))
    .join('')
}

/** Whether this runs in a page, not in Node. */
export const inPage = typeof document !== 'undefined'

/** In a page, paths are relative to it. */
async function fetched(path: string): Promise<Uint8Array | undefined> {
  const response = await fetch(path)
  return response.ok ? new Uint8Array(await response.arrayBuffer()) : undefined
}

async function fromDisk(folder: string, path: string): Promise<Uint8Array | undefined> {
  const { existsSync, readFileSync } = await import('node:fs')
  const file = `${folder}/${path}`
  return existsSync(file) ? new Uint8Array(readFileSync(file)) : undefined
}

/** In Node: the nearest folder above with a package.json. The tests are bundled elsewhere, so it must be searched. */
export async function rootFolder(): Promise<string> {
  const [{ existsSync }, { dirname, join }, { fileURLToPath }] = await Promise.all([
    import('node:fs'),
    import('node:path'),
    import('node:url'),
  ])
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}
