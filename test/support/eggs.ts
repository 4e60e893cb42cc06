/**
 * Caches the eggs of the example site, which take minutes from PyPI: the first test that builds them stores them, and
 * tests of other features start with them through deploy_buildout.cache_archives.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { JsonObject } from '../../core/node/merge.ts'
import { listenUntilEnd } from './listening_server.ts'
import type { Owner } from './machine.ts'

const fixture = fileURLToPath(new URL('../../fixtures/example-buildout/cfg/', import.meta.url))

/** Returns the path of the archive for these versions, this Python and account; the file may not exist yet. */
function archivePath(): string {
  const python = execFileSync('/usr/bin/python3', ['-VV'], { encoding: 'utf8' })
  const hash = createHash('sha256').update(`${process.arch} ${python}`)
  for (const name of ['base.cfg', 'versions.cfg']) hash.update(readFileSync(`${fixture}${name}`))
  return `${ownDirectory()}/${hash.digest('hex').slice(0, 16)}.tar.gz`
}

/** @throws Error if another account owns the directory */
function ownDirectory(): string {
  const uid = process.getuid?.() ?? 0
  const path = `${tmpdir()}/converge-test-eggs-${uid}`
  mkdirSync(path, { recursive: true, mode: 0o700 })
  if (statSync(path).uid !== uid) throw new Error(`${path} belongs to another account`)
  return path
}

/** @param shared directory with the eggs of a site that was built */
export function storeEggs(shared: string): void {
  const path = archivePath()
  if (existsSync(path)) return
  execFileSync('tar', ['-czf', `${path}.${process.pid}`, '-C', shared, 'eggs'])
  renameSync(`${path}.${process.pid}`, path)
}

export function hasStoredEggs(): boolean {
  return existsSync(archivePath())
}

/**
 * Serves the eggs until the end of the test.
 * @param address where the sites reach the test's own computer
 * @returns attributes with which a site starts with the eggs; none if no test has built them yet
 */
export async function offeredEggs(t: Owner, address = '127.0.0.1'): Promise<JsonObject> {
  const path = archivePath()
  if (!existsSync(path)) return {}
  const server = createServer((_, answer) => void createReadStream(path).pipe(answer))
  const port = await listenUntilEnd(t, server, address)
  return { deploy_buildout: { cache_archives: [{ url: `http://${address}:${port}/eggs.tar.gz`, path: 'shared' }] } }
}
