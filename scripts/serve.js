// A small web server of folders on this machine alone, for the playground and the tests in a page.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize, sep } from 'node:path'

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
}

/**
 * Serves files on 127.0.0.1, which browsers treat as a secure context: WebGPU works there.
 * @param {Record<string, string>} folders by the path of the URL, e.g. { '/': 'page', '/shared/': '../shared' };
 *   the longest path wins
 * @param {{ port?: number }} options port 0, the default, takes a free one
 * @returns {Promise<{ url: string, close: () => Promise<void> }>} `url` ends in a slash
 */
export async function serve(folders, { port = 0 } = {}) {
  const prefixes = Object.keys(folders).sort((a, b) => b.length - a.length)
  const server = createServer(async (request, response) => {
    const end = (status, text) => response.writeHead(status, { 'content-type': 'text/plain' }).end(text)
    try {
      if (request.method !== 'GET' && request.method !== 'HEAD') return end(405, 'only GET')
      const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname)
      const prefix = prefixes.find(each => path.startsWith(each))
      if (prefix === undefined) return end(404, `nothing is served at ${path}`)
      const below = normalize(path.slice(prefix.length))
      if (below.startsWith('..') || below.startsWith(sep + '..')) return end(403, 'outside of what is served')
      let file = join(folders[prefix], below)
      let info = await stat(file).catch(() => undefined)
      if (info?.isDirectory()) info = await stat((file = join(file, 'index.html'))).catch(() => undefined)
      if (!info?.isFile()) return end(404, `no file at ${path}`)
      response.writeHead(200, {
        'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
        'content-length': info.size,
        'cache-control': 'no-cache',
      })
      if (request.method === 'HEAD') return response.end()
      createReadStream(file)
        .on('error', () => response.destroy())
        .pipe(response)
    } catch (error) {
      end(400, error.message)
    }
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  const close = () =>
    new Promise(resolve => {
      server.close(resolve)
      server.closeAllConnections()
    })
  return { url: `http://127.0.0.1:${server.address().port}/`, close }
}
