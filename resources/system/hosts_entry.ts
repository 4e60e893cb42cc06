/** Manages the address of host names in /etc/hosts. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { requiredUnlessAbsent } from '../../core/model/unless_absent.ts'
import { predictLines, readLines } from '../files/text_lines.ts'

const hostName = z
  .string()
  .max(253)
  .regex(/^[A-Za-z0-9_]([\w-]*\w)?(\.[A-Za-z0-9_]([\w-]*\w)?)*$/, { error: 'a host name, such as db1.example.com' })

const props = requiredUnlessAbsent(
  z.strictObject({
    names: z.array(hostName).min(1).describe('The names that resolve to the address, the canonical name first'),
    address: z
      .union([z.ipv4(), z.ipv6()], { error: 'an IPv4 or IPv6 address' })
      .optional()
      .describe('Their address. Other addresses of the same family are removed; required unless absent'),
    absent: z.boolean().optional().describe('Remove the names with all their addresses instead; default false'),
    file: absolutePath.default('/etc/hosts').describe('Path of the file; default /etc/hosts'),
  }),
  'address',
)
type Props = z.output<typeof props>

/** By name: its addresses of the declared family, in the order of the file. */
const state = z.record(z.string(), z.array(z.string()))
type State = z.output<typeof state>

interface Entry {
  readonly address: string
  readonly names: readonly string[]
  /** With its blank and `#`. */
  readonly comment: string
}

function parseEntry(line: string): Entry {
  const [, text = '', comment = ''] = /^([^#]*?)(\s*#.*)?$/.exec(line) ?? []
  const [address = '', ...names] = text.trim().split(/\s+/)
  return { address, names, comment }
}

const isIPv6 = (address = '') => address.includes(':')
const isLoopback = (address: string) => /^127\.|^(0*:)+0*1$/.test(address)

/** Whether an entry of the file competes with the declaration: one of another family does not. */
function competes({ address }: Entry, props: Props): boolean {
  return props.address === undefined || isIPv6(address) === isIPv6(props.address)
}

const isNamed = (name: string, names: readonly string[]) =>
  names.some((other) => other.toLowerCase() === name.toLowerCase())

/** Returns the lines with the names only where they are declared. A line that needs no change stays as it is. */
function changedLines(lines: readonly string[], props: Props): string[] {
  const { address, names, absent } = props
  const target = [...new Set(names)]
  const others = lines.flatMap((line) => {
    const entry = parseEntry(line)
    if (!competes(entry, props) || !entry.names.some((name) => isNamed(name, target))) return [line]
    if (!absent && entry.address === address) return [line]
    const others = entry.names.filter((name) => !isNamed(name, target))
    return others.length === 0 ? [] : [`${entry.address}\t${others.join(' ')}${entry.comment}`]
  })
  if (absent || address === undefined) return others
  const present = others.map(parseEntry).filter((entry) => entry.address === address)
  const missing = target.filter((name) => !present.some((entry) => isNamed(name, entry.names)))
  return missing.length === 0 ? others : [...others, `${address}\t${missing.join(' ')}`]
}

function change(host: HostReader, props: Props) {
  const before = readLines(host, props.file)
  return { before, lines: changedLines(before.lines, props), ownership: { mode: null, owner: null, group: null } }
}

export const hosts_entry = defineResource(
  {
    type: 'hosts_entry',
    doc: 'Keeps host names at one address in /etc/hosts, or removes them. Other names and lines stay as they are.',
    mirrors: 'hosts(5)',
    examples: [
      { address: '10.0.0.5', names: ['db1.example.com', 'db1'] },
      { names: ['old-db'], absent: true },
    ],
    reach: 'paths',
    key: ({ names, address = '', file }) =>
      `${names.join(' ')}${isIPv6(address) ? ' (IPv6)' : ''}${file === '/etc/hosts' ? '' : ` in ${file}`}`,
    props,
    state,
  },
  {
    read(host, props): State {
      const entries = readLines(host, props.file)
        .lines.map(parseEntry)
        .filter((entry) => competes(entry, props))
      const addresses = (name: string) => [
        ...new Set(entries.filter(({ names }) => isNamed(name, names)).map(({ address }) => address)),
      ]
      return Object.fromEntries(props.names.map((name) => [name, addresses(name)]))
    },
    desired({ names, address, absent }): State {
      if (names.some((name) => name.toLowerCase() === 'localhost') && (absent || !isLoopback(address ?? '')))
        throw new ConvergeError(`localhost must resolve to a loopback address${absent ? '' : `, not to ${address}`}`, {
          code: 'RESERVED_NAME',
          hint: 'programs of this host rely on localhost: declare another name',
        })
      return Object.fromEntries(names.map((name) => [name, absent || address === undefined ? [] : [address]]))
    },
    apply: (host, props) => predictLines(host, { path: props.file }, change(host, props)),
    paths: ({ file }) => [file],
  },
)
