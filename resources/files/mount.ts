/** Manages a line of /etc/fstab, and that its file system is mounted. */
import * as z from 'zod'
import { mountAnswer, readMounts, silentAfter, unreachableMount } from '../../core/host/network_mounts.ts'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { requiredUnlessAbsent } from '../../core/model/unless_absent.ts'
import { fstabField, parseFstabField } from '../../core/text/fstab.ts'
import { requireRoot } from '../accounts/account_files.ts'
import { numbers, predictLines, readLines } from './text_lines.ts'

const table = '/proc/self/mounts'
const fstab = '/etc/fstab'

/** The options that a remount changes and that the kernel reports for every file system. */
const flagNames = ['ro', 'noexec', 'nosuid', 'nodev', 'noatime', 'sync']

const field = z.string().regex(/^[^\n\r\0]+$/, { error: 'a text on one line' })

const props = requiredUnlessAbsent(
  z.strictObject({
    path: absolutePath
      .refine((path) => path === '/' || !path.endsWith('/'), { error: 'a path without a slash at its end' })
      .describe('The directory; it is created if it is missing'),
    device: field
      .optional()
      .describe('Device, UUID=..., LABEL=..., a directory of a server or tmpfs; required unless absent'),
    type: z
      .string()
      .regex(/^[\w.-]+$/, { error: 'a type of file system, such as ext4' })
      .optional()
      .describe('Type of the file system; required unless absent'),
    options: z
      .array(z.string().regex(/^[^\s,#\\]+$/, { error: 'one option, without commas and blanks' }))
      .min(1)
      .default(['defaults'])
      .describe(
        'Options of mount(8); default: defaults. Use nofail unless the host must not boot without it, and _netdev for a server',
      ),
    pass: z.int().min(0).max(2).default(0).describe('Order of the check at boot, as in fstab(5); default 0, no check'),
    sealed: z
      .boolean()
      .optional()
      .describe(
        'Let no program write below the directory while it is not mounted, and refuse to hide files there; default false',
      ),
    absent: z.boolean().optional().describe('Unmount it and remove the line instead; default false'),
  }),
  'device',
  'type',
)
type Props = z.output<typeof props>

const state = z.strictObject({
  /** The line of /etc/fstab, with single blanks; null without one. */
  fstab: z.string().nullable(),
  mounted: z.boolean(),
  /** False if the program behind a FUSE mount has ended. */
  connected: z.boolean(),
  flags: z.array(z.string()),
})
type State = z.output<typeof state>

function declaredLine({ device = '', path, type = '', options, pass }: Props): string {
  return `${fstabField(device)} ${fstabField(path)} ${type} ${options.join(',')} 0 ${pass}`
}

/** Returns the index of the line for the directory, or -1. */
function lineOf(lines: readonly string[], path: string): number {
  const indices = lines.flatMap((line, index) => {
    const [device = '', at = ''] = line.trim().split(/\s+/)
    return device !== '' && !device.startsWith('#') && parseFstabField(at) === path ? [index] : []
  })
  if (indices.length > 1)
    throw new ConvergeError(`${fstab} has several lines for ${path}: ${numbers(indices)}`, {
      code: 'AMBIGUOUS',
      hint: `remove all lines for ${path} except one from ${fstab}`,
    })
  return indices[0] ?? -1
}

function normalizedLine(line: string): string {
  const [device = '', at = '', type = '', options = 'defaults', dump = '0', pass = '0'] = line.trim().split(/\s+/)
  return [device, at, type, options, dump, pass].join(' ')
}

function writeFstab(host: Host, props: Props): void {
  const before = readLines(host, fstab)
  const index = lineOf(before.lines, props.path)
  const lines = before.lines.filter((_, at) => at !== index)
  if (!props.absent) lines.splice(index < 0 ? lines.length : index, 0, declaredLine(props))
  predictLines(host, { path: fstab }, { before, lines, ownership: { mode: null, owner: null, group: null } })
}

function makeDirectories(host: Host, path: string): void {
  if (path === '' || host.stat(path) !== null) return
  makeDirectories(host, path.slice(0, path.lastIndexOf('/')))
  host.makeDirectory(path, { mode: '0755' })
}

function requireRights(host: HostReader, { path, absent }: Props): void {
  requireRoot(host, [[absent ? 'umount' : 'mount', path]])
}

export const mount = defineResource(
  {
    type: 'mount',
    doc: 'Keeps a file system in /etc/fstab and mounted; or unmounted. A changed option such as ro applies at once, another device or type only after it was unmounted.',
    mirrors: "Chef's mount resource, Ansible's mount; fstab(5), mount(8)",
    examples: [
      { path: '/srv/blobs', device: 'nas1:/export/blobs', type: 'nfs4', options: ['_netdev', 'nofail', 'noatime'] },
      { path: '/srv/data', device: 'UUID=2c0f7c6e', type: 'ext4', options: ['nofail'], pass: 2 },
    ],
    reach: 'system',
    key: ({ path }) => path,
    props,
    state,
  },
  {
    async read(host, { path }): Promise<State> {
      const { lines } = readLines(host, fstab)
      const index = lineOf(lines, path)
      const mounted = readMounts(host).findLast(({ mountPoint: at }) => at === path)
      return {
        fstab: index < 0 ? null : normalizedLine(lines[index] ?? ''),
        mounted: mounted !== undefined,
        connected: mounted === undefined || (await isConnected(host, path, mounted.type)),
        flags: flagNames.filter((flag) => mounted?.options.includes(flag)),
      }
    },
    desired(props): State {
      if (props.absent) return { fstab: null, mounted: false, connected: true, flags: [] }
      const flags = flagNames.filter((flag) => props.options.includes(flag))
      return { fstab: declaredLine(props), mounted: true, connected: true, flags }
    },
    async apply(host, props, { now, desired }, context) {
      requireRights(host, props)
      // Commands that remount or unmount it would wait for the server.
      if (now.mounted && (await mountAnswer(host, props.path)) === 'silent')
        throw unreachableMount(
          `the file system mounted at ${props.path} has not answered within ${silentAfter} seconds`,
        )
      if (props.absent) {
        if (now.mounted) await unmount(host, props.path)
        return writeFstab(host, props)
      }
      if (!now.connected) await host.run(['umount', '-l', props.path])
      else if (!now.mounted) makeDirectories(host, props.path)
      writeFstab(host, props)
      if (!now.mounted || !now.connected) {
        if (props.sealed) await seal(host, props.path)
        await host.run(['mount', props.path])
      } else if (now.flags.join() !== desired.flags.join()) await host.run(['mount', '-o', 'remount', props.path])
      noteOldMount(props, now, context)
    },
    predict(host, props, { now, desired }, context) {
      requireRights(host, props)
      if (!props.absent && !now.mounted) makeDirectories(host, props.path)
      writeFstab(host, props)
      const others = (host.readText(table) ?? '').split('\n').filter((line) => line !== '')
      const remaining = others.filter((line) => parseFstabField(line.split(' ')[1] ?? '') !== props.path)
      const line = `${fstabField(props.device ?? 'none')} ${fstabField(props.path)} ${props.type} ${desired.flags.join(',')} 0 0`
      host.writeFile(table, `${[...remaining, ...(props.absent ? [] : [line])].join('\n')}\n`)
      if (!now.mounted && !props.absent) host.unknown(props.path, context.name)
      noteOldMount(props, now, context)
    },
    paths: () => [fstab],
  },
)

/**
 * While no server answers, the client of GlusterFS behaves like one that has ended, but it reconnects automatically. Another
 * mount instead of it would leave the running programs on the former one.
 */
async function isConnected(host: HostReader, path: string, type: string): Promise<boolean> {
  if ((await mountAnswer(host, path)) !== 'disconnected') return true
  if (type !== 'fuse.glusterfs') return false
  const { status, stdout } = await host.query(['pgrep', '-a', '-x', 'glusterfs'], { accept: 'any' })
  return status === 0 && stdout.split('\n').some((line) => line.endsWith(` ${path}`))
}

/**
 * Closes a directory that nothing is mounted on: without it, a program that starts before the mount writes to the disk of
 * the host, and the mount hides what it wrote.
 */
async function seal(host: Host, path: string): Promise<void> {
  // Some file systems have no such flag; the owner and the mode then keep out every account but root.
  await host.run(['chattr', '-i', path], { accept: 'any' })
  const file = firstFile(host, path)
  if (file !== null)
    throw new ConvergeError(`${path} is not mounted, and has files that a mount would hide, such as ${file}`, {
      code: 'IN_THE_WAY',
      hint: `move them away, run again, and copy them into the mount: mv ${path} ${path}.before`,
    })
  for (const name of host.list(path)) host.remove(`${path}/${name}`)
  host.setOwner(path, 'root', 'root')
  host.setMode(path, '0555')
  await host.run(['chattr', '+i', path], { accept: 'any' })
}

function firstFile(host: HostReader, path: string): string | null {
  for (const name of host.list(path)) {
    const below = `${path}/${name}`
    const found = host.lstat(below)?.kind === 'directory' ? firstFile(host, below) : below
    if (found !== null) return found
  }
  return null
}

async function unmount(host: Host, path: string): Promise<void> {
  const { status, stdout, stderr } = await host.run(['umount', path], { accept: 'any' })
  if (status === 0) return
  throw new ConvergeError(`cannot unmount ${path}: exit status ${status}`, {
    code: 'COMMAND_FAILED',
    output: `${stdout}${stderr}`,
    hint: `stop the programs that use it, which this shows: fuser -vm ${path}`,
  })
}

function noteOldMount({ path, device = '', type = '' }: Props, now: State, { note }: Context): void {
  if (!now.mounted || now.fstab === null) return
  const [before, , typeBefore] = now.fstab.split(' ')
  if (before === fstabField(device) && typeBefore === type) return
  note(
    `${path} stays mounted as before until the next boot; to use the new line of ${fstab}: umount ${path} && mount ${path}`,
  )
}
