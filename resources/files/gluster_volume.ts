/** Manages a replicated GlusterFS volume from one of its servers: peers, bricks, options; nothing is ever removed. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath, minutes, seconds } from '../../core/model/units.ts'

const daemonPort = 24_007

const server = z.string().regex(/^[\w.:-]+$/, { error: 'a host name or an address' })

const props = z.strictObject({
  name: z
    .string()
    .regex(/^[\w-]{1,64}$/, { error: 'letters, digits, - and _, 64 at most' })
    .describe('Name of the volume'),
  self: server.describe('This server, as the others know it'),
  servers: z
    .array(server)
    .min(1)
    .describe('All servers, this one included; one that does not answer yet is added by a later run'),
  brick: absolutePath.describe('Directory of the brick on each server'),
  options: z
    .record(z.string().regex(/^[a-z][\w.-]*$/), z.string().regex(/^[^\s-][^\n\r\0]*$/))
    .default({})
    .describe('Options of the volume; others stay as they are; default: none'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  started: z.boolean(),
  /** One on each server, as `server:directory`. */
  bricks: z.array(z.string()),
  /** The declared options only. */
  options: z.record(z.string(), z.string()),
  /** The declared servers that answer. */
  answering: z.array(z.string()),
})
type State = z.output<typeof state>

export const gluster_volume = defineResource(
  {
    type: 'gluster_volume',
    doc: 'Keeps a replicated volume with a copy on each of its servers; servers that join get a copy, and none is removed.',
    mirrors: "Ansible's gluster_volume and gluster_peer; gluster(8)",
    examples: [{ name: 'blobs', self: '10.0.0.11', servers: ['10.0.0.11', '10.0.0.12'], brick: '/srv/gluster/brick' }],
    reach: 'system',
    key: ({ name }) => name,
    props,
    state,
  },
  {
    async read(host, props): Promise<State> {
      const answering = await answeringServers(host, props)
      const { status, stdout, stderr } = await host.query(gluster('volume', 'info', props.name), { accept: 'any' })
      if (status !== 0) {
        if (/does not exist/.test(stdout + stderr)) return { started: false, bricks: [], options: {}, answering }
        throw unavailable(stdout + stderr)
      }
      return { ...parseVolume(stdout, props), answering }
    },
    desired({ brick, options }, now): State {
      const wanted = now.answering.map((one) => `${one}:${brick}`)
      const bricks = [...now.bricks, ...wanted.filter((one) => !now.bricks.includes(one))]
      return { ...now, started: true, bricks, options: { ...now.options, ...options } }
    },
    async apply(host, props, { now, desired }, { note }) {
      const added = desired.bricks.filter((one) => !now.bricks.includes(one))
      for (const brick of added) await joinServer(host, props, serverOf(brick))
      await addBricks(host, props, now.bricks, added)
      if (!now.started) await host.run(gluster('volume', 'start', props.name))
      for (const [option, value] of Object.entries(desired.options))
        if (now.options[option] !== value) await host.run(gluster('volume', 'set', props.name, option, value))
      if (now.bricks.length > 0 && added.length > 0) await host.run(gluster('volume', 'heal', props.name, 'full'))
      const silent = props.servers.filter((one) => !now.answering.includes(one))
      if (silent.length > 0)
        note(`${silent.join(', ')} do not answer at port ${daemonPort}, and have no copy of ${props.name} yet`)
    },
    predict: () => undefined,
  },
)

function gluster(...words: readonly string[]): string[] {
  return ['gluster', '--mode=script', ...words]
}

async function answeringServers(host: HostReader, { self, servers }: Props): Promise<string[]> {
  const answers = await Promise.all(servers.map((one) => one === self || host.listening(daemonPort, one)))
  return servers.filter((_, index) => answers[index])
}

function parseVolume(text: string, { options }: Props): Omit<State, 'answering'> {
  const values = new Map(
    text.split('\n').flatMap((line) => {
      const [, key, value] = /^([\w.-]+): (.*)$/.exec(line.trim()) ?? []
      return key === undefined ? [] : [[key, value?.trim() ?? ''] as const]
    }),
  )
  const bricks = [...values].flatMap(([key, value]) => (/^Brick\d+$/.test(key) ? [value.replace(/ \(.*\)$/, '')] : []))
  const declared = Object.keys(options).flatMap((key) => (values.has(key) ? [[key, values.get(key) ?? '']] : []))
  return { started: values.get('Status') === 'Started', bricks, options: Object.fromEntries(declared) }
}

function serverOf(brick: string): string {
  return brick.slice(0, brick.indexOf(':/'))
}

/** Adds a server to the pool, and waits until its daemon takes part: bricks of others are refused. */
async function joinServer(host: Host, { self }: Props, server: string): Promise<void> {
  if (server === self) return
  await host.run(gluster('peer', 'probe', server))
  for (let tries = 0; tries < 60; tries++) {
    const { stdout } = await host.query(gluster('pool', 'list'))
    if (stdout.split('\n').some((line) => line.split(/\s+/)[1] === server && /\sConnected\b/.test(line))) return
    await host.sleep(seconds(0.5))
  }
  throw new ConvergeError(`the GlusterFS server ${server} was added, and has not connected within 30 seconds`, {
    code: 'NO_SERVER',
    hint: `on ${server}, see /var/log/glusterfs/glusterd.log; open port ${daemonPort} between the servers`,
  })
}

async function addBricks(host: Host, { name }: Props, present: readonly string[], added: readonly string[]) {
  if (added.length === 0) return
  const count = present.length + added.length
  const replica = count > 1 ? ['replica', String(count)] : []
  const words = present.length === 0 ? ['create', name, ...replica] : ['add-brick', name, ...replica]
  // The brick may be on the disk of the system, as in the cookbook.
  await host.run(gluster('volume', ...words, ...added, 'force'), { timeout: minutes(5) })
}

function unavailable(output: string): ConvergeError {
  return new ConvergeError('gluster cannot read the volume', {
    code: 'NO_SERVER',
    output,
    hint: "start the daemon before this: service(r, { name: 'glusterd' })",
  })
}
