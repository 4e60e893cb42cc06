/** What travels to a host: each thing is packed once, and known there by its content. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'

export interface Item {
  /** Directory it becomes on the host, absolute. */
  readonly directory: string
  /** For people: what is being brought. */
  readonly what: string
  /** Whether it is for the engine's account only. */
  readonly secret: boolean
  /** A gzipped archive of the directory. */
  archive(): Promise<Uint8Array>
}

export interface PackedFile {
  readonly content: Uint8Array
  /** Default 0o644. */
  readonly mode?: number
}

/** Name → content: the same files give the same digest, wherever and whenever they were read. */
export type Files = ReadonlyMap<string, PackedFile>

/** @returns the first 24 hex digits of the SHA-256 of names, modes and contents */
export function digestOfFiles(files: Files): string {
  const hash = createHash('sha256')
  for (const [name, { content, mode }] of [...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`${name}\0${mode ?? 0o644}\0${content.length}\0`).update(content)
  return hash.digest('hex').slice(0, 24)
}

async function archiveOf(files: Files): Promise<Uint8Array> {
  const tar = pack()
  for (const [name, { content, mode = 0o644 }] of files)
    tar.entry({ name, mode, mtime: new Date(0) }, Buffer.from(content.buffer, content.byteOffset, content.byteLength))
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  return gzipSync(Buffer.concat(chunks))
}

/** What has been worked out of files that many hosts get: it is done once, and forgotten with the files. */
const digests = new WeakMap<Files, string>()
const archives = new WeakMap<Files, Promise<Uint8Array>>()

/** An item whose archive is made when the first host asks for it, and once for all that are given the same files. */
export function itemOf(
  parent: string,
  kind: string,
  files: Files,
  { what, secret }: Pick<Item, 'what' | 'secret'>,
): Item {
  const digest = digests.get(files) ?? digestOfFiles(files)
  digests.set(files, digest)
  return {
    directory: `${parent}/${kind}-${digest}`,
    what,
    secret,
    archive: () => {
      const made = archives.get(files) ?? archiveOf(files)
      archives.set(files, made)
      return made
    },
  }
}

/** The program as it was built: the bundle, what starts it, and what V8 compiled of it. */
export function engineFiles(directory: string): Files {
  const names = readdirSync(directory).filter((name) =>
    /^(start\.cjs|converge\.cjs(\.map)?|converge-.*\.cache)$/.test(name),
  )
  return new Map(
    names.sort().flatMap((name) => {
      const path = `${directory}/${name}`
      return statSync(path).isFile() ? [[name, { content: readFileSync(path) }] as const] : []
    }),
  )
}
