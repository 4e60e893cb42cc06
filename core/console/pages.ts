/** Serves the files of the browser, which the build has put into one directory. */
import { readdirSync, readFileSync } from 'node:fs'
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
    const headers = { 'Content-Type': type, 'Cache-Control': 'no-cache' }
    app.get(name === 'index.html' ? '/' : `/${name}`, (c) => c.body(content, 200, headers))
  }
}
