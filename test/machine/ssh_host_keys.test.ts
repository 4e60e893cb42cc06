/** Tests the keys of real sshds: known, new, changed, revoked, hashed, and certified by an authority. */
import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ConnectOptions } from '../../core/fleet/ssh/connect.ts'
import { runSimple } from '../../core/fleet/ssh/simple_command.ts'
import { needs, scratch } from '../support/machine.ts'
import { type Operator, type OwnSshd, operator, ownSshd } from './support/own_sshd.ts'
import { certify, type Key, newKey } from './support/ssh_keys.ts'

const can = needs(t, ['root', 'sshd'])
const test = (name: string, run: (t: Test) => Promise<void>) => t.test(name, { skip: !can }, run)

/** Returns the error that prevents a connection; null if it succeeds. */
async function connectionError(user: Operator, sshd: OwnSshd, options: Partial<ConnectOptions> = {}, host = {}) {
  const connector = user.connector(options)
  const target = await user.target(sshd, host)
  return connector.connect(target).then(
    (connection) => connection.close().then(() => null),
    (error) => error,
  )
}

const acceptNew = { hostKeys: 'accept-new' } as const
const fingerprintOf = ({ file }: Key) =>
  spawnSync('ssh-keygen', ['-lf', `${file}.pub`])
    .stdout.toString()
    .split(' ')[1]

test('refuses an unknown host; with accept-new, stores its key once', async (t) => {
  const user = await operator(t)
  const sshd = await ownSshd(t, { authorized: [user.key] })
  const fingerprint = fingerprintOf(sshd.hostKey)
  t.match(await connectionError(user, sshd), {
    code: 'HOST_KEY_UNKNOWN',
    usage: true,
    message: `web1 (${sshd.name}): unknown host key ssh-ed25519 ${fingerprint}`,
    hint: new RegExp(
      `ssh_host_ed25519_key.pub.*--accept-new, or add the output of ssh-keyscan -p ${sshd.port} 127.0.0.1`,
    ),
  })
  t.notOk(sshd.log().includes('Accepted'), 'nobody has logged in')
  t.equal(await connectionError(user, sshd, acceptNew), null)
  t.same(user.newHosts, [
    { name: 'web1', address: '127.0.0.1', type: 'ssh-ed25519', fingerprint, file: user.knownHosts },
  ])
  t.equal(readFileSync(user.knownHosts, 'utf8'), `${sshd.name} ${sshd.hostKey.line}\n`)
  t.equal(statSync(user.knownHosts).mode & 0o777, 0o600)
  t.equal(await connectionError(user, sshd), null, 'the key is known')
  t.equal(await connectionError(user, sshd, acceptNew), null)
  t.equal(user.newHosts.length, 1, 'the new host is reported once')
})

test('hashes names with HashKnownHosts, and stores nothing without a file', async (t) => {
  const user = await operator(t)
  const sshd = await ownSshd(t, { authorized: [user.key] })
  user.setConfig('HashKnownHosts yes')
  t.equal(await connectionError(user, sshd, acceptNew), null)
  t.match(readFileSync(user.knownHosts, 'utf8'), /^\|1\|\S+\|\S+ ssh-ed25519 /)
  t.equal(spawnSync('ssh-keygen', ['-F', sshd.name, '-f', user.knownHosts]).status, 0, 'ssh-keygen finds the entry')
  t.equal(await connectionError(user, sshd), null)
  user.setKnownHosts(`${sshd.name} ${sshd.hostKey.line}`, `other ${sshd.hostKey.line}`)
  spawnSync('ssh-keygen', ['-q', '-H', '-f', user.knownHosts])
  t.equal(await connectionError(user, sshd), null, 'an entry that ssh-keygen has hashed')
  user.setConfig('UserKnownHostsFile none')
  t.match(await connectionError(user, sshd), { code: 'HOST_KEY_UNKNOWN' })
  t.equal(await connectionError(user, sshd, acceptNew), null)
  t.match(user.newHosts.at(-1), { file: null })
  user.setConfig(`UserKnownHostsFile none\nGlobalKnownHostsFile ${user.knownHosts}`)
  t.equal(await connectionError(user, sshd), null, 'known in GlobalKnownHostsFile')
})

test('requests from a host with several keys the one that is known', async (t) => {
  const user = await operator(t)
  const directory = scratch(t)
  const keys = await Promise.all(
    (['ed25519', 'ecdsa', 'rsa'] as const).map((type) => newKey(join(directory, type), { type })),
  )
  const sshd = await ownSshd(t, { authorized: [user.key], hostKeys: keys })
  for (const key of keys) {
    user.setKnownHosts(`${sshd.name} ${key.line}`)
    t.equal(await connectionError(user, sshd), null, `${key.line.split(' ')[0]}`)
  }
})

test('refuses a changed or revoked key, also with accept-new', async (t) => {
  const user = await operator(t)
  const sshd = await ownSshd(t, { authorized: [user.key] })
  const old = await newKey(join(user.home, 'old'))
  user.setKnownHosts('# the old one', `${sshd.name} ${old.line}`)
  for (const options of [{}, acceptNew])
    t.match(await connectionError(user, sshd, options), {
      code: 'HOST_KEY_CHANGED',
      usage: true,
      message:
        `web1 (${sshd.name}): its host key is ssh-ed25519 ${fingerprintOf(sshd.hostKey)}, ` +
        `but known_hosts has ssh-ed25519 ${fingerprintOf(old)}`,
      source: { file: user.knownHosts, line: 2 },
      hint: /another host intercepts the connection/,
    })
  const rsa = await newKey(join(user.home, 'rsa'), { type: 'rsa' })
  user.setKnownHosts(`${sshd.name} ${rsa.line}`)
  t.match(
    await connectionError(user, sshd, acceptNew),
    { code: 'HOST_KEY_CHANGED' },
    'a key of another type is no new host',
  )
  user.setKnownHosts(`${sshd.name} ${sshd.hostKey.line}`, `@revoked * ${sshd.hostKey.line}`)
  t.match(await connectionError(user, sshd, acceptNew), { code: 'HOST_KEY_REVOKED', source: { line: 2 } })
  t.notOk(sshd.log().includes('Accepted'), 'nobody has logged in')
})

test('a connection continues after sshd exchanges the session keys again', async (t) => {
  const user = await operator(t)
  const sshd = await ownSshd(t, { authorized: [user.key], lines: ['RekeyLimit 1M', 'LogLevel DEBUG1'] })
  user.setKnownHosts(`${sshd.name} ${sshd.hostKey.line}`)
  const connection = await user.connector().connect(await user.target(sshd))
  const input = Buffer.alloc(8_000_000, 'x')
  t.match(await runSimple(connection, 'wc -c', { input }), { stdout: '8000000\n' })
  t.match(sshd.log(), /rekeying in/, 'sshd has exchanged the keys')
})

/** Starts an sshd whose key an authority has signed. */
async function certified(
  t: Test,
  user: Operator,
  certificate: Partial<Parameters<typeof certify>[2]> = {},
  authority?: Key,
) {
  const directory = scratch(t)
  const signer = authority ?? (await newKey(join(directory, 'authority')))
  const hostKey = await newKey(join(directory, 'host'))
  const options = { of: 'host' as const, principals: ['127.0.0.1'], ...certificate }
  const lines = [`HostCertificate ${await certify(signer, `${hostKey.file}.pub`, options)}`]
  const sshd = await ownSshd(t, { authorized: [user.key], hostKeys: [hostKey], lines })
  return { authority: signer, sshd }
}

test('an authority certifies hosts with keys of all types, also through a jump host', async (t) => {
  const user = await operator(t)
  const types = ['ed25519', 'rsa', 'ecdsa'] as const
  for (const type of types) {
    const key = await newKey(join(user.home, type), { type })
    const { sshd } = await certified(t, user, {}, key)
    user.setKnownHosts(`@cert-authority 127.0.0.* ${key.line}`)
    t.equal(await connectionError(user, sshd), null, type)
    t.equal(await connectionError(user, sshd, {}, { jump: `127.0.0.1:${sshd.port}` }), null, `${type}, through itself`)
  }
  t.same(user.newHosts, [], 'nothing is stored')
})

test('requests from a host with several keys the one that is certified', async (t) => {
  const user = await operator(t)
  const directory = scratch(t)
  const [authority, plain] = await Promise.all([
    newKey(join(directory, 'authority')),
    newKey(join(directory, 'ed25519')),
  ])
  const rsa = await newKey(join(directory, 'rsa'), { type: 'rsa' })
  const lines = [
    `HostCertificate ${await certify(authority, `${rsa.file}.pub`, { of: 'host', principals: ['127.*'] })}`,
  ]
  const sshd = await ownSshd(t, { authorized: [user.key], hostKeys: [plain, rsa], lines })
  user.setKnownHosts(`@cert-authority * ${authority.line}`)
  t.equal(await connectionError(user, sshd), null, 'made out to a pattern')
  const other = await newKey(join(directory, 'other'))
  user.setKnownHosts(`@cert-authority * ${other.line}`, `${sshd.name} ${plain.line}`)
  t.equal(await connectionError(user, sshd), null, 'a key that is known needs no certificate')
})

test('names the invalid certificate, and the reason', async (t) => {
  const user = await operator(t)
  const good = await certified(t, user)
  const other = await newKey(join(user.home, 'other'))
  const assertInvalid = async (sshd: OwnSshd, lines: readonly string[], reason: RegExp, options = {}) => {
    user.setKnownHosts(...lines)
    const error = await connectionError(user, sshd, options)
    t.match(error, { code: 'HOST_CERTIFICATE_INVALID', usage: true, message: reason, source: { line: 1 } })
  }
  const trust = ({ line }: Key) => `@cert-authority * ${line}`
  await assertInvalid(good.sshd, [trust(other)], /known_hosts:1: another authority has signed it/)
  await assertInvalid(
    good.sshd,
    [trust(good.authority), `@revoked * ${good.authority.line}`],
    /revoked at .*known_hosts:2/,
  )
  const named = await certified(t, user, { principals: ['web9', '10.*'] }, good.authority)
  await assertInvalid(named.sshd, [trust(good.authority)], /made out to web9, 10\.\*, not to 127\.0\.0\.1/, acceptNew)
  user.setConfig('HostKeyAlias web9')
  t.equal(await connectionError(user, named.sshd), null, 'the certificate has the HostKeyAlias')
  user.setConfig('')
  const expired = await certified(t, user, { validity: '20200101:20200102' }, good.authority)
  await assertInvalid(expired.sshd, [trust(good.authority)], /it was valid until 2020-01-0/)
  const future = await certified(t, user, { validity: '20900101:20900102' }, good.authority)
  await assertInvalid(future.sshd, [trust(good.authority)], /it is valid from 20(89-12-31|90-01-01)/)
  const uncertified = await ownSshd(t, { authorized: [user.key] })
  await assertInvalid(uncertified, [trust(good.authority)], /the host has none/)
  user.setKnownHosts(trust(good.authority), `${good.sshd.name} ${other.line}`)
  t.equal(await connectionError(user, good.sshd), null, 'a valid certificate replaces the known key')
  user.setKnownHosts(trust(other), `${good.sshd.name} ${other.line}`)
  t.match(await connectionError(user, good.sshd), { code: 'HOST_KEY_CHANGED' })
  user.setKnownHosts(trust(good.authority))
  t.equal(await connectionError(user, uncertified, acceptNew), null, 'a host without a certificate is a new host')
  t.equal(user.newHosts.length, 1)
})

test('finds the same lines of known_hosts as ssh-keygen', async (t) => {
  const user = await operator(t)
  const sshd = await ownSshd(t, { authorized: [user.key] })
  const key = sshd.hostKey.line
  const files = [
    [`127.0.0.?,other ${key}`],
    [`*,!127.0.0.1 ${key}`],
    [`*,![127.0.0.1]:${sshd.port} ${key}`],
    [`\\[127.0.0.*\\]:* ${key}`],
    [`[127.0.0.*]:* ${key}`],
    [`\t ${sshd.name}\t${key} a comment`],
    [`${sshd.name} `],
  ]
  for (const lines of files) {
    user.setKnownHosts(...lines)
    const isFound = (name: string) => spawnSync('ssh-keygen', ['-F', name, '-f', user.knownHosts]).status === 0
    const isKnown = isFound(sshd.name) || isFound('127.0.0.1')
    t.equal((await connectionError(user, sshd)) === null, isKnown, `${lines[0]}`)
  }
})
