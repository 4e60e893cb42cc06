/** Serves the files of the browser, which the build has put into one directory. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import type { Hono } from 'hono'

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
}

/** Reads all files at once, so that an update of the program does not mix two versions. */
export function servePages(app: Hono, directory: string): void {
  for (const name of readdirSync(directory)) {
    const type = types[name.slice(name.lastIndexOf('.') + 1)]
    if (type === undefined) continue
    const content = readFileSync(`${directory}/${name}`)
    const compressed = gzipSync(content, { level: 9 })
    const etag = `"${createHash('sha256').update(content).digest('hex').slice(0, 32)}"`
    const headers = { 'Content-Type': type, 'Cache-Control': 'no-cache', Vary: 'Accept-Encoding', ETag: etag }
    app.get(name === 'index.html' ? '/' : `/${name}`, (c) => {
      if (c.req.header('if-none-match')?.includes(etag)) return c.body(null, 304, headers)
      if (!acceptsGzip(c.req.header('accept-encoding') ?? '')) return c.body(content, 200, headers)
      return c.body(compressed, 200, { ...headers, 'Content-Encoding': 'gzip' })
    })
  }
}

function acceptsGzip(header: string): boolean {
  return header.split(',').some((one) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/i.test(one))
}
