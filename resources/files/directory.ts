/** Manages one directory with its mode, owner and missing parents; or its absence. */
import { basename, dirname } from 'node:path'
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { describeFileKind } from '../../core/model/file_errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import {
  applyOwnership,
  desiredOwnership,
  noOwnership,
  type OwnershipProps,
  ownershipProps,
  ownershipState,
  readOwnership,
} from './ownership.ts'

const state = z.strictObject({ kind: z.enum(['absent', 'directory', 'file', 'link', 'other']), ...ownershipState })
type State = z.output<typeof state>

export const directory = defineResource(
  {
    type: 'directory',
    doc: 'Keeps a directory with the declared mode and owner; or removes it with everything below it.',
    mirrors: "Chef's directory resource",
    examples: [
      { path: '/srv/www/site/shared', mode: '0770', owner: 'deploy', group: 'www-data' },
      { path: '/var/cache/site', parents: true },
    ],
    reach: 'paths',
    key: (props) => props.path,
    props: z.strictObject({
      path: absolutePath.describe(
        'Path of the directory; a link to a directory counts as one if only root and the account of the run can have created it',
      ),
      parents: z
        .boolean()
        .optional()
        .describe('Make missing parents too, with the same owner and mode 0755; default false'),
      absent: z.boolean().optional().describe('Remove the directory instead, with everything in it; default false'),
      ...ownershipProps,
    }),
    state,
  },
  {
    read(host, props): State {
      const entry = host.lstat(props.path)
      // A directory that a killed run has renamed but not removed must still be removed.
      const aside = entry === null && props.absent ? host.lstat(asidePath(props.path)) : null
      if (aside?.kind === 'directory') return { kind: 'directory', ...readOwnership(host, props, aside) }
      if (entry === null) return { kind: 'absent', ...noOwnership }
      const stat = entry.kind === 'link' && !props.absent ? (host.stat(props.path) ?? entry) : entry
      if (stat.kind !== 'directory') return { kind: stat.kind, ...noOwnership }
      if (entry.kind === 'link' && !props.absent) refuseForeign(host, props.path)
      // Through a link, only its target has a mode; the owner of the link does not matter.
      return { kind: 'directory', ...readOwnership(host, props, stat) }
    },
    desired(props, now): State {
      if (now.kind !== 'absent' && now.kind !== 'directory')
        throw new ConvergeError(
          `${props.path} is ${describeFileKind(now.kind)}, but a directory was ${props.absent ? 'declared absent' : 'declared'}`,
          {
            code: 'IN_THE_WAY',
            hint:
              now.kind !== 'link'
                ? 'move it away'
                : props.absent
                  ? 'take it away with symlink(), or name the directory it points to'
                  : 'it is a link that points nowhere: remove it, or make what it points to',
          },
        )
      return props.absent ? { kind: 'absent', ...noOwnership } : { kind: 'directory', ...desiredOwnership(props) }
    },
    paths: (props) => [props.path],
    apply(host, props, { now }) {
      if (props.absent) removeDirectory(host, props.path)
      else createOrUpdate(host, props, now)
    },
    predict(host, props, { now }) {
      if (props.absent) host.remove(props.path)
      else createOrUpdate(host, props, now)
    },
  },
)

function createOrUpdate(
  host: Host,
  props: OwnershipProps & { path: string; parents?: boolean | undefined },
  now: State,
): void {
  if (now.kind === 'directory') {
    // The owner is changed without following links: `/.` names the directory behind a link.
    const target = host.lstat(props.path)?.kind === 'link' ? `${props.path}/.` : props.path
    return applyOwnership(host, target, now, props)
  }
  if (props.parents) makeParents(host, dirname(props.path), props)
  // Else it would remain forever, once the directory exists again.
  if (host.lstat(asidePath(props.path)) !== null) host.remove(asidePath(props.path))
  host.makeDirectory(props.path, props)
}

/** Refuses a link that another account could replace: that account could make root give it the link's target. */
function refuseForeign(host: HostReader, path: string): void {
  const parts = path.split('/')
  for (let length = parts.length; length > 0; length--) {
    const name = parts.slice(0, length).join('/') || '/'
    const uid = host.lstat(name)?.uid ?? 0
    if (uid === 0 || uid === host.self.uid) continue
    const owner = host.accountById(uid)?.name ?? `the account with the id ${uid}`
    throw new ConvergeError(`${path} is a link that ${owner} can change: ${name} belongs to that account`, {
      code: 'IN_THE_WAY',
      hint: `name the directory it points to, or declare the link itself with symlink(); to have a real directory: rm ${path}`,
    })
  }
}

function asidePath(path: string): string {
  return `${dirname(path)}/.${basename(path)}.removing`
}

/** Removes a directory after a rename: other processes see all of it or nothing. */
function removeDirectory(host: Host, path: string): void {
  const aside = asidePath(path)
  if (host.lstat(aside) !== null) host.remove(aside)
  if (host.lstat(path) === null) return
  try {
    host.rename(path, aside)
  } catch (error) {
    // A mount, or a directory of a lower layer of an overlay, cannot be renamed.
    if (!['EBUSY', 'EXDEV'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    return host.remove(path)
  }
  host.remove(aside)
}

function makeParents(host: Host, path: string, props: OwnershipProps): void {
  if (path === '/' || host.stat(path) !== null) return
  makeParents(host, dirname(path), props)
  host.makeDirectory(path, { owner: props.owner, group: props.group, mode: '0755' })
}
