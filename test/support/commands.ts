/**
 * Imitates the programs of the in-memory host: as much of useradd, apt-get, crontab, tar and similar as the tests need.
 */
import type { CommandResult } from '../../core/host/types.ts'
import type { CommandHandler, VirtualHost } from '../../core/host/virtual.ts'
import type { Program } from '../../recipes/testing/account_programs.ts'
import { givePackage } from '../../recipes/testing/packages.ts'

export { accountPrograms } from '../../recipes/testing/account_programs.ts'
export { givePackage } from '../../recipes/testing/packages.ts'

type Answer = Partial<CommandResult>

const done: Answer = {}
const refused = (status: number, stderr: string): Answer => ({ status, stderr })

/** Combines sets of programs into one handler; a program in none of them is not installed. */
export function programs(...sets: readonly Readonly<Record<string, Program>>[]): CommandHandler {
  const all: Record<string, Program> = Object.assign({}, ...sets)
  return (argv, options, host) => all[argv[0] ?? '']?.(argv.slice(1), host, options.input ?? '') ?? null
}

/** Adds a package to those that apt-get update finds. */
export function offerPackage(host: VirtualHost, name: string, version: string): void {
  host.given(`/repository/${name}`, version)
}

const status = '/var/lib/dpkg/status'
const lists = '/var/lib/apt/lists/deb_Packages'

/**
 * Fakes of apt-get, apt-cache and dpkg for `offerPackage` and `givePackage`; `/locked` counts the attempts that still
 * find the lock taken.
 */
export const aptPrograms: Readonly<Record<string, Program>> = {
  'apt-get'(args, host) {
    const words = args.filter((arg, at) => !arg.startsWith('-') && args[at - 1] !== '-o')
    const [verb, ...names] = words
    if (verb === 'update') return fetchLists(host)
    if (host.list('/var/lib/dpkg/updates').length > 0 || (host.readText(status) ?? '').includes(' half-configured\n'))
      return refused(
        100,
        'E: dpkg was interrupted, you must manually run ‘dpkg --configure -a’ to correct the problem.',
      )
    if (verb === 'remove') for (const name of names) givePackage(host, name, '', 'deinstall ok config-files')
    if (verb !== 'install') return done
    const known = new Map((host.readText(lists) ?? '').split('\n').map((line) => line.split(' ') as [string, string]))
    for (const word of names) {
      const [name = '', version] = word.split('=')
      const offered = known.get(name)
      if (offered === undefined) return refused(100, `E: Unable to locate package ${name}`)
      if (version !== undefined && !matches(offered, version))
        return refused(100, `E: Version '${version}' for '${name}' was not found`)
    }
    for (const word of names) givePackage(host, word.split('=')[0] ?? '', known.get(word.split('=')[0] ?? '') ?? '')
    return done
  },
  'apt-cache'(args, host) {
    const rows = (host.readText(lists) ?? '').split('\n').map((line) => line.split(' '))
    if (args[0] === 'pkgnames') return { stdout: rows.map(([name]) => name).join('\n') }
    const found = rows.filter(([name]) => name === args[1])
    return { stdout: found.map(([name, version]) => ` ${name} | ${version} | http://deb Packages`).join('\n') }
  },
  dpkg(_, host) {
    for (const name of host.list('/var/lib/dpkg/updates')) host.remove(`/var/lib/dpkg/updates/${name}`)
    host.given(status, (host.readText(status) ?? '').replaceAll('install ok half-configured', 'install ok installed'))
    return done
  },
}

function matches(version: string, expected: string): boolean {
  return expected.endsWith('*') ? version.startsWith(expected.slice(0, -1)) : version === expected
}

function fetchLists(host: VirtualHost): Answer {
  const lockCount = Number(host.readText('/locked') ?? 0)
  if (lockCount > 0) {
    host.given('/locked', `${lockCount - 1}`)
    return refused(100, 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 42 (apt-get)')
  }
  if (host.readText('/offline') !== null)
    return refused(100, 'E: Failed to fetch http://deb/InRelease  Could not resolve')
  host.given(
    lists,
    host
      .list('/repository')
      .map((name) => `${name} ${host.readText(`/repository/${name}`)}`)
      .join('\n'),
  )
  return done
}

/** Returns the file in which the fake crontab stores the lines of an account. */
export const spool = (host: VirtualHost, account = host.self.name): string => `/var/spool/cron/crontabs/${account}`

export const crontabPrograms: Readonly<Record<string, Program>> = {
  crontab(args, host, input) {
    const account = args[0] === '-u' ? args[1] : host.self.name
    if (args.at(-1) === '-') {
      host.given(spool(host, account), input)
      return done
    }
    const text = host.readText(spool(host, account))
    return text === null ? refused(1, `no crontab for ${account}`) : { stdout: text }
  },
}

export type Members = Readonly<Record<string, string | { readonly link: string } | { readonly device: true }>>

/** Builds an archive that the fake tar and unzip understand: a JSON text, after PK for zip. */
export function packed(members: Members, kind: 'tar' | 'zip' = 'tar'): string {
  return `${kind === 'zip' ? 'PK\x03\x04' : 'ustar'}${JSON.stringify(members)}`
}

export const archivePrograms: Readonly<Record<string, Program>> = {
  head: (args, host) => ({ stdout: (host.readText(args.at(-1) ?? '') ?? '').slice(0, 4) }),
  sync: () => done,
  chown(args, host) {
    const [whose = '', path = ''] = args.slice(-2)
    const [owner, group] = whose.split(':')
    for (const each of tree(host, path)) host.setOwner(each, owner || undefined, group || undefined)
    return done
  },
  tar(args, host) {
    const value = (name: string) => args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3) ?? ''
    const strip = Number(value('strip-components'))
    return extract(host, value('file'), 'ustar', value('directory'), strip, {
      absolute: (name) => ({ stderr: `tar: Removing leading \`/' from member names ${name}` }),
      upward: (name) => refused(2, `tar: ${name}: Member name contains '..'`),
      none: 'tar: This does not look like a tar archive',
    })
  },
  unzip: (args, host) =>
    extract(host, args[2] ?? '', 'PK\x03\x04', args[4] ?? '', 0, {
      absolute: (name) => refused(1, `warning:  stripped absolute path spec from ${name}`),
      upward: (name) => refused(1, `warning:  skipped "../" path component(s) in ${name}`),
      none: 'End-of-central-directory signature not found.',
    }),
}

function tree(host: VirtualHost, path: string): string[] {
  const below = host.lstat(path)?.kind === 'directory' ? host.list(path) : []
  return [path, ...below.flatMap((name) => tree(host, `${path}/${name}`))]
}

function extract(
  host: VirtualHost,
  file: string,
  mark: string,
  into: string,
  strip: number,
  said: { absolute: (name: string) => Answer; upward: (name: string) => Answer; none: string },
): Answer {
  const text = host.readText(file) ?? ''
  if (!text.startsWith(mark)) return refused(2, said.none)
  for (const [name, content] of Object.entries(JSON.parse(text.slice(mark.length)) as Members)) {
    if (name.startsWith('/')) return said.absolute(name)
    if (name.split('/').includes('..')) return said.upward(name)
    const path = name.split('/').slice(strip).join('/')
    if (path === '') continue
    if (typeof content === 'string') host.given(`${into}/${path}`, content)
    else if ('link' in content) host.given(`${into}/${path}`, content)
    else host.given(`${into}/${path}`, '')
  }
  return done
}
