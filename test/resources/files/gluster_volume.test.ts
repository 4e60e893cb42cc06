/** Tests volumes of GlusterFS with a stand-in for its command. */
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { gluster_volume } from '../../../resources/files/gluster_volume.ts'
import { contract, planOf } from '../../support/contract.ts'

const props = { name: 'blobs', self: '10.0.0.1', servers: ['10.0.0.1'], brick: '/srv/brick' }
const options = { 'auth.allow': '10.0.0.1' }
const path = '/volume'

/** Stores the volume in a file: `Brick1: a:/b`, `Status: Started`, options. */
const commands: CommandHandler = (argv, _, host) => {
  if (argv[0] !== 'gluster') return null
  const [, , area, action, name, ...words] = argv
  const text = host.readText(path)
  if (area !== 'volume') return { status: 1 }
  if (action === 'info')
    return text === null ? { status: 1, stderr: `Volume ${name} does not exist` } : { stdout: text }
  const bricks = words.filter((word) => word.includes(':/')).map((word, index) => `Brick${index + 1}: ${word}\n`)
  if (action === 'create') host.given(path, `Status: Created\n${bricks.join('')}`)
  if (action === 'start') host.given(path, (text ?? '').replace('Created', 'Started'))
  if (action === 'set') host.given(path, `${text}${words[0]}: ${words[1]}\n`)
  return {}
}
const host = { commands }
const given = (text: string) => (host: VirtualHost) => void host.given(path, text)

contract(t, gluster_volume, [
  {
    name: 'creates the volume and starts it',
    props: { ...props, options },
    host,
    changes: ['add /options/auth.allow', 'add /bricks/0 = "10.0.0.1:/srv/brick"', 'replace /started = true'],
    then: (t, host) =>
      t.equal(host.readText(path), 'Status: Started\nBrick1: 10.0.0.1:/srv/brick\nauth.allow: 10.0.0.1\n'),
  },
  {
    name: 'leaves a volume alone whose bricks are on servers that are away, with other options',
    props: { ...props, servers: ['10.0.0.1', '10.0.0.2'] },
    host,
    given: given('Status: Started\nBrick1: 10.0.0.2:/srv/brick\nBrick2: 10.0.0.1:/srv/brick\nnfs.disable: on\n'),
    changes: [],
  },
  {
    name: 'starts a stopped volume',
    props,
    host: { commands: (argv, o, host) => commands(argv, o, host) },
    given: given('Status: Created\nBrick1: 10.0.0.1:/srv/brick\n'),
    changes: ['replace /started = true'],
  },
  {
    name: 'fails if the daemon does not run',
    props,
    host: { commands: (argv) => (argv[0] === 'gluster' ? { status: 1, stderr: 'Connection failed.' } : null) },
    fails: /gluster cannot read the volume.*start the daemon before this/s,
  },
])

t.test('refuses what the command would take for something else', async (t) => {
  for (const wrong of [
    { name: '-x' + ' y' },
    { servers: ['a b'] },
    { self: 'a/b' },
    { options: { '-x': 'y' } },
    { options: { x: '-y' } },
  ])
    t.throws(() => planOf((r) => gluster_volume(r, { ...props, ...wrong })), JSON.stringify(wrong))
})
