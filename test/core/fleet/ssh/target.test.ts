/** Tests the target of a connection: values of the stack take precedence over ssh_config. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { type HostAddress, resolveTarget } from '../../../../core/fleet/ssh/target.ts'
import { readUserConfig } from '../../../../core/fleet/ssh/user_config.ts'

/** Makes a home directory with an ssh_config, and the files that it includes. */
function makeHome(t: Test, config: string, files: Record<string, string> = {}) {
  const home = mkdtempSync(join(tmpdir(), 'home-'))
  t.teardown(() => rmSync(home, { recursive: true }))
  for (const [name, text] of Object.entries({ '.ssh/config': config, system: '', ...files })) {
    mkdirSync(dirname(join(home, name)), { recursive: true })
    writeFileSync(join(home, name), text)
  }
  return home
}

/** Reads the ssh_config of the user ann, and returns a function that resolves the target of a host. */
async function resolver(t: Test, config: string, files?: Record<string, string>) {
  const home = makeHome(t, config, files)
  const read = await readUserConfig({ home, user: 'ann', agent: '/agent', systemFile: join(home, 'system') })
  const target = (host: Partial<HostAddress> = {}) => resolveTarget({ name: 'web1', address: 'web1', ...host }, read)
  return { home, target, warnings: read.warnings }
}

t.test('refuses a configuration of millions of lines', async (t) => {
  await t.rejects(resolver(t, 'Host x\n'.repeat(3_000_000)), {
    code: 'FILE_TOO_LARGE',
    message: /\/\.ssh\/config: it has 21,000,000 bytes, more than the limit of 4 MiB$/,
  })
})

t.test('without a configuration, uses the defaults of ssh', async (t) => {
  const { home, target } = await resolver(t, '')
  t.same(target({ address: '10.0.0.1' }), {
    name: 'web1',
    configuredAs: '10.0.0.1',
    address: '10.0.0.1',
    port: 22,
    user: 'ann',
    knownAs: ['10.0.0.1'],
    certifiedAs: '10.0.0.1',
    identities: ['id_ed25519', 'id_ecdsa', 'id_rsa', 'id_ed25519_sk', 'id_ecdsa_sk'].map((name) => ({
      file: `${home}/.ssh/${name}`,
      from: 'default',
    })),
    identitiesOnly: false,
    agent: '/agent',
    jump: null,
    knownHosts: {
      user: [`${home}/.ssh/known_hosts`, `${home}/.ssh/known_hosts2`],
      system: ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2'],
      hash: false,
    },
    connectTimeout: null,
    algorithms: {},
  })
  const nowhere = await readUserConfig({ home: '/nonexistent', user: 'ann', agent: null, systemFile: '/nonexistent' })
  t.match(resolveTarget({ name: 'a', address: 'a' }, nowhere), { port: 22, agent: null })
})

t.test('uses the first value of each keyword for a host', async (t) => {
  const { home, target } = await resolver(
    t,
    `Host web*
      HostName %h.example.org
      Port=2222
      User deploy
      IdentityFile ~/.ssh/%h-%r
      IdentityFile "/keys/with blank"
      IdentitiesOnly yes
      UserKnownHostsFile ~/known /dev/null
      ConnectTimeout 7
    Host *
      Port 99
      identityfile %d/last
      HashKnownHosts yes`,
    { system: 'User nobody\nGlobalKnownHostsFile none\n' },
  )
  t.match(target(), {
    address: 'web1.example.org',
    port: 2222,
    user: 'deploy',
    knownAs: ['[web1.example.org]:2222', 'web1.example.org'],
    certifiedAs: 'web1.example.org',
    identities: [
      { file: `${home}/.ssh/web1.example.org-deploy`, from: 'config' },
      { file: '/keys/with blank', from: 'config' },
      { file: `${home}/last`, from: 'config' },
    ],
    identitiesOnly: true,
    knownHosts: { user: [`${home}/known`, '/dev/null'], system: [], hash: true },
    connectTimeout: 7,
  })
  t.match(target({ address: 'db1' }), { address: 'db1', port: 99, user: 'nobody', identitiesOnly: false })
})

t.test('the stack file overrides ssh_config', async (t) => {
  const { home, target } = await resolver(
    t,
    'Host *\n Port 99\n User deploy\n IdentityFile ~/.ssh/own\n ProxyJump bastion',
  )
  const resolved = target({ port: 2200, user: 'root', identity: '~/stack_key', jump: 'none' })
  t.match(resolved, { port: 2200, user: 'root', jump: null })
  t.same(resolved.identities, [
    { file: `${home}/stack_key`, from: 'stack' },
    { file: `${home}/.ssh/own`, from: 'config' },
  ])
  t.match(target({ port: 22, jump: 'none' }).knownAs, ['web1'])
  t.match(target({ identity: '/k', jump: 'none' }).identities, [{ file: '/k' }, { file: `${home}/.ssh/own` }])
})

t.test('reads HostKeyAlias and IdentityAgent', async (t) => {
  process.env.OTHER_AGENT_OF_TEST = '/other'
  t.teardown(() => delete process.env.OTHER_AGENT_OF_TEST)
  const { home, target } = await resolver(
    t,
    `Host web1\n HostKeyAlias Cluster\n Port 2222\n IdentityAgent none
     Host web2\n IdentityAgent ~/.agent/%u
     Host web3\n IdentityAgent $OTHER_AGENT_OF_TEST
     Host web4\n IdentityAgent SSH_AUTH_SOCK`,
  )
  t.match(target(), { knownAs: ['cluster'], certifiedAs: 'cluster', agent: null })
  t.equal(target({ address: 'web2' }).agent, `${home}/.agent/ann`)
  t.equal(target({ address: 'web3' }).agent, '/other')
  t.equal(target({ address: 'web4' }).agent, '/agent')
})

t.test('expands the host, this computer and the environment in file names', async (t) => {
  process.env.KEYS_OF_TEST = '/run/keys'
  t.teardown(() => delete process.env.KEYS_OF_TEST)
  const { home, target } = await resolver(
    t,
    `Host web1\n HostName 10.0.0.1
     Host web2\n HostKeyAlias cluster
     Host *
       UserKnownHostsFile ~/.ssh/known.d/%k ~/.ssh/known_hosts
       IdentityFile \${KEYS_OF_TEST}/%i-%L
       IdentityAgent \${KEYS_OF_TEST}/agent`,
  )
  const [short = ''] = hostname().split('.')
  t.match(target(), {
    knownHosts: { user: [`${home}/.ssh/known.d/web1`, `${home}/.ssh/known_hosts`] },
    identities: [{ file: `/run/keys/${process.getuid?.()}-${short}` }],
    agent: '/run/keys/agent',
  })
  t.match(target({ address: 'web2' }).knownHosts.user, [`${home}/.ssh/known.d/cluster`])
})

t.test('applies ssh_config to each jump host', async (t) => {
  const { target } = await resolver(
    t,
    `Host inner\n ProxyJump gate
     Host gate\n HostName gate.example.org\n User jumper\n ProxyJump outer,bob@[fd00::1]:2022
     Host direct\n ProxyJump none
     Host plain\n ProxyCommand none
     Host *\n Port 2200`,
  )
  const resolved = target({ address: 'inner' })
  t.match(resolved.jump, { name: 'gate', address: 'gate.example.org', user: 'jumper', port: 2200 })
  t.match(resolved.jump?.jump, { address: 'fd00::1', user: 'bob', port: 2022, knownAs: ['[fd00::1]:2022', 'fd00::1'] })
  t.match(resolved.jump?.jump?.jump, { address: 'outer', user: 'ann', jump: null })
  t.equal(target({ address: 'direct' }).jump, null)
  t.equal(target({ address: 'plain' }).jump, null)
  t.match(target({ address: 'inner', jump: 'eve@outer:1' }).jump, {
    address: 'outer',
    user: 'eve',
    port: 1,
    jump: null,
  })
})

t.test('reads Match sections, and included files in the place of their Include', async (t) => {
  const { target, warnings } = await resolver(
    t,
    `Include conf.d/*.conf ~/absent
     Host web*
       HostName www.example.org
       Include more
     Match host www.example.org !user root
       Port 1001
     Match originalhost db1,db2 localuser ann
       Port 1002
     Match exec "true"
       Port 1003
       User other
     Match final all
       GSSAPIAuthentication yes
     Match all
       ConnectTimeout 5`,
    {
      '.ssh/conf.d/b.conf': 'Host web2\nUser second\n',
      '.ssh/conf.d/a.conf': 'Host web2\nUser first\n',
      '.ssh/conf.d/c.txt': 'User wrong\n',
      '.ssh/more': 'IdentityFile /more\nHost web9\nPort 9\n',
    },
  )
  t.match(target(), { port: 1001, user: 'ann', connectTimeout: 5, identities: [{ file: '/more' }] })
  t.match(target({ user: 'root' }), { port: 22, user: 'root' })
  t.match(target({ address: 'web2' }), { user: 'first' })
  t.match(target({ address: 'web9' }), { port: 9 })
  t.match(target({ address: 'db2' }), { port: 1002 })
  t.match(target({ address: 'db3' }), { port: 22, identities: [{ from: 'default' }, {}, {}, {}, {}] })
  t.match([...warnings], [/config:9: Match exec is not evaluated: its section does not count$/])
  t.equal(warnings.size, 1, 'sections without settings of the connection cause no warning')
})

t.test('reports a mistake in ssh_config with its line', async (t) => {
  const fails = async (config: string, message: RegExp, line = 2, files?: Record<string, string>) => {
    const resolve = async () => (await resolver(t, config, files)).target()
    await t.rejects(resolve(), { code: 'SSH_CONFIG_INVALID', usage: true, message, source: { line } }, config)
  }
  await fails('Host *\n Port many', /^Port many: expected a number from 1 to 65535$/)
  await fails('Host *\n Port', /^port has no value$/)
  await fails('Host *\n IdentityFile "/a', /^a quote is not closed$/)
  await fails('Host *\n IdentityFile ~/%x', /%x is not known here, only %% %h %n /)
  await fails('Host *\n HostName %n', /%n is not known here, only %% %h$/)
  await fails(
    `Host *\n IdentityFile \${NO_SUCH_VARIABLE_OF_TEST}/key`,
    /the environment variable NO_SUCH_VARIABLE_OF_TEST is not set/,
  )
  await fails('Host *\n ProxyJump a:b', /'a:b' is not a list of jump hosts/)
  await fails('Host *\n ProxyJump "gate"', /'"gate"' is not a list of jump hosts/)
  await fails('Host *\n Port 22 23', /^port has more than one value: 22 23$/)
  await fails('Host *\n IdentitiesOnly maybe', /^'maybe': expected yes or no$/)
  await fails('Host *\n ConnectTimeout 5x', /^'5x': expected a time/)
  await fails('Host *\n IdentityFile ~bob/key', /~bob\/key: converge expands ~\/ only/)
  await fails('Host *\n Include ~bob/config', /~bob\/config: converge expands ~\/ only/)
  await fails('Match all\nMatch all host web1', /'all' cannot be combined/)
  await fails('\nMatch host', /^Match host has no value$/)
  await fails('Host *\n ProxyJump gate', /gate goes through gate/)
  await fails('Host *\n ProxyCommand nc %h %p', /ProxyCommand is not followed here/)
  await fails('Host *\n Include config', /more than 16 deep/)
  const { target } = await resolver(t, '')
  t.throws(() => target({ jump: 'a b@' }), { code: 'BAD_ADDRESS', message: /host web1: jump: 'a b@'/ })
})

t.test('an Include accepts all glob patterns, and ignores a directory', async (t) => {
  const files = {
    '.ssh/conf.d/10-a.conf': 'Host web1\n User deploy\n Port 2201\n',
    '.ssh/conf.d/x.conf': 'Host web2\n Port 1\n',
    '.ssh/conf.d/.hidden.conf': 'Host web2\n Port 2\n',
    '.ssh/conf.d/{a}.conf': 'Host web3\n Port 3\n',
    '.ssh/conf.d/deep/b.conf': 'Host web2\n Port 4\n',
  }
  const port = async (include: string, address = 'web1') =>
    (await resolver(t, `Include ${include}\n`, files)).target({ address }).port
  for (const include of ['conf.d/[0-9]*.conf', 'conf.d/[[:digit:]]?-[!b-z].conf', 'conf.d/[1]0-a.conf', 'conf.d/*'])
    t.equal(await port(include), 2201, include)
  for (const include of ['conf.d/[a-z]*.conf', 'conf.d/[!0-9]*.conf', 'conf.d/{10-a,x}.conf', 'conf.d/1[', 'conf.d'])
    t.equal(await port(include), 22, include)
  t.equal(await port('conf.d/{a}.conf', 'web3'), 3)
  t.equal(await port('conf.d/[.]hidden.conf', 'web2'), 22, 'a set does not match a leading dot')
})

t.test('warns about settings that it does not follow, for the hosts that they concern', async (t) => {
  const { target, warnings } = await resolver(
    t,
    `Host web1\n AddressFamily inet6\n BindAddress 10.0.0.9\n RevokedHostKeys /etc/revoked\n ForwardAgent yes
     Host web2\n CanonicalizeHostname yes\n PubkeyAuthentication yes`,
  )
  target({ address: 'web3' })
  t.equal(warnings.size, 0)
  target()
  t.match([...warnings], [/config:2: addressfamily inet6 is not followed/, /:3: bindaddress/, /:4: revokedhostkeys/])
  target({ address: 'web2' })
  t.equal(warnings.size, 4)
})

t.test('reads times and flags, and the first of ProxyJump and ProxyCommand', async (t) => {
  const { target } = await resolver(
    t,
    `Host web1\n ConnectTimeout 1m30s\n IdentitiesOnly TRUE\n ProxyCommand none\n ProxyJump gate
     Host web2\n ConnectTimeout none\n ProxyJump none\n ProxyJump gate
     Host web4\n ProxyJump none\n ProxyCommand nc x
     Host web3\n ProxyCommand nc x\n ProxyJump gate
     Host *\n ConnectTimeout 5s`,
  )
  t.match(target(), { connectTimeout: 90, identitiesOnly: true, jump: null })
  t.match(target({ address: 'web2' }), { connectTimeout: 5, jump: null })
  for (const address of ['web3', 'web4'])
    t.throws(() => target({ address }), { code: 'SSH_CONFIG_INVALID', message: /ProxyCommand is not followed/ })
})
