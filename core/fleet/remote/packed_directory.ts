/** Packs the files that a host receives; each item is packed once, and identified on the host by its content. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'

export interface PackedDirectory {
  /** Absolute path of its directory on the host. */
  readonly directory: string
  /** For the screen: what is uploaded. */
  readonly what: string
  /** Whether only the engine's account may read it. */
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
export type PackedFiles = ReadonlyMap<string, PackedFile>

/** @returns the first 24 hex digits of the SHA-256 of names, modes and contents */
export function digestOfFiles(files: PackedFiles): string {
  const hash = createHash('sha256')
  for (const [name, { content, mode }] of [...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`${name}\0${mode ?? 0o644}\0${content.length}\0`).update(content)
  return hash.digest('hex').slice(0, 24)
}

async function createArchive(files: PackedFiles): Promise<Uint8Array> {
  const tar = pack()
  for (const [name, { content, mode = 0o644 }] of files)
    tar.entry({ name, mode, mtime: new Date(0) }, Buffer.from(content.buffer, content.byteOffset, content.byteLength))
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  return gzipSync(Buffer.concat(chunks))
}

/** Results for files that many hosts get: each is computed once, and freed with the files. */
const digests = new WeakMap<PackedFiles, string>()
const archives = new WeakMap<PackedFiles, Promise<Uint8Array>>()

/** Builds an item whose archive is made on the first request, and shared by all hosts with the same files. */
export function packDirectory(
  parent: string,
  kind: string,
  files: PackedFiles,
  { what, secret }: Pick<PackedDirectory, 'what' | 'secret'>,
): PackedDirectory {
  const digest = digests.get(files) ?? digestOfFiles(files)
  digests.set(files, digest)
  return {
    directory: `${parent}/${kind}-${digest}`,
    what,
    secret,
    archive: () => {
      const archive = archives.get(files) ?? createArchive(files)
      archives.set(files, archive)
      return archive
    },
  }
}

/** Reads the files of the built program: the bundle, its start script, and the code cache of V8. */
export function engineFiles(directory: string): PackedFiles {
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
