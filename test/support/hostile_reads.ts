/**
 * Reports the paths that a run reads on a host in memory, and puts hostile objects there, which answer as on a real
 * host.
 */
import { posix } from 'node:path'
import type { VirtualHost } from '../../core/host/virtual.ts'
import { fileTooLarge, notAFile, notReadable } from '../../core/model/file_errors.ts'
import type { FakeHost } from './fake_host.ts'
import type { Machine } from './fake_machine.ts'
import { secret } from './hostile.ts'

/** A file that only root may read. */
export const rootOnlyFile = '/root/precious'
/** The content of a file that stands for one of 5 GB. */
const sparseMarker = 'sparse file of 5 GB'
/** Part of every text with escapes. */
export const forgedText = 'forged'
const escapes = `\x1b]0;evil\x07\x1b[2J\r${forgedText}`
const deeplyNestedJson = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
const fieldsOfMarks = ['commit', 'id', 'revision', 'created', 'record', 'programs', 'url', 'releases', 'message']
/** Returns an object with the value in each field that converge reads in a mark. */
const markWith = (value: unknown) => JSON.stringify(Object.fromEntries(fieldsOfMarks.map((name) => [name, value])))

export interface VirtualHostileKind {
  readonly name: string
  /** Whether it matters only if its reader parses JSON. */
  readonly isJson?: boolean
  readonly put: (machine: Machine, path: string) => void
}

const link = (name: string, target: string): VirtualHostileKind => ({
  name,
  put: (machine, path) => machine.given(path, { link: target }),
})
const text = (name: string, content: string): VirtualHostileKind => ({
  name,
  put: (machine, path) => machine.given(path, content),
})
const json = (name: string, content: string): VirtualHostileKind => ({ ...text(name, content), isJson: true })

export const virtualHostileKinds: readonly VirtualHostileKind[] = [
  { name: 'FIFO or socket', put: (machine, path) => machine.given(path, { other: true }) },
  link('link to /dev/zero', '/dev/zero'),
  link('link to a file of root', rootOnlyFile),
  link('link to a directory of root', '/root'),
  {
    name: 'link to a directory whose name has lines',
    put: (machine, path) => {
      const target = `/srv/${forgedText}\n[program:evil]\nuser=root;}`
      machine.given(`${target}/public`, null).given(path, { link: target })
    },
  },
  { name: 'link to itself', put: (machine, path) => machine.given(path, { link: path }) },
  link('dangling link', `nowhere${escapes}`),
  { name: 'empty directory', put: (machine, path) => machine.given(path, null) },
  {
    name: 'directory of hostile names',
    put: (machine, path) => machine.given(`${path}/000009-${escapes}`, 'x').given(`${path}/${escapes}`, null),
  },
  text('sparse file of 5 GB', sparseMarker),
  text('empty file', ''),
  text('escapes', escapes),
  text('not UTF-8', '\ufffd\ufffd\0\ufffd'),
  json('JSON that is null', 'null'),
  json('JSON list', '[null, 1, "a", {}]'),
  json('JSON, nested too deep', deeplyNestedJson),
  json('JSON with numbers', markWith(7)),
  json('JSON with nulls', markWith(null)),
  json('JSON with lists', markWith([null])),
  json('JSON with escapes', markWith(escapes)),
  json(
    'JSON with __proto__',
    `{"__proto__":{"complete":true,"toString":1},"constructor":1,"record":{"__proto__":null}}`,
  ),
]

/** Replaces what exists at the path, as the account that owns the directory does. */
export function plantVirtual({ machine }: FakeHost, kind: VirtualHostileKind, requestedPath: string): void {
  const path = resolveParentLinks(machine, requestedPath)
  const parent = machine.lstat(path.slice(0, path.lastIndexOf('/')))
  machine.remove(path)
  kind.put(machine, path)
  machine.setOwner(path, machine.accountById(parent?.uid ?? 0)?.name, machine.groupById(parent?.gid ?? 0)?.name)
}

/** Follows the links above a path, such as `current` and a `var` on another disk. */
function resolveParentLinks(machine: Machine, path: string): string {
  const parts = path.split('/')
  for (let length = 2; length < parts.length; length++) {
    const parent = parts.slice(0, length).join('/')
    if (machine.lstat(parent)?.kind !== 'link') continue
    const target = posix.resolve(posix.dirname(parent), machine.readLink(parent) ?? '')
    return resolveParentLinks(machine, posix.join(target, ...parts.slice(length)))
  }
  return path
}

interface Watched {
  readonly machine: VirtualHost
}

const readMethods = ['readBytes', 'readLink', 'list', 'stat', 'lstat', 'version', 'writable'] as const

/**
 * Makes the host answer like a real one for hostile objects, and calls `onRead` for each path that root reads.
 * @returns a function that ends both
 */
export function watchReads(
  host: Watched,
  onRead: (path: string, method: (typeof readMethods)[number]) => void,
): () => void {
  const { machine } = host
  const ignored = ignorePrograms(host)
  for (const method of readMethods) {
    const original = machine[method].bind(machine) as (path: string, ...rest: unknown[]) => unknown
    Object.assign(machine, {
      [method]: (path: string, ...rest: unknown[]) => {
        if (ignored.count > 0) return original(path, ...rest)
        onRead(path, method)
        if (method === 'readBytes') return readLikeRealHost(machine, path, () => original(path, ...rest))
        ignored.count++
        try {
          return original(path, ...rest)
        } finally {
          ignored.count--
        }
      },
    })
  }
  return () => void ignored.count++
}

/** Fails as a real host does for what the content stands for, such as a sparse file. */
function readLikeRealHost(machine: VirtualHost, path: string, read: () => unknown): unknown {
  let content: unknown
  try {
    content = read()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') throw notReadable(path, error as NodeJS.ErrnoException)
    throw error
  }
  if (!(content instanceof Buffer)) return content
  const text = content.toString()
  if (text === secret && !path.startsWith('/root')) throw notReadable(path, { ...new Error(), code: 'EACCES' })
  if (text === sparseMarker) throw fileTooLarge(path, 5e9, 2 ** 25)
  if (machine.stat(path)?.kind === 'other') throw notAFile(path, null)
  return content
}

/**
 * Makes reads by programs of the host not count, and their faults failures of the commands.
 * @returns the number of such reads that are under way
 */
function ignorePrograms(host: Watched): { count: number } {
  const ignored = { count: 0 }
  const options = Reflect.get(host.machine, 'options') as Record<string, (...args: unknown[]) => unknown>
  for (const name of ['commands', 'requests', 'exchanges']) {
    const original = options[name]
    if (original === undefined) continue
    options[name] = (...args) => {
      ignored.count++
      try {
        return original(...args)
      } catch (error) {
        if (name !== 'commands') return null
        return { status: 128, stderr: `fatal: ${(error as Error).message}` }
      } finally {
        ignored.count--
      }
    }
  }
  return ignored
}
