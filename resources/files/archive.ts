/** Downloads an archive and unpacks it into a directory, completely or not at all. */
import { basename, dirname } from 'node:path'
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { describeFileKind, inTheWay } from '../../core/model/file_errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { isExcepted, isFilled, mergeEntries, restoreEntries } from './merge_entries.ts'
import { loginProps, parseSource, requireSha256, sourceProps } from './source_url.ts'
import { unpack, unpackAccount } from './unpack.ts'

const props = z.strictObject({
  into: absolutePath.describe('Directory the content goes to; its parent directory must exist'),
  url: sourceProps.url.describe(
    'URL of the archive: tar, plain or compressed with gzip, bzip2 or xz, or zip; its content decides the format',
  ),
  sha256: sourceProps.sha256.describe('Digest the archive must have; default: not checked'),
  ...loginProps,
  strip: z.int().min(0).optional().describe('Leading parts of the path taken off each member; default 0'),
  purge: z
    .boolean()
    .optional()
    .describe(
      'Empty the directory and unpack again when url, sha256 or a resource in `when` has changed. Default false: a directory with content stays as it is. With `merge`, only entries of the archive are replaced',
    ),
  merge: z
    .boolean()
    .optional()
    .describe(
      'Add to a directory that is in use: entries at the top of the archive are moved there if they are missing or empty. Default false',
    ),
  except: z
    .array(z.string().regex(/^[^/\0]+$/))
    .optional()
    .describe(
      'With `merge`: names at the top level that are never copied from the archive; `env*` matches all names that begin with env',
    ),
  owner: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Account that owns what is unpacked; default: the account of the run, in the directory of another account that one',
    ),
  group: z.string().min(1).optional().describe('Group that owns it; default: the group of the run'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  kind: z.enum(['absent', 'empty', 'filled', 'link', 'file', 'other']),
  /** Digest of the source of the content; used only with `purge`. */
  source: z.string().nullable(),
})
type State = z.output<typeof state>

export const archive = defineResource(
  {
    type: 'archive',
    doc: 'Unpacks an archive into a directory that is empty or missing; with `purge` again whenever its source changes, with `merge` beside the existing entries.',
    mirrors: 'cookbook: deploy_buildout.cache_archives; tar(1), unzip(1)',
    examples: [
      { url: 'https://example.org/eggs.tar.gz', into: '/srv/www/site/shared/eggs', owner: 'deploy' },
      { url: 'https://example.org/caches.tar.gz', into: '/srv/www/site/shared', merge: true, except: ['var'] },
      { url: '/var/tmp/solr.tgz', into: '/opt/solr', strip: 1, purge: true },
    ],
    // Several archives may add to one directory.
    reach: 'paths',
    key: ({ into, merge, url }) => (merge ? `${into} ${url.replace(/\/\/[^/]*@/, '//')}` : into),
    props,
    state,
    when: 'cause',
  },
  {
    read(host, props, context): State {
      for (const secret of [props.password, parseSource(props).password]) if (secret) context.secret(secret)
      if (props.merge) return { kind: destinationKind(host, props), source: mergedSource(host, props, context) }
      return { kind: destinationKind(host, props), source: props.purge ? host.recorded(context.name) : null }
    },
    desired(props, now, context): State {
      const source =
        props.purge || props.merge ? digestOf([props.url, props.sha256?.toLowerCase() ?? null, context.cause]) : null
      if (now.kind === 'filled' && now.source === source) return now
      if (now.kind === 'link')
        throw new ConvergeError(`${props.into} is a link, but a directory was declared`, {
          code: 'IN_THE_WAY',
          hint: 'set into to the directory that the link points to',
        })
      if (now.kind === 'file' || now.kind === 'other')
        throw inTheWay(`${props.into} is ${describeFileKind(now.kind)}, but a directory was declared`, props.into)
      return { kind: 'filled', source }
    },
    async apply(host, props, { desired }, context) {
      const parent = checkedSource(host, props)
      if (props.merge) return merge(host, props, desired, context)
      const beside = (suffix: string) => `${parent}/.${basename(props.into)}.converge-${suffix}`
      const [fetched, unpacked, old] = [beside('archive'), beside('unpacked'), beside('old')]
      // A run that was killed between its two renames left the directory under this name.
      if (host.lstat(props.into) === null && host.lstat(old) !== null) host.rename(old, props.into)
      for (const path of [fetched, unpacked, old]) host.remove(path)
      try {
        const file = await fetch(host, props, fetched, context)
        await unpack(host, { file, into: unpacked, strip: props.strip ?? 0 }, context)
        await changeOwner(host, props, unpacked)
      } catch (error) {
        host.remove(unpacked)
        throw error
      } finally {
        host.remove(fetched)
      }
      if (host.list(props.into).length > 0) host.rename(props.into, old)
      host.rename(unpacked, props.into)
      host.remove(old)
      if (desired.source !== null) host.record(context.name, desired.source)
    },
    predict(host, props, { desired }, context) {
      checkedSource(host, props)
      if (props.merge) predictMerge(host, props, context)
      else host.unknown(props.into, context.name)
      if (desired.source !== null) host.record(context.name, desired.source)
    },
    paths: (props) => [props.into],
  },
)

/** Returns the source that was merged last, if all its entries still exist. */
function mergedSource(host: HostReader, { into }: Props, { name }: Context): string | null {
  const [source = '', ...names] = host.recorded(name)?.split('/') ?? []
  return source !== '' && names.every((one) => isFilled(host, `${into}/${one}`)) ? source : null
}

async function merge(host: Host, props: Props, { source }: State, context: Context): Promise<void> {
  const { into, owner, group, except = [], purge = false } = props
  if (host.lstat(into) === null) host.makeDirectory(into, { owner, group })
  restoreEntries(host, into)
  // Inside the directory, since it may be a mount: files beside it cannot be renamed into it.
  const [fetched, from] = [`${into}/.converge-archive`, `${into}/.converge-unpacked`]
  const cleanUp = () => {
    for (const path of [fetched, from]) host.remove(path)
  }
  cleanUp()
  let merged: string[] = []
  try {
    const file = await fetch(host, props, fetched, context)
    await unpack(host, { file, into: from, strip: props.strip ?? 0 }, context)
    await chown(host, props, from)
    await host.run(['sync', '--file-system', from])
    const filled = host.list(from).filter((name) => isFilled(host, `${from}/${name}`))
    const { names, excepted: out } = mergeEntries(host, { into, from, except, replace: purge })
    if (out.length > 0) context.note(`left out of the archive: ${out.join(', ')}`)
    merged = names.filter((name) => filled.includes(name))
  } finally {
    cleanUp()
  }
  host.record(context.name, [source, ...merged].join('/'))
}

/** Marks entries as unknown in a dry run. Missing entries may be added, but only existing ones have a known name. */
function predictMerge(host: Host, { into, except = [], purge = false }: Props, { name }: Context): void {
  if (host.stat(into) === null) return host.unknown(into, name)
  for (const one of host.list(into)) {
    const path = `${into}/${one}`
    if (!isExcepted(one, except) && host.lstat(path)?.kind !== 'link' && (purge || !isFilled(host, path)))
      host.unknown(path, name)
  }
}

function destinationKind(host: HostReader, { into, purge, merge }: Props): State['kind'] {
  const stat = host.lstat(into)
  if (stat === null) return 'absent'
  if (stat.kind === 'link') return !purge && !merge && host.list(into).length > 0 ? 'filled' : 'link'
  if (stat.kind !== 'directory') return stat.kind
  return host.list(into).length > 0 ? 'filled' : 'empty'
}

/**
 * Checks the target and the source.
 * @returns the parent directory of the target
 */
function checkedSource(host: HostReader, props: Props): string {
  const parent = dirname(props.into)
  if (host.stat(parent)?.kind !== 'directory')
    throw new ConvergeError(`cannot unpack into ${props.into}: the directory ${parent} does not exist`, {
      code: 'NO_DIRECTORY',
      hint: `declare ${parent} with directory() before the archive`,
    })
  const { path } = parseSource(props)
  if (path !== null && host.stat(path)?.kind !== 'file')
    throw new ConvergeError(`there is no archive ${path} on this host`, {
      code: 'NO_FILE',
      hint: `correct the url, or copy the archive to ${path}`,
    })
  return parent
}

async function fetch(host: Host, props: Props, to: string, context: Context): Promise<string> {
  const { path, url, user, password } = parseSource(props)
  const sha256 = props.sha256?.toLowerCase()
  if (path === null) {
    context.progress(`fetching ${url}`)
    const owner = unpackAccount(host, dirname(to))
    await host.download(url, to, { mode: '0600', owner, user, password, sha256, timeout: context.timeout })
    return to
  }
  if (sha256 === undefined) return path
  await requireSha256(host, path, sha256)
  return path
}

/**
 * Changes the owner of the unpacked files.
 * @returns whether the properties name an owner
 */
async function chown(host: Host, { owner, group }: Props, unpacked: string): Promise<boolean> {
  if (owner === undefined && group === undefined) return false
  const whose = `${owner ?? ''}${group === undefined ? '' : `:${group}`}`
  await host.run(['chown', '--recursive', '--no-dereference', whose, unpacked])
  return true
}

/** Sets the owner and mode of the properties, else those of the empty directory that the content replaces. */
async function changeOwner(host: Host, props: Props, unpacked: string): Promise<void> {
  const before = host.stat(props.into)
  if (!(await chown(host, props, unpacked)) && before && host.isRoot) {
    host.setOwner(unpacked, host.accountById(before.uid)?.name, host.groupById(before.gid)?.name)
  }
  host.setMode(unpacked, before?.mode ?? '0755')
  // Flush before the rename: else a power cut leaves a directory of empty files that counts as complete.
  await host.run(['sync', '--file-system', unpacked])
}
