/** Manages a swap file: its size, its line in /etc/fstab, and that the kernel uses it. */
import { dirname } from 'node:path'
import * as z from 'zod'
import { resolvedPath } from '../../core/host/resolved_path.ts'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { describeFileKind, inTheWay } from '../../core/model/file_errors.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath, minutes } from '../../core/model/units.ts'
import { requiredUnlessAbsent } from '../../core/model/unless_absent.ts'
import { fstabField, parseFstabField } from '../../core/text/fstab.ts'
import { requireRoot } from '../accounts/account_files.ts'
import { numbers, predictLines, readLines } from './text_lines.ts'

const table = '/proc/swaps'
const fstab = '/etc/fstab'
const mebibyte = 1024 * 1024

const size = z.string().regex(/^[1-9]\d*\s?[MG](iB)?$/, { error: 'a size in MiB or GiB, such as 512M or 2G' })

const props = requiredUnlessAbsent(
  z.strictObject({
    path: absolutePath.describe('Path of the swap file; its directory must exist'),
    size: size.optional().describe('Size of the file in MiB or GiB, such as 512M or 2G; required unless absent'),
    priority: z
      .int()
      .min(0)
      .max(32_767)
      .optional()
      .describe('Priority among several swap areas, a higher one is used first; default: the kernel chooses'),
    absent: z.boolean().optional().describe('Stop its use and remove file and line instead; default false'),
  }),
  'size',
)
type Props = z.output<typeof props>

const state = z.strictObject({
  /** Bytes of the file; null without one. */
  size: z.number().nullable(),
  /** Its mode and owner; null without a file. */
  access: z.string().nullable(),
  /** The line of /etc/fstab, with single blanks; null without one. */
  fstab: z.string().nullable(),
  /** Whether the kernel uses it. */
  active: z.boolean(),
  /** Its priority; null unless it is active and a priority is declared. */
  priority: z.number().nullable(),
})
type State = z.output<typeof state>

function bytesOf(size: string): number {
  const [, count = '', unit] = /^(\d+)\s?([MG])/.exec(size) ?? []
  return Number(count) * mebibyte * (unit === 'G' ? 1024 : 1)
}

function declaredLine({ path, priority }: Props): string {
  return `${fstabField(path)} none swap ${priority === undefined ? 'sw' : `sw,pri=${priority}`} 0 0`
}

function lineOf(lines: readonly string[], path: string): number {
  const indices = lines.flatMap((line, index) => {
    const [device = '', , type] = line.trim().split(/\s+/)
    return type === 'swap' && !device.startsWith('#') && parseFstabField(device) === path ? [index] : []
  })
  if (indices.length > 1)
    throw new ConvergeError(`${fstab} has several lines for ${path}: ${numbers(indices)}`, {
      code: 'AMBIGUOUS',
      hint: `remove all lines for ${path} except one from ${fstab}`,
    })
  return indices[0] ?? -1
}

function writeFstab(host: Host, props: Props): void {
  const before = readLines(host, fstab)
  const index = lineOf(before.lines, props.path)
  if (index < 0 && props.absent) return
  const lines = before.lines.filter((_, at) => at !== index)
  if (!props.absent) lines.splice(index < 0 ? lines.length : index, 0, declaredLine(props))
  predictLines(host, { path: fstab }, { before, lines, ownership: { mode: null, owner: null, group: null } })
}

interface ActiveArea {
  readonly path: string
  readonly priority: number
}

function activeAreas(host: HostReader): ActiveArea[] {
  const [, ...lines] = (host.readText(table) ?? '').trim().split('\n')
  return lines.map((line) => {
    const [path = '', , , , priority = ''] = line.split(/\s+/)
    return { path: parseFstabField(path), priority: Number(priority) }
  })
}

/** Decides whether a file has the signature that mkswap writes at the end of its first page of memory. */
function hasSignature(host: HostReader, path: string): boolean {
  return [4096, 16_384, 65_536].some(
    (page) => host.readBytes(path, { from: page - 10, limit: 10 })?.toString('latin1') === 'SWAPSPACE2',
  )
}

function readArea(host: HostReader, { path }: Props): Pick<State, 'size' | 'access'> {
  const stat = host.lstat(path)
  if (stat === null) return { size: null, access: null }
  if (stat.kind !== 'file')
    throw inTheWay(`${path} is ${describeFileKind(stat.kind)}, but a swap file was declared`, path)
  if (!hasSignature(host, path)) throw inTheWay(`${path} is a file, and no swap area: it may hold data`, path)
  return { size: stat.size, access: `${stat.mode} ${host.accountById(stat.uid)?.name ?? stat.uid}` }
}

/** Creates the area beside its final path, so that a killed run leaves no incomplete area there. */
async function makeArea(host: Host, { path, size = '' }: Props, context: Context): Promise<void> {
  if (host.stat(dirname(path))?.kind !== 'directory')
    throw new ConvergeError(`cannot make the swap file: the directory ${dirname(path)} does not exist`, {
      code: 'NO_DIRECTORY',
      hint: 'declare it with directory() before this',
    })
  const building = `${path}.converge-new`
  host.remove(building)
  host.writeFile(building, '', { mode: '0600' })
  context.progress(`allocating ${size}`)
  try {
    // fallocate would be faster, but some file systems leave holes then, which the kernel refuses.
    const blocks = ['bs=1M', `count=${bytesOf(size) / mebibyte}`, 'conv=fsync', 'status=none']
    await host.run(['dd', 'if=/dev/zero', `of=${building}`, ...blocks], { timeout: minutes(60) })
    await host.run(['mkswap', building])
  } catch (error) {
    host.remove(building)
    throw error
  }
  host.rename(building, path)
}

async function deactivate(host: Host, path: string): Promise<void> {
  // The kernel moves the content of the area to memory, which may take long.
  const { status, stdout, stderr } = await host.run(['swapoff', path], { accept: 'any', timeout: minutes(60) })
  if (status === 0) return
  throw new ConvergeError(`cannot stop the use of the swap file ${path}: exit status ${status}`, {
    code: 'COMMAND_FAILED',
    output: `${stdout}${stderr}`,
    hint: 'free memory until the content of the swap file fits there: free -m shows both',
  })
}

async function activate(host: Host, { path, priority }: Props, isNew: boolean): Promise<void> {
  const options = priority === undefined ? [] : ['--priority', `${priority}`]
  const { status, stdout, stderr } = await host.run(['swapon', ...options, path], { accept: 'any' })
  if (status === 0) return
  // A file that no kernel uses would only fill the disk.
  if (isNew) host.remove(path)
  const isRefused = /Operation not permitted/.test(stderr)
  throw new ConvergeError(`the kernel does not use the swap file ${path}: exit status ${status}`, {
    code: 'COMMAND_FAILED',
    output: `${stdout}${stderr}`,
    hint: isRefused
      ? 'declare no swap for a container: the host of the container decides'
      : `choose a path on ext4 or xfs: findmnt --target ${dirname(path)} shows the file system`,
  })
}

function requireRights(host: HostReader, { path, absent }: Props): void {
  requireRoot(host, [[absent ? 'swapoff' : 'swapon', path]])
}

/** Decides whether the area must be inactive for a change. */
const mustDeactivate = (now: State, desired: State) =>
  now.active && (!desired.active || now.size !== desired.size || now.priority !== desired.priority)

export const swap = defineResource(
  {
    type: 'swap',
    doc: 'Keeps a swap file of a size in use, and in /etc/fstab; or removes it.',
    mirrors: "Chef's swap_file resource; mkswap(8), swapon(8), fstab(5)",
    examples: [
      { path: '/swapfile', size: '2G' },
      { path: '/mnt/swap', size: '512M', priority: 10 },
    ],
    reach: 'system',
    key: ({ path }) => path,
    props,
    state,
  },
  {
    read(host, props): State {
      const { lines } = readLines(host, fstab)
      const index = lineOf(lines, props.path)
      const real = resolvedPath(host, props.path)
      const active = activeAreas(host).find(({ path }) => path === real)
      return {
        ...readArea(host, props),
        fstab: index < 0 ? null : (lines[index] ?? '').trim().split(/\s+/).join(' '),
        active: active !== undefined,
        priority: props.priority === undefined ? null : (active?.priority ?? null),
      }
    },
    desired(props): State {
      if (props.absent) return { size: null, access: null, fstab: null, active: false, priority: null }
      return {
        size: bytesOf(props.size ?? ''),
        access: '0600 root',
        fstab: declaredLine(props),
        active: true,
        priority: props.priority ?? null,
      }
    },
    async apply(host, props, { now, desired }, context) {
      requireRights(host, props)
      const { path } = props
      const isStopped = mustDeactivate(now, desired)
      if (isStopped) await deactivate(host, path)
      if (props.absent) {
        writeFstab(host, props)
        return host.remove(path)
      }
      const isNew = now.size !== desired.size
      if (isNew) await makeArea(host, props, context)
      else if (now.access !== desired.access) {
        host.setOwner(path, 'root', undefined)
        host.setMode(path, '0600')
      }
      if (!now.active || isStopped) await activate(host, props, isNew)
      if (now.fstab !== desired.fstab) writeFstab(host, props)
    },
    predict(host, props, { now, desired }, context) {
      requireRights(host, props)
      writeFstab(host, props)
      const real = resolvedPath(host, props.path)
      const header = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority'
      const [, ...lines] = (host.readText(table) ?? header).trim().split('\n')
      const others = lines.filter((line) => parseFstabField(line.split(/\s+/)[0] ?? '') !== real)
      const line = `${fstabField(real)} file ${(desired.size ?? 0) / 1024} 0 ${props.priority ?? -2}`
      host.writeFile(table, `${[header, ...others, ...(props.absent ? [] : [line])].join('\n')}\n`)
      if (props.absent) host.remove(props.path)
      else if (now.size !== desired.size) host.unknown(props.path, context.name)
    },
    paths: ({ path }) => [path, fstab],
  },
)
