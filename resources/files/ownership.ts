/**
 * Defines mode, owner and group: the properties that files, directories and templates share, and reads and applies
 * them.
 */
import * as z from 'zod'
import type { FileStat, Host, HostReader, WriteOptions } from '../../core/host/types.ts'
import { fileMode } from '../../core/model/units.ts'

export const ownershipProps = {
  mode: fileMode
    .optional()
    .describe('Permissions as four octal digits; default: unchanged, or 0644 (directories 0755) for a new one'),
  owner: z
    .string()
    .min(1)
    .optional()
    .describe('Account that owns it; default: unchanged, or the account of the run for a new one'),
  group: z
    .string()
    .min(1)
    .optional()
    .describe('Group that owns it; default: unchanged, or the group of the run for a new one'),
}

export const ownershipState = {
  mode: z.string().nullable(),
  owner: z.string().nullable(),
  group: z.string().nullable(),
}

export interface OwnershipProps {
  readonly mode?: string | undefined
  readonly owner?: string | undefined
  readonly group?: string | undefined
}

export interface OwnershipState {
  readonly mode: string | null
  readonly owner: string | null
  readonly group: string | null
}

/** The state of what does not exist. */
export const noOwnership: OwnershipState = { mode: null, owner: null, group: null }

/** Returns the owner and group of files for an account: its own group unless another one is named. */
export function fileOwner(
  host: HostReader,
  { user, group }: { readonly user?: string | undefined; readonly group?: string | undefined },
): Pick<WriteOptions, 'owner' | 'group'> {
  const account = user === undefined ? null : host.account(user)
  return { owner: user, group: group ?? (account === null ? undefined : host.groupById(account.gid)?.name) }
}

/** Reads only what the properties declare: anything else may have any value. */
export function readOwnership(host: HostReader, props: OwnershipProps, stat: FileStat): OwnershipState {
  return {
    mode: props.mode === undefined ? null : stat.mode,
    owner: props.owner === undefined ? null : (host.accountById(stat.uid)?.name ?? `${stat.uid}`),
    group: props.group === undefined ? null : (host.groupById(stat.gid)?.name ?? `${stat.gid}`),
  }
}

export function desiredOwnership(props: OwnershipProps): OwnershipState {
  return { mode: props.mode ?? null, owner: props.owner ?? null, group: props.group ?? null }
}

/** Changes only what differs. */
export function applyOwnership(host: Host, path: string, now: OwnershipState, props: OwnershipProps): void {
  const owner = props.owner === now.owner ? undefined : props.owner
  const group = props.group === now.group ? undefined : props.group
  if (owner !== undefined || group !== undefined) host.setOwner(path, owner, group)
  if (props.mode !== undefined && props.mode !== now.mode) host.setMode(path, props.mode)
}
