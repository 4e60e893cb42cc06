/** Proves the hints about arguments of the stack commands and records of a stack: triggers each, then follows it. */
import t from 'tap'
import { offeredAlgorithms } from '../../core/fleet/ssh/algorithms.ts'
import { proveCalls, proveCommands } from '../support/proofs.ts'

const stack = {
  name: 'shop',
  layers: { app: { roles: ['base'] } },
  hosts: {
    web1: { address: '127.0.0.1', port: 1, layers: ['app'] },
    old1: { address: '127.0.0.1', port: 2, layers: ['app'], status: 'stopped' },
  },
}
const scm = { repository: '/srv/site.git' }
const text = (change: object = {}): string => JSON.stringify({ ...stack, ...change })
const key = `ssh-ed25519 ${Buffer.concat([Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0 '), Buffer.alloc(32, 7)]).toString('base64')}`
const files = { 'stack.json': text() }
/** The repaired command gets as far as the host, where no sshd listens. */
const reaches = 'web1'

t.test('the hints about finding the stack file work', async (t) => {
  const source = 'core/cli/stack/inputs.ts'
  proveCommands(t, [
    {
      source,
      hint: 'name one with --stack FILE; without it, the command reads …',
      files: { 'shop.json': text() },
      broken: 'stack check',
      repaired: 'stack check --stack shop.json',
    },
    {
      source,
      hint: 'name one of them: --stack …',
      files: { ...files, 'stack.yaml': text() },
      broken: 'stack check',
      repaired: 'stack check --stack stack.yaml',
    },
    {
      source: 'core/fleet/stack/file.ts',
      hint: 'check --stack FILE: relative paths start at the working directory, @',
      files,
      broken: 'stack check --stack shop.json',
      repaired: 'stack check --stack stack.json',
    },
    {
      source: 'core/cli/stack/show.ts',
      hint: 'give --graph a file in an existing directory that this account may write to',
      files,
      broken: 'stack show --stack stack.json --graph none/graph.svg',
      repaired: 'stack show --stack stack.json --graph graph.svg',
    },
    {
      source: 'core/fleet/stack/file.ts',
      hint: 'name the file itself, such as --stack …',
      files: { 'shop/stack.yaml': text() },
      broken: 'stack check --stack shop',
      repaired: 'stack check --stack shop/stack.yaml',
    },
    {
      source: 'core/fleet/stack/file.ts',
      hint: 'export default defineStack({ name: …, layers: …, hosts: … })',
      files: { 'stack.ts': 'export const shop = {}\n' },
      broken: 'stack check --stack stack.ts',
      changed: {
        'stack.ts': `import { defineStack } from 'converge-engine'\nexport default defineStack(${text()})\n`,
      },
    },
  ])
})

t.test('the hints about hosts, layers and apps work', async (t) => {
  const source = 'core/cli/stack/select.ts'
  const deploying = text({
    layers: { app: { roles: ['zeo-server', 'zeo-client'] } },
    apps: { zeoserver: { scm }, plone_instances: { scm } },
  })
  proveCommands(t, [
    {
      source,
      hint: 'there are: app',
      files,
      broken: 'stack configure --layer qqqqqqqq',
      repaired: 'stack configure --layer app',
      reaches,
    },
    {
      source,
      hint: 'remove its status from the stack file first',
      files,
      broken: 'stack configure --host old1 --limit old1',
      changed: { 'stack.json': text().replace(',"status":"stopped"', '') },
      reaches: 'old1',
    },
    {
      source,
      hint: 'the hosts of the stack: web1; stopped, or shut down until setup or --host names them: old1',
      files,
      broken: 'stack configure --limit old1',
      repaired: 'stack configure --limit web1',
      reaches,
    },
    {
      source,
      hint: 'name the app with --app NAME: zeoserver, plone_instances',
      files: { 'stack.json': deploying },
      broken: 'stack deploy --revision v2',
      repaired: 'stack deploy --revision v2 --app zeoserver',
      reaches,
    },
    {
      source: 'core/cli/stack/participants.ts',
      hint: 'give one of their layers a role that deploys an app of the stack file; converge stack check prints what is missing',
      files,
      broken: 'stack deploy',
      changed: { 'stack.json': deploying },
      reaches,
    },
    {
      source: 'core/cli/stack/requested_host.ts',
      hint: 'there are: web1, old1',
      files: { ...files, 'key.pub': key },
      broken: 'stack userdata',
      repaired: 'stack userdata web1 --authorized-key key.pub',
    },
    {
      source: 'core/cli/stack/userdata.ts',
      hint: 'give --output a file in a directory that exists and that you may write to',
      files: { ...files, 'key.pub': key },
      broken: 'stack userdata web1 --authorized-key key.pub --output none/web1.yaml',
      repaired: 'stack userdata web1 --authorized-key key.pub --output web1.yaml',
    },
    {
      source: 'core/fleet/ssh/new_host.ts',
      hint: 'name a public key with --authorized-key FILE, or set "identity" for the host in the stack file',
      files: { ...files, 'key.pub': key },
      broken: 'stack userdata web1',
      repaired: 'stack userdata web1 --authorized-key key.pub',
    },
    {
      source: 'core/fleet/ssh/new_host.ts',
      hint: 'give the file that ends in .pub, or one like ~/.ssh/authorized_keys',
      files: { ...files, key: '-----BEGIN OPENSSH PRIVATE KEY-----', 'key.pub': key },
      broken: 'stack userdata web1 --authorized-key key',
      repaired: 'stack userdata web1 --authorized-key key.pub',
    },
    {
      source: 'core/fleet/ssh/jump.ts',
      hint: 'write [user@]host[:port], several with commas between them, the nearest one first; or none',
      files: { 'stack.json': text({ ssh: { jump: 'admin@gate:ssh' } }), 'key.pub': key },
      broken: 'stack userdata web1 --authorized-key key.pub',
      changed: { 'stack.json': text({ ssh: { jump: 'admin@gate:22' } }) },
    },
  ])
})

t.test('the hints about runs and hooks work', async (t) => {
  const source = 'core/cli/stack/rollout_request.ts'
  proveCommands(t, [
    {
      source,
      hint: 'name an event, a role or role::event, such as converge stack run restart',
      files,
      broken: 'stack run',
      repaired: 'stack run base',
      reaches,
    },
    {
      source,
      hint: 'add --event rollback: converge stack plan --event rollback --to …',
      files,
      broken: 'stack plan --to c0ffee12',
      repaired: 'stack plan --event rollback --to c0ffee12',
      reaches,
    },
    {
      source,
      hint: 'omit the option',
      files,
      broken: 'stack plan --event rollback --explain',
      repaired: 'stack plan --event rollback',
      reaches,
    },
    { source, hint: 'there are: …', files, broken: 'stack run qqqqqqqq', repaired: 'stack run setup', reaches },
    {
      source: 'core/fleet/planning/host_count.ts',
      hint: 'for example --batch 2 or --batch 25%',
      files,
      broken: 'stack run setup --batch none',
      repaired: 'stack run setup --batch 25%',
      reaches,
    },
    {
      source: 'core/cli/stack/hooks.ts',
      hint: 'converge stack hooks install, remove or show',
      files,
      broken: 'stack hooks qqqqqqqqq',
      repaired: 'stack hooks show',
      reaches,
    },
    {
      source: 'core/cli/stack/hooks.ts',
      hint: 'converge stack hooks install --interval 5m',
      files,
      broken: 'stack hooks show --interval 5m',
      repaired: 'stack hooks install --interval 5m',
      reaches,
    },
    {
      source: 'core/cli/command_line/parse.ts',
      hint: 'hosts are chosen by --host web1, --layer or --app',
      files,
      broken: 'stack configure web1',
      repaired: 'stack configure --host web1',
      reaches,
    },
    {
      source: 'core/cli/command_line/parse.ts',
      hint: 'converge stack check --help shows what there is',
      files,
      broken: 'stack check web1',
      repaired: 'stack check --help',
    },
  ])
})

t.test('the hints about agents and the control plane work', async (t) => {
  const agent = 'core/cli/commands/agent.ts'
  /** The repaired command gets as far as the bus, which nobody has started. */
  const reachesBus = 'converge control'
  proveCommands(t, [
    {
      source: agent,
      hint: 'converge agent --help explains them',
      files,
      broken: 'agent elsewhere --stack stack.json',
      repaired: 'agent list --stack stack.json',
      reaches: reachesBus,
    },
    {
      source: agent,
      hint: 'name the host: converge agent revoke HOST',
      files,
      broken: 'agent revoke --stack stack.json',
      repaired: 'agent revoke web1 --stack stack.json',
      reaches: reachesBus,
    },
    {
      source: agent,
      hint: 'give the token that converge agent invite has printed, or - to read it',
      broken: 'agent enrol --state-dir @/agent',
      repaired: 'agent enrol elsewhere --state-dir @/agent',
      reaches: 'converge agent invite',
    },
    {
      source: 'core/cli/commands/control.ts',
      hint: 'for example --listen 0.0.0.0:4222',
      files,
      broken: 'control --listen nowhere --stack stack.json --nats-server @/none',
      repaired: 'control --listen 127.0.0.1:4222 --stack stack.json --nats-server @/none',
      reaches: '/none',
    },
  ])
})

t.test('the hint about algorithms of SSH works', async (t) => {
  const names = ['aes128-ctr', 'aes256-ctr']
  const library = {
    SUPPORTED_KEX: [],
    DEFAULT_KEX: [],
    SUPPORTED_SERVER_HOST_KEY: [],
    DEFAULT_SERVER_HOST_KEY: [],
    SUPPORTED_CIPHER: names,
    DEFAULT_CIPHER: names,
    SUPPORTED_MAC: [],
    DEFAULT_MAC: [],
    SUPPORTED_COMPRESSION: [],
    DEFAULT_COMPRESSION: [],
  }
  const offered = (ciphers: string) => () =>
    offeredAlgorithms(library, { cipher: { values: [ciphers], source: { file: 'config' } } }, [])
  proveCalls(t, [
    {
      source: 'core/fleet/ssh/algorithms.ts',
      hint: 'name at least one of …',
      broken: offered('rot13'),
      repaired: offered('aes256-ctr'),
    },
  ])
})
