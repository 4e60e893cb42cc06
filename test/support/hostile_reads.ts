/**
 * Records what a run reads on a host in memory, and puts hostile objects there, which answer as on a real host.
 */
import { posix } from 'node:path'
import type { VirtualHost } from '../../core/host/virtual.ts'
import { fileTooLarge, notAFile, notReadable } from '../../core/model/file_errors.ts'
import type { FakeHost } from './fake_host.ts'
import type { Machine } from './fake_machine.ts'
import { secret } from './hostile.ts'

/** A file that only root may read. */
export const precious = '/root/precious'
/** Marks a file of 5 GB. */
const sparse = 'sparse file of 5 GB'
/** Part of every text with escapes. */
export const forged = 'forged'
const escapes = `\x1b]0;evil\x07\x1b[2J\r${forged}`
const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
const many = (value: string) =>
  `{"commit":${value},"id":${value},"revision":${value},"created":${value},"record":${value},"programs":${value},"url":${value},"releases":${value},"message":${value}}`

export interface VirtualHostile {
  readonly name: string
  /** Whether it matters only where a program parses it. */
  readonly isJson?: boolean
  readonly put: (machine: Machine, path: string) => void
}

const link = (name: string, target: string): VirtualHostile => ({
  name,
  put: (machine, path) => machine.given(path, { link: target === 'itself' ? path : target }),
})
const text = (name: string, content: string): VirtualHostile => ({
  name,
  isJson: name.startsWith('JSON'),
  put: (machine, path) => machine.given(path, content),
})

export const virtualKinds: readonly VirtualHostile[] = [
  { name: 'FIFO or socket', put: (machine, path) => machine.given(path, { other: true }) },
  link('link to /dev/zero', '/dev/zero'),
  link('link to a file of root', precious),
  link('link to a directory of root', '/root'),
  {
    name: 'link to a directory whose name has lines',
    put: (machine, path) => {
      const target = `/srv/${forged}\n[program:evil]\nuser=root;}`
      machine.given(`${target}/public`, null).given(path, { link: target })
    },
  },
  link('link to itself', 'itself'),
  link('dangling link', `nowhere${escapes}`),
  { name: 'empty directory', put: (machine, path) => machine.given(path, null) },
  {
    name: 'directory of hostile names',
    put: (machine, path) => machine.given(`${path}/000009-${escapes}`, 'x').given(`${path}/${escapes}`, null),
  },
  text('sparse file of 5 GB', sparse),
  text('empty file', ''),
  text('escapes', escapes),
  text('not UTF-8', '\ufffd\ufffd\0\ufffd'),
  text('JSON that is null', 'null'),
  text('JSON list', '[null, 1, "a", {}]'),
  text('JSON, nested too deep', deep),
  text('JSON with numbers', many('7')),
  text('JSON with nulls', many('null')),
  text('JSON with lists', many('[null]')),
  text('JSON with escapes', many(JSON.stringify(escapes))),
  text(
    'JSON with __proto__',
    `{"__proto__":{"complete":true,"toString":1},"constructor":1,"record":{"__proto__":null}}`,
  ),
]

/** Replaces what exists at the path, as the account that owns the directory does. */
export function plantVirtual({ machine }: FakeHost, kind: VirtualHostile, named: string): void {
  const path = behindLinks(machine, named)
  const parent = machine.lstat(path.slice(0, path.lastIndexOf('/')))
  machine.remove(path)
  kind.put(machine, path)
  machine.setOwner(path, machine.accountById(parent?.uid ?? 0)?.name, machine.groupById(parent?.gid ?? 0)?.name)
}

/** Follows the links above a path, such as `current` and a `var` on another disk. */
function behindLinks(machine: Machine, path: string): string {
  const parts = path.split('/')
  for (let length = 2; length < parts.length; length++) {
    const above = parts.slice(0, length).join('/')
    if (machine.lstat(above)?.kind !== 'link') continue
    const target = posix.resolve(posix.dirname(above), machine.readLink(above) ?? '')
    return behindLinks(machine, posix.join(target, ...parts.slice(length)))
  }
  return path
}

interface Watched {
  readonly machine: VirtualHost
}

const reading = ['readBytes', 'readLink', 'list', 'stat', 'lstat', 'version', 'writable'] as const

/**
 * Makes the host answer like a real one for hostile objects, and calls `read` for each path that root reads.
 * @returns ends both
 */
export function watch(host: Watched, read: (path: string, how: (typeof reading)[number]) => void): () => void {
  const { machine } = host
  const depth = quiet(host)
  for (const how of reading) {
    const own = machine[how].bind(machine) as (path: string, ...rest: unknown[]) => unknown
    Object.assign(machine, {
      [how]: (path: string, ...rest: unknown[]) => {
        if (depth.inside > 0) return own(path, ...rest)
        read(path, how)
        if (how === 'readBytes') return guarded(machine, path, () => own(path, ...rest))
        depth.inside++
        try {
          return own(path, ...rest)
        } finally {
          depth.inside--
        }
      },
    })
  }
  return () => void depth.inside++
}

function guarded(machine: VirtualHost, path: string, own: () => unknown): unknown {
  let found: unknown
  try {
    found = own()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') throw notReadable(path, error as NodeJS.ErrnoException)
    throw error
  }
  if (!(found instanceof Buffer)) return found
  const content = found.toString()
  if (content === secret && !path.startsWith('/root')) throw notReadable(path, { ...new Error(), code: 'EACCES' })
  if (content === sparse) throw fileTooLarge(path, 5e9, 2 ** 25)
  return machine.stat(path)?.kind === 'other' ? fail(notAFile(path, null)) : found
}

function fail(error: Error): never {
  throw error
}

/** Files that programs of the host read do not count, and their faults are failures of the commands. */
function quiet(host: Watched): { inside: number } {
  const depth = { inside: 0 }
  const options = Reflect.get(host.machine, 'options') as Record<string, (...args: unknown[]) => unknown>
  for (const name of ['commands', 'requests', 'exchanges']) {
    const own = options[name]
    if (own === undefined) continue
    options[name] = (...args) => {
      depth.inside++
      try {
        return own(...args)
      } catch (error) {
        if (name !== 'commands') return null
        return { status: 128, stderr: `fatal: ${(error as Error).message}` }
      } finally {
        depth.inside--
      }
    }
  }
  return depth
}

const programs = ['nginx', 'php-fpm8.2', 'service'].map((name) => `/usr/sbin/${name}`)
const directories = ['sites-available', 'sites-enabled', 'conf.d'].map((name) => `/etc/nginx/${name}`)

/** Gives the host a web server that accepts each configuration, and servers that come up at each port. */
export function giveWebServer(host: FakeHost): void {
  for (const path of [...programs, '/usr/bin/node', '/usr/bin/java', '/etc/init.d/nginx', '/etc/init.d/php8.2-fpm'])
    host.machine.given(path, '', '0755')
  for (const path of [...directories, '/var/log/nginx', '/etc/php/8.2/fpm/pool.d']) host.machine.given(path, null)
  for (const port of [9090, 9091]) host.programs[`site-${port}`] = { port, fault: undefined }
}
