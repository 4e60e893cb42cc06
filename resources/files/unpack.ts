/** Unpacks tar and zip archives into a new directory, and refuses archives with members outside it. */
import { dirname } from 'node:path'
import type { CommandResult, Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { minutes } from '../../core/model/units.ts'

export interface Unpacking {
  readonly file: string
  /** The directory to create. */
  readonly into: string
  /** The number of leading path components to remove from each member. */
  readonly strip: number
}

/**
 * Unpacks an archive.
 * @throws ConvergeError BAD_ARCHIVE for a truncated file or one that is no archive
 * @throws ConvergeError UNSAFE_ARCHIVE for members with `..` or absolute names, links that point outside, and devices
 */
export async function unpack(host: Host, { file, into, strip }: Unpacking, context: Context): Promise<void> {
  const user = unpackAccount(host, dirname(into))
  const account = user === undefined ? null : host.account(user)
  const group = account === null ? undefined : host.groupById(account.gid)?.name
  host.makeDirectory(into, { mode: '0700', owner: user, group })
  const start = await host.query(['head', '--bytes=4', '--', file], { user, accept: 'any' })
  if (start.status !== 0)
    throw new ConvergeError(`${user ?? host.self.name} cannot read the archive ${file}`, {
      code: 'EACCES',
      output: start.stderr.trim(),
      hint: `let that account read it: it owns ${dirname(into)}, and unpacks the archive`,
    })
  const run = (argv: readonly string[]) =>
    host.run(argv, { user, accept: 'any', timeout: minutes(30), onLine: context.progress })
  if (start.stdout.startsWith('PK')) await unzip(host, run, { file, into, strip })
  else await untar(run, { file, into, strip })
  checkTree(host, into, [])
}

/**
 * Returns the account that should write in a directory: its owner, because root would follow links that the owner may
 * create meanwhile.
 * @returns undefined for the account of the run
 */
export function unpackAccount(host: HostReader, directory: string): string | undefined {
  const uid = host.stat(directory)?.uid ?? 0
  return host.isRoot && uid !== 0 ? host.accountById(uid)?.name : undefined
}

type Run = (argv: readonly string[]) => Promise<CommandResult>

const notWhole = 'correct the url, or have the archive uploaded again: the file is incomplete, or not an archive'

/** The messages of tar and unzip about a member that they kept inside the directory. */
const unsafe = /Removing leading|contains '\.\.'|stripped absolute path|skipped "\.\.\/" path/

async function untar(run: Run, { file, into, strip }: Unpacking): Promise<void> {
  const bare = ['--no-same-owner', '--no-same-permissions', `--strip-components=${strip}`]
  const argv = ['tar', '--extract', ...bare, `--directory=${into}`, `--file=${file}`]
  const { status, stderr } = await run(argv)
  if (unsafe.test(stderr)) throw unsafeArchive(stderr)
  if (status === 0) return
  const program = /(\w+): Cannot exec/.exec(stderr)?.[1]
  throw badArchive(
    stderr,
    program === undefined ? notWhole : `install it: apt-get install ${program === 'xz' ? 'xz-utils' : program}`,
  )
}

async function unzip(host: Host, run: Run, { file, into, strip }: Unpacking): Promise<void> {
  if (host.which('unzip') === null)
    throw new ConvergeError('the archive is a zip file, and unzip is missing', {
      code: 'NO_PROGRAM',
      hint: 'install it: apt-get install unzip',
    })
  const argv = ['unzip', '-q', '-o', file, '-d', into]
  const { status, stdout, stderr } = await run(argv)
  if (unsafe.test(stdout + stderr)) throw unsafeArchive(stdout + stderr)
  if (status !== 0) throw badArchive(stdout + stderr, notWhole)
  for (let level = 0; level < strip; level++) stripLevel(host, into)
}

function badArchive(output: string, hint: string): ConvergeError {
  return new ConvergeError('the archive cannot be unpacked', { code: 'BAD_ARCHIVE', output: output.trim(), hint })
}

function unsafeArchive(output: string): ConvergeError {
  return new ConvergeError('the archive has members that would leave the directory it is unpacked in', {
    code: 'UNSAFE_ARCHIVE',
    output: output.trim(),
    hint: 'use an archive from a source that you trust, packed with relative names only',
  })
}

/** Moves the content of the top directories up one level; drops files there, as tar does. */
function stripLevel(host: Host, directory: string): void {
  const top = `${directory}/.converge-strip`
  host.makeDirectory(top, { mode: '0700' })
  for (const name of host.list(directory)) {
    if (name === '.converge-strip') continue
    host.rename(`${directory}/${name}`, `${top}/${name}`)
  }
  for (const name of host.list(top)) {
    if (host.lstat(`${top}/${name}`)?.kind !== 'directory') continue
    for (const inner of host.list(`${top}/${name}`)) host.rename(`${top}/${name}/${inner}`, `${directory}/${inner}`)
  }
  host.remove(top)
}

/** Checks each unpacked member: the names alone do not show where links lead. */
function checkTree(host: HostReader, root: string, below: readonly string[]): void {
  const directory = [root, ...below].join('/')
  for (const name of host.list(directory)) {
    const path = `${directory}/${name}`
    const kind = host.lstat(path)?.kind
    if (kind === 'directory') checkTree(host, root, [...below, name])
    else if (kind === 'other') throw unsafeArchive(`${[...below, name].join('/')} is a device, a pipe or a socket`)
    else if (kind === 'link') {
      const target = host.readLink(path) ?? ''
      if (leavesRoot(target, below.length)) throw unsafeArchive(`${[...below, name].join('/')} is a link to ${target}`)
    }
  }
}

/**
 * Decides whether a link may lead outside. `..` is allowed only at the start, and not above the root: a later one may
 * start wherever another link leads.
 */
function leavesRoot(target: string, depth: number): boolean {
  const parts = target.split('/').filter((part) => part !== '' && part !== '.')
  const down = parts.findIndex((part) => part !== '..')
  const up = down < 0 ? parts.length : down
  return target.startsWith('/') || up > depth || parts.slice(up).includes('..')
}
