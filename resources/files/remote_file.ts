/** Keeps one file identical to a URL, or to another file on this host. */

import { dirname } from 'node:path'
import * as z from 'zod'
import { type Host, type HostReader, longestFile } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { inTheWay } from '../../core/model/file_errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { applyOwnership, desiredOwnership, ownershipProps, ownershipState, readOwnership } from './ownership.ts'
import { keepOriginal } from './packaged_file.ts'
import { loginProps, parseSource, requireSha256, sha256OfFile, sourceProps } from './source_url.ts'

const props = z.strictObject({
  path: absolutePath.describe('Path of the file; its directory must exist'),
  url: sourceProps.url.describe('URL of its content, or a path on this host'),
  sha256: sourceProps.sha256.describe(
    'Digest it must have; without it a file from a server is fetched once for each URL',
  ),
  ...loginProps,
  ...ownershipProps,
})
type Props = z.output<typeof props>

const state = z.strictObject({
  kind: z.enum(['absent', 'file', 'directory', 'link', 'other']),
  /** Digest of the content, or of its source. */
  content: z.string().nullable(),
  /** The desired digest; for a file on the host, only the host can compute it. */
  wanted: z.string(),
  ...ownershipState,
})
type State = z.output<typeof state>

/** Returns the desired digest of the content if it is known, else of the source. */
async function desiredContent(host: HostReader, props: Props): Promise<string> {
  if (props.sha256 !== undefined) return props.sha256.toLowerCase()
  const { path: local, url } = parseSource(props)
  if (local === null) return digestOf(url)
  if (host.stat(local)?.kind !== 'file')
    throw new ConvergeError(`the file ${local} does not exist on this host`, {
      code: 'NO_FILE',
      hint: `put the file at ${local} on the host, or correct the property url`,
    })
  return sha256OfFile(host, local)
}

const sizeKey = ({ name }: Context) => `${name} size`

/**
 * Returns the digest of the file; null for one that is larger than the right one. The account of an app may have made it
 * so large that it takes hours to read.
 */
async function presentContent(host: HostReader, props: Props, size: number, context: Context): Promise<string | null> {
  const { path: local } = parseSource(props)
  const right = local === null ? host.recorded(sizeKey(context)) : host.stat(local)?.size
  if (right !== null && right !== undefined && size > Number(right)) return null
  return sha256OfFile(host, props.path)
}

export const remote_file = defineResource(
  {
    type: 'remote_file',
    doc: 'Keeps one file as it is at a URL or elsewhere on this host, checked by its digest and replaced in one step.',
    mirrors: "Chef's remote_file resource",
    examples: [
      {
        path: '/srv/shop/app.war',
        url: 'https://builds.example.com/app.war',
        sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
        user: 'deploy',
      },
      { path: '/srv/shop/app.war', url: '/var/tmp/app.war', mode: '0644' },
    ],
    reach: 'paths',
    key: ({ path }) => path,
    props,
    state,
    readsAhead: true,
  },
  {
    async read(host, props, context): Promise<State> {
      for (const secret of [props.password, parseSource(props).password]) if (secret) context.secret(secret)
      const target = await desiredContent(host, props)
      const stat = host.lstat(props.path)
      if (stat === null || stat.kind !== 'file')
        return { kind: stat?.kind ?? 'absent', content: null, wanted: target, mode: null, owner: null, group: null }
      const byUrl = props.sha256 === undefined && parseSource(props).path === null
      const content = byUrl ? host.recorded(context.name) : await presentContent(host, props, stat.size, context)
      return { kind: 'file', content, wanted: target, ...readOwnership(host, props, stat) }
    },
    desired(props, now): State {
      if (now.kind === 'directory') throw inTheWay(`${props.path} is a directory, but a file was declared`, props.path)
      return { kind: 'file', content: now.wanted, wanted: now.wanted, ...desiredOwnership(props) }
    },
    async apply(host, props, { now, desired }, context) {
      if (now.content === desired.content && now.kind === 'file') return applyOwnership(host, props.path, now, props)
      await fetch(host, props, desired.wanted, context)
      host.record(context.name, desired.wanted)
      host.record(sizeKey(context), `${host.lstat(props.path)?.size ?? 0}`)
    },
    predict(host, props, _, context) {
      requireDirectory(host, props)
      host.unknown(props.path, context.name)
    },
    paths: ({ path }) => [path],
    words: (_, { now, desired }) => (now.content === desired.content ? 'owner or mode' : 'fetched'),
  },
)

function requireDirectory(host: HostReader, { path }: Props): void {
  if (host.stat(dirname(path))?.kind === 'directory') return
  throw new ConvergeError(`cannot write ${path}: the directory ${dirname(path)} does not exist`, {
    code: 'NO_DIRECTORY',
    hint: 'declare it with directory() before this file',
  })
}

async function fetch(host: Host, props: Props, content: string, context: Context): Promise<void> {
  requireDirectory(host, props)
  const { path, mode, owner, group } = props
  const sha256 = props.sha256?.toLowerCase()
  keepOriginal(host, path)
  const { path: local, url, user, password } = parseSource(props)
  if (local === null) {
    context.progress(`fetching ${url}`)
    return host.download(url, path, { mode, owner, group, user, password, sha256, timeout: context.timeout })
  }
  await requireSha256(host, local, content)
  const bytes = host.readBytes(local, { limit: longestFile })
  if (bytes !== null) host.writeFile(path, bytes, { mode, owner, group })
}
