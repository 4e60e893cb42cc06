/**
 * Tests `converge stack userdata`: a new host receives the operator's key and a host key, but no secrets of the stack.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { needs } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'

const secret = 'correct horse battery staple'

function sandboxWithStack(t: Test) {
  const sandbox = new Sandbox(t)
  const host = { address: '10.0.0.21', layers: ['all'] }
  const key = (name: string) => {
    const pair = sandbox.at(name)
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', pair])
    return readFileSync(`${pair}.pub`, 'utf8').trim()
  }
  const keys = { own: key('own'), other: key('other') }
  sandbox.write({
    'stack.json': JSON.stringify({
      name: 'shop',
      layers: { all: { roles: [] } },
      custom_json: { site: { password: secret } },
      apps: { shop: { scm: { repository: 'https://git.example.com/shop.git', password: secret } } },
      ssh: { identity: sandbox.at('own'), user: 'admin' },
      hosts: {
        web1: { ...host, port: 2222 },
        web2: { ...host, address: '10.0.0.22', user: 'root' },
        web3: { ...host, address: '10.0.0.23', sudo: 'password' },
        web4: { ...host, address: '10.0.0.24', prefix: '/home/admin/site' },
        // In YAML 1.1, which cloud-init reads, none of these is a text without quotes.
        no: { ...host, address: '10.0.0.25', user: 'on' },
        '2026-11-21': { ...host, address: '10.0.0.26', user: '0o17' },
        web_5: { ...host, address: '10.0.0.27' },
      },
      environments: { other: { name: 'two\u2028lines: true' } },
    }),
    'home/.ssh/config': `UserKnownHostsFile ${sandbox.at('known_hosts')}\nHashKnownHosts no\n`,
  })
  const run = (...words: string[]) =>
    sandbox.converge(['stack', 'userdata', ...words], { bare: true, env: { HOME: sandbox.at('home') } })
  return { sandbox, keys, run }
}

const body = (key: string) => key.split(' ').slice(0, 2).join(' ')

t.test('creates the account of the stack file, with its permissions', async (t) => {
  const { sandbox, keys, run } = sandboxWithStack(t)
  const account = async (name: string, ...more: string[]) => {
    const { status, stdout, stderr } = await run(name, ...more)
    t.equal(status, 0, stderr)
    t.match(stdout, /^#cloud-config\n/)
    t.notOk(stdout.includes(secret))
    t.match(stdout, `converge stack setup --host ${name} --accept-new`)
    const data = parse(stdout)
    t.equal(data.hostname, name)
    t.notOk('ssh_keys' in data)
    return { data, stderr, user: data.users[0] }
  }
  const first = await account('web1')
  t.match(first.user, { name: 'admin', sudo: 'ALL=(ALL:ALL) NOPASSWD: ALL', ssh_authorized_keys: [body(keys.own)] })
  t.match(first.data.write_files, [{ content: 'PasswordAuthentication no\nPort 2222\n' }])
  t.match(await account('web2'), {
    data: { disable_root: false, write_files: [{ content: 'PasswordAuthentication no\n' }] },
    user: { name: 'root' },
  })
  const result = await account('web3')
  t.match(result.user, { sudo: 'ALL=(ALL:ALL) ALL', lock_passwd: false })
  t.match(result.stderr, /the account has none yet/)
  t.notOk('sudo' in (await account('web4')).user)
  const other = await account('web1', '--authorized-key', sandbox.at('other.pub'))
  t.strictSame(other.user.ssh_authorized_keys, [keys.other])
})

t.test('names the next command, and refuses names that are not host names', async (t) => {
  const { sandbox, run } = sandboxWithStack(t)
  const all = await run('web1', '--stack', sandbox.at('stack.json'), '--environment', 'other')
  const next = `converge stack setup --stack ${sandbox.at('stack.json')} --environment other --host web1 --accept-new`
  t.equal(all.stdout.split('\n')[1], `# web1 of the stack two lines: true. When it is up: ${next}`)
  const invalid = await run('web_5')
  t.match(invalid, { status: 0, stderr: /"web_5" is not a valid host name \(letters, digits and dashes\)/ })
  t.notMatch(parse(invalid.stdout), { hostname: /./ })
})

t.test('creates a host key, and stores it as known before the host exists', async (t) => {
  const { sandbox, run } = sandboxWithStack(t)
  const { status, stdout, stderr } = await run('web1', '--host-key', '--output', sandbox.at('web1.yaml'))
  t.match({ status, stdout }, { status: 0, stdout: '' }, stderr)
  t.equal(statSync(sandbox.at('web1.yaml')).mode & 0o777, 0o600)
  const text = readFileSync(sandbox.at('web1.yaml'), 'utf8')
  t.notMatch(text, '--accept-new')
  const { ssh_keys: keys } = parse(text)
  writeFileSync(sandbox.at('key'), keys.ed25519_private, { mode: 0o600 })
  const derived = execFileSync('ssh-keygen', ['-y', '-f', sandbox.at('key')], { encoding: 'utf8' })
  t.equal(body(derived.trim()), body(keys.ed25519_public))
  t.equal(readFileSync(sandbox.at('known_hosts'), 'utf8'), `[10.0.0.21]:2222 ${body(keys.ed25519_public)}\n`)
  t.match(stderr, /^web1 is known by its new key from now on/)
  const shell = `umask 022; "$@" > ${sandbox.at('open.yaml')}`
  const through = { bare: true, env: { HOME: sandbox.at('home') }, through: ['sh', '-c', shell, 'sh'] }
  const open = await sandbox.converge(['stack', 'userdata', 'web2', '--host-key'], through)
  t.match(open, {
    status: 0,
    stderr: /^warning: the private key of the host is in a file that others may read: chmod 600/,
  })
  const again = await run('web1', '--host-key', '--output', sandbox.at('again.yaml'))
  t.match(again, { status: 2, stderr: /knows, as \[10\.0\.0\.21\]:2222\n.*ssh-keygen -R/ })
  t.notOk(existsSync(sandbox.at('again.yaml')))
})

t.test('cloud-init accepts the file', async (t) => {
  if (!needs(t, ['cloud-init'])) return
  const { sandbox, run } = sandboxWithStack(t)
  const names = ['web1', 'web2', 'web3', 'web4', 'no', '2026-11-21', 'web_5']
  for (const name of names) {
    const file = sandbox.at(`${name}.yaml`)
    t.equal((await run(name, '--host-key', '--output', file)).status, 0)
    t.match(execFileSync('cloud-init', ['schema', '--config-file', file], { encoding: 'utf8' }), /^Valid /, name)
  }
})

t.test('refuses invalid arguments', async (t) => {
  const { sandbox, run } = sandboxWithStack(t)
  sandbox.write({ empty: '# nothing\n' })
  const refused: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /missing argument HOST/],
    [['wbe1'], /has no host wbe1\n.*did you mean web1/],
    [['web1', '--authorized-key', sandbox.at('own')], /this is a private key/],
    [['web1', '--authorized-key', sandbox.at('empty')], /there is no public key in it/],
    [['web1', '--authorized-key', sandbox.at('stack.json')], /key 1 is not a public key/],
    [['web1', '--authorized-key', sandbox.at('nowhere')], /no such file or directory/],
    [['web1', '--output', sandbox.at('nowhere/file')], /cannot write/],
  ]
  for (const [words, message] of refused) t.match(await run(...words), { status: 2, stderr: message }, words.join(' '))
})
