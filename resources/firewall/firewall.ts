/** Manages the packet filter of the host: a table of nftables that is loaded at once and at boot; or its absence. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { requireRoot } from '../accounts/account_files.ts'
import { verifyContent } from '../files/verify.ts'
import { refuseMasked } from '../services/managers/masked_unit.ts'
import { runsSystemd, Systemd, SystemdReader } from '../services/managers/system.ts'
import { admits, isOpen, rule, rulesetText, source, table } from './ruleset.ts'
import { type SshPort, sshPorts } from './ssh_clients.ts'

const file = '/etc/nftables.d/converge.nft'
/** The unit of Debian loads /etc/nftables.conf, which removes all tables: the file of converge is loaded after it. */
const dropIn = '/etc/systemd/system/nftables.service.d/converge.conf'
const dropInText = `# Written by converge.
[Service]
ExecStart=/usr/sbin/nft -f ${file}
ExecReload=/usr/sbin/nft -f ${file}
`

const props = z.strictObject({
  policy: z
    .enum(['drop', 'reject', 'accept'])
    .default('drop')
    .describe('Policy for other incoming packets: drop (default), reject with an answer, or accept'),
  allow: z
    .array(rule)
    .default([])
    .describe(
      'Incoming connections that are accepted: ports (numbers and ranges such as 8000-8010) and services. The protocol is tcp (default) or udp; `from` has addresses and networks, by default any. A rule with only `from` accepts all of it',
    ),
  blocked: z.array(source).optional().describe('Addresses and networks whose packets are dropped; default: none'),
  ping: z.boolean().default(true).describe('Whether the host answers pings; default true'),
  forward: z
    .enum(['drop', 'accept'])
    .optional()
    .describe('Policy for packets that the host would forward; default: this table does not filter them'),
  allowLockout: z
    .boolean()
    .optional()
    .describe('Also close the port of SSH, or keep connected clients of SSH out. Default false: refuse to'),
  absent: z.boolean().optional().describe('Remove the table and its file instead; default false'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  /** The file of rules; null without it. */
  content: z.string().nullable(),
  /** The rules of the kernel: those of the file, others, or none. */
  running: z.enum(['as declared', 'others', 'none']),
  /** Whether the rules are loaded at boot; null if systemd does not run. */
  boot: z.boolean().nullable(),
  /** Whether the unit nftables starts at boot; null if it is not known, or stays as it is. */
  enabled: z.boolean().nullable(),
  ssh: z.array(z.object({ port: z.number(), clients: z.array(z.string()) })),
})
type State = z.output<typeof state>

const recordKey = 'firewall rules'

export const firewall = defineResource(
  {
    type: 'firewall',
    doc: 'Keeps a packet filter of nftables with a policy and exceptions, at once and after the next boot, in the table `inet converge`. Other tables stay: a packet must pass all of them.',
    mirrors: "Chef's firewall cookbook, Ansible's ufw and firewalld; nft(8)",
    examples: [
      { allow: [{ services: ['ssh', 'http', 'https'] }] },
      {
        allow: [
          { services: ['ssh'], from: ['203.0.113.0/24', '2001:db8::/32'], comment: 'office' },
          { ports: [8080, '9000-9010'], from: ['10.0.0.0/8'] },
        ],
        policy: 'reject',
      },
      { absent: true },
    ] as z.input<typeof props>[],
    reach: 'system',
    key: () => table,
    props,
    state,
  },
  {
    async read(host, props): Promise<State> {
      requireRoot(host, [['nft', 'list', 'ruleset']])
      requireNft(host)
      const content = host.readText(file)
      const listing = await list(host)
      const known = content !== null && listing !== null && host.recorded(recordKey) === digestOf([content, listing])
      return {
        content,
        running: listing === null ? 'none' : known ? 'as declared' : 'others',
        ...(await readBoot(host, props)),
        ssh: props.absent ? [] : sshPorts(host).map(({ port, clients }) => ({ port, clients: [...clients] })),
      }
    },
    desired(props, now): State {
      if (props.absent)
        return { content: null, running: 'none', boot: now.boot === null ? null : false, enabled: null, ssh: [] }
      if (!props.allowLockout) for (const port of now.ssh) refuseLockout(props, port)
      return {
        content: rulesetText(props),
        running: 'as declared',
        boot: now.boot === null ? null : true,
        enabled: now.enabled === null ? null : true,
        ssh: now.ssh,
      }
    },
    async apply(host, props, { now, desired }, context) {
      if (props.absent) {
        if (now.running !== 'none') await host.run(['nft', 'delete', 'table', ...table.split(' ')])
        host.remove(file)
      } else if (now.content !== desired.content || now.running !== desired.running)
        await load(host, desired.content ?? '', context)
      if (now.boot === desired.boot && now.enabled === desired.enabled) return
      const systemd = new Systemd(host)
      writeDropIn(host, props)
      await systemd.refresh()
      if (desired.enabled !== now.enabled) await systemd.setEnabled('nftables', true)
    },
    predict(host, props, { now, desired }) {
      if (props.absent) host.remove(file)
      else writeRules(host, desired.content ?? '')
      if (now.boot !== desired.boot) writeDropIn(host, props)
    },
    paths: () => [file, dropIn],
    files: (props) => (props.absent ? [] : [{ path: file, content: rulesetText(props), mode: '0644' }]),
  },
)

function requireNft(host: HostReader): void {
  if (host.which('nft') !== null) return
  throw new ConvergeError('nftables is not installed: there is no program nft on this host', {
    code: 'NO_PROGRAM',
    hint: "declare it before this: packages(r, { names: ['nftables'] })",
  })
}

/** Returns the table as the kernel has it, without counters; null if there is none. */
async function list(host: HostReader): Promise<string | null> {
  const command = ['nft', '--stateless', '--numeric', 'list', 'table', ...table.split(' ')]
  const { status, stdout, stderr } = await host.query(command, { accept: 'any' })
  if (status === 0) return stdout
  if (/No such file or directory/.test(stderr)) return null
  throw new ConvergeError('the rules of the kernel cannot be read', {
    code: 'COMMAND_FAILED',
    attempted: command.join(' '),
    output: stderr,
  })
}

async function readBoot(host: HostReader, props: Props): Promise<Pick<State, 'boot' | 'enabled'>> {
  if (!runsSystemd(host)) return { boot: null, enabled: null }
  const text = host.readText(dropIn)
  if (props.absent) return { boot: text !== null, enabled: null }
  const status = await new SystemdReader(host).status('nftables')
  if (status.enabled === false) refuseMasked(host, 'nftables', status, 'enable')
  return { boot: text === dropInText, enabled: status.enabled }
}

function refuseLockout(props: Props, { port, clients }: SshPort): void {
  if (!isOpen(props, port))
    throw new ConvergeError(`the firewall would close port ${port}, the one of SSH`, {
      code: 'LOCKOUT',
      hint: `add to allow: { ports: [${port}] }; or set allowLockout: true if nobody needs SSH to this host`,
    })
  const client = clients.find((client) => !admits(props, { port, client }))
  if (client === undefined) return
  throw new ConvergeError(`the firewall would keep ${client} out, which is connected by SSH now`, {
    code: 'LOCKOUT',
    hint: `add its network to the rule: { ports: [${port}], from: ['${client}'] }; or set allowLockout: true`,
  })
}

/** Nothing is changed before nft has accepted the whole file, and then the kernel replaces the table in one step. */
async function load(host: Host, content: string, context: Context): Promise<void> {
  makeDirectory(host, file)
  await verifyContent(host, { path: file, verify: { command: ['nft', '-c', '-f', '%{path}'] } }, content, context)
  writeRules(host, content)
  await host.run(['nft', '-f', file])
  host.record(recordKey, digestOf([content, await list(host)]))
}

function writeRules(host: Host, content: string): void {
  makeDirectory(host, file)
  host.writeFile(file, content, { mode: '0644' })
}

function writeDropIn(host: Host, { absent }: Props): void {
  if (absent) return host.remove(dropIn)
  makeDirectory(host, dropIn)
  host.writeFile(dropIn, dropInText, { mode: '0644' })
}

function makeDirectory(host: Host, path: string): void {
  const directory = path.slice(0, path.lastIndexOf('/'))
  if (host.stat(directory) === null) host.makeDirectory(directory, { mode: '0755' })
}
