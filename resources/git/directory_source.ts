/** Uses a plain directory as the source of a release, for development: its digest takes the place of the commit. */
import { createHash } from 'node:crypto'
import { type Host, type HostReader, longestFile, type WriteOptions } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { metadataDirectory } from '../releases/releases.ts'

interface Item {
  /** Relative to the root. */
  readonly path: string
  readonly kind: 'directory' | 'file' | 'link'
  readonly mode: string
  /** The bytes of a file, or the target of a link. */
  readonly content: Buffer
}

/** Computes a SHA-256 over path, kind, mode, size and content of all entries of the directory except `.git`. */
export function directoryDigest(host: HostReader, root: string): string {
  if (host.stat(root)?.kind !== 'directory')
    throw new ConvergeError(`the directory ${root} does not exist`, {
      code: 'NO_SOURCE',
      hint: 'give a directory of this host as repository, or leave out scmType',
    })
  const hash = createHash('sha256')
  for (const item of itemsIn(host, root)) add(hash, item)
  return hash.digest('hex')
}

/** Copies all entries except `.git`, and returns the digest of the copy. */
export function copyDirectory(
  host: Host,
  root: string,
  to: string,
  owner: Pick<WriteOptions, 'owner' | 'group'>,
): string {
  const hash = createHash('sha256')
  const closed: [path: string, mode: string][] = []
  for (const item of itemsIn(host, root)) {
    add(hash, item)
    const path = `${to}/${item.path}`
    if (item.kind === 'directory') {
      const open = Number(item.mode[1]) === 7
      host.makeDirectory(path, { ...owner, mode: open ? item.mode : '0700' })
      // A directory that its owner may not write to gets its mode after its content.
      if (!open) closed.unshift([path, item.mode])
    }
    if (item.kind === 'file') host.writeFile(path, item.content, { ...owner, mode: item.mode })
    if (item.kind === 'link') host.replaceLink(path, item.content.toString(), owner)
  }
  for (const [path, mode] of closed) host.setMode(path, mode)
  return hash.digest('hex')
}

function add(hash: ReturnType<typeof createHash>, { path, kind, mode, content }: Item): void {
  const digest = createHash('sha256').update(content).digest('hex')
  hash.update(`${JSON.stringify([path, kind, mode, content.length, digest])}\n`)
}

function* itemsIn(host: HostReader, root: string, below = ''): Generator<Item> {
  for (const name of host.list(below === '' ? root : `${root}/${below}`)) {
    if (name === '.git' || (below === '' && name === metadataDirectory)) continue
    const path = below === '' ? name : `${below}/${name}`
    const full = `${root}/${path}`
    const stat = host.lstat(full)
    if (stat === null)
      throw new ConvergeError(`${full} went away while it was read, or its name is not UTF-8`, { code: 'NO_SOURCE' })
    const content = (bytes: Buffer | string | null) => ({ path, mode: stat.mode, content: Buffer.from(bytes ?? '') })
    if (stat.kind === 'directory') {
      yield { ...content(''), kind: 'directory' }
      yield* itemsIn(host, root, path)
    } else if (stat.kind === 'file') yield { ...content(host.readBytes(full, { limit: longestFile })), kind: 'file' }
    // A link has no mode of its own.
    else if (stat.kind === 'link') yield { ...content(host.readLink(full)), mode: '0777', kind: 'link' }
    // Sockets and similar entries belong to a process, not to the code.
  }
}
