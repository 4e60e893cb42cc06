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
async function refusal(person: Operator, sshd: OwnSshd, options: Partial<ConnectOptions> = {}, host = {}) {
  const connector = person.connector(options)
  const target = await person.target(sshd, host)
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

test('refuses an unknown host, or stores its key once', async (t) => {
  const person = await operator(t)
  const sshd = await ownSshd(t, { authorized: [person.key] })
  const fingerprint = fingerprintOf(sshd.hostKey)
  t.match(await refusal(person, sshd), {
    code: 'HOST_KEY_UNKNOWN',
    usage: true,
    message: `web1 (${sshd.name}): unknown host key ssh-ed25519 ${fingerprint}`,
    hint: new RegExp(
      `ssh_host_ed25519_key.pub.*--accept-new, or add the output of ssh-keyscan -p ${sshd.port} 127.0.0.1`,
    ),
  })
  t.notOk(sshd.log().includes('Accepted'), 'nobody has logged in')
  t.equal(await refusal(person, sshd, acceptNew), null)
  t.same(person.newHosts, [
    { name: 'web1', address: '127.0.0.1', type: 'ssh-ed25519', fingerprint, file: person.knownHosts },
  ])
  t.equal(readFileSync(person.knownHosts, 'utf8'), `${sshd.name} ${sshd.hostKey.line}\n`)
  t.equal(statSync(person.knownHosts).mode & 0o777, 0o600)
  t.equal(await refusal(person, sshd), null, 'known now')
  t.equal(await refusal(person, sshd, acceptNew), null)
  t.equal(person.newHosts.length, 1, 'and reported once')
})

test('hashes names with HashKnownHosts, and stores nothing without a file', async (t) => {
  const person = await operator(t)
  const sshd = await ownSshd(t, { authorized: [person.key] })
  person.config('HashKnownHosts yes')
  t.equal(await refusal(person, sshd, acceptNew), null)
  t.match(readFileSync(person.knownHosts, 'utf8'), /^\|1\|\S+\|\S+ ssh-ed25519 /)
  t.equal(spawnSync('ssh-keygen', ['-F', sshd.name, '-f', person.knownHosts]).status, 0, 'ssh finds it as well')
  t.equal(await refusal(person, sshd), null)
  person.knows(`${sshd.name} ${sshd.hostKey.line}`, `other ${sshd.hostKey.line}`)
  spawnSync('ssh-keygen', ['-q', '-H', '-f', person.knownHosts])
  t.equal(await refusal(person, sshd), null, 'as ssh hashes them')
  person.config('UserKnownHostsFile none')
  t.match(await refusal(person, sshd), { code: 'HOST_KEY_UNKNOWN' })
  t.equal(await refusal(person, sshd, acceptNew), null)
  t.match(person.newHosts.at(-1), { file: null })
  person.config(`UserKnownHostsFile none\nGlobalKnownHostsFile ${person.knownHosts}`)
  t.equal(await refusal(person, sshd), null, 'known on the whole computer')
})

test('requests the known one of several host keys', async (t) => {
  const person = await operator(t)
  const at = scratch(t)
  const keys = await Promise.all((['ed25519', 'ecdsa', 'rsa'] as const).map((type) => newKey(join(at, type), { type })))
  const sshd = await ownSshd(t, { authorized: [person.key], hostKeys: keys })
  for (const key of keys) {
    person.knows(`${sshd.name} ${key.line}`)
    t.equal(await refusal(person, sshd), null, `${key.line.split(' ')[0]}`)
  }
})

test('always refuses a changed key', async (t) => {
  const person = await operator(t)
  const sshd = await ownSshd(t, { authorized: [person.key] })
  const old = await newKey(join(person.home, 'old'))
  person.knows('# the old one', `${sshd.name} ${old.line}`)
  for (const options of [{}, acceptNew])
    t.match(await refusal(person, sshd, options), {
      code: 'HOST_KEY_CHANGED',
      usage: true,
      message:
        `web1 (${sshd.name}): its host key is ssh-ed25519 ${fingerprintOf(sshd.hostKey)}, ` +
        `but known_hosts has ssh-ed25519 ${fingerprintOf(old)}`,
      source: { file: person.knownHosts, line: 2 },
      hint: /another host intercepts the connection/,
    })
  const rsa = await newKey(join(person.home, 'rsa'), { type: 'rsa' })
  person.knows(`${sshd.name} ${rsa.line}`)
  t.match(await refusal(person, sshd, acceptNew), { code: 'HOST_KEY_CHANGED' }, 'a key of another type is no new host')
  person.knows(`${sshd.name} ${sshd.hostKey.line}`, `@revoked * ${sshd.hostKey.line}`)
  t.match(await refusal(person, sshd, acceptNew), { code: 'HOST_KEY_REVOKED', source: { line: 2 } })
  t.notOk(sshd.log().includes('Accepted'), 'nobody has logged in')
})

test('exchanges keys again during a connection', async (t) => {
  const person = await operator(t)
  const sshd = await ownSshd(t, { authorized: [person.key], lines: ['RekeyLimit 1M'] })
  person.knows(`${sshd.name} ${sshd.hostKey.line}`)
  const connection = await person.connector().connect(await person.target(sshd))
  const input = Buffer.alloc(8_000_000, 'x')
  t.match(await runSimple(connection, 'wc -c', { input }), { stdout: '8000000\n' })
})

/** Starts an sshd whose key an authority has signed. */
async function certified(t: Test, person: Operator, how: Partial<Parameters<typeof certify>[2]> = {}, authority?: Key) {
  const at = scratch(t)
  const by = authority ?? (await newKey(join(at, 'authority')))
  const hostKey = await newKey(join(at, 'host'))
  const options = { of: 'host' as const, principals: ['127.0.0.1'], ...how }
  const lines = [`HostCertificate ${await certify(by, `${hostKey.file}.pub`, options)}`]
  const sshd = await ownSshd(t, { authorized: [person.key], hostKeys: [hostKey], lines })
  return { authority: by, sshd }
}

test('an authority certifies hosts with keys of all types, also through a jump host', async (t) => {
  const person = await operator(t)
  const types = ['ed25519', 'rsa', 'ecdsa'] as const
  for (const type of types) {
    const key = await newKey(join(person.home, type), { type })
    const { sshd } = await certified(t, person, {}, key)
    person.knows(`@cert-authority 127.0.0.* ${key.line}`)
    t.equal(await refusal(person, sshd), null, type)
    t.equal(await refusal(person, sshd, {}, { jump: `127.0.0.1:${sshd.port}` }), null, `${type}, through itself`)
  }
  t.same(person.newHosts, [], 'nothing is stored')
})

test('requests the certified one of several host keys', async (t) => {
  const person = await operator(t)
  const at = scratch(t)
  const [authority, plain] = await Promise.all([newKey(join(at, 'authority')), newKey(join(at, 'ed25519'))])
  const rsa = await newKey(join(at, 'rsa'), { type: 'rsa' })
  const lines = [
    `HostCertificate ${await certify(authority, `${rsa.file}.pub`, { of: 'host', principals: ['127.*'] })}`,
  ]
  const sshd = await ownSshd(t, { authorized: [person.key], hostKeys: [plain, rsa], lines })
  person.knows(`@cert-authority * ${authority.line}`)
  t.equal(await refusal(person, sshd), null, 'made out to a pattern')
  const other = await newKey(join(at, 'other'))
  person.knows(`@cert-authority * ${other.line}`, `${sshd.name} ${plain.line}`)
  t.equal(await refusal(person, sshd), null, 'a key that is known needs no certificate')
})

test('names the invalid certificate, and the reason', async (t) => {
  const person = await operator(t)
  const good = await certified(t, person)
  const other = await newKey(join(person.home, 'other'))
  const invalid = async (sshd: OwnSshd, lines: readonly string[], why: RegExp, options = {}) => {
    person.knows(...lines)
    const error = await refusal(person, sshd, options)
    t.match(error, { code: 'HOST_CERTIFICATE_INVALID', usage: true, message: why, source: { line: 1 } })
  }
  const by = ({ line }: Key) => `@cert-authority * ${line}`
  await invalid(good.sshd, [by(other)], /known_hosts:1: another authority has signed it/)
  await invalid(good.sshd, [by(good.authority), `@revoked * ${good.authority.line}`], /revoked at .*known_hosts:2/)
  const named = await certified(t, person, { principals: ['web9', '10.*'] }, good.authority)
  await invalid(named.sshd, [by(good.authority)], /made out to web9, 10\.\*, not to 127\.0\.0\.1/, acceptNew)
  person.config('HostKeyAlias web9')
  t.equal(await refusal(person, named.sshd), null, 'its own name for the host')
  person.config('')
  const past = await certified(t, person, { validity: '20200101:20200102' }, good.authority)
  await invalid(past.sshd, [by(good.authority)], /it was valid until 2020-01-0/)
  const future = await certified(t, person, { validity: '20900101:20900102' }, good.authority)
  await invalid(future.sshd, [by(good.authority)], /it is valid from 20(89-12-31|90-01-01)/)
  const none = await ownSshd(t, { authorized: [person.key] })
  await invalid(none, [by(good.authority)], /the host has none/)
  person.knows(by(good.authority), `${good.sshd.name} ${other.line}`)
  t.match(await refusal(person, good.sshd), null, 'its certificate counts, whatever was known before')
  person.knows(by(other), `${good.sshd.name} ${other.line}`)
  t.match(await refusal(person, good.sshd), { code: 'HOST_KEY_CHANGED' })
  person.knows(by(good.authority))
  t.equal(await refusal(person, none, acceptNew), null, 'without a certificate it is a host like any other')
  t.equal(person.newHosts.length, 1)
})

test('finds the same lines of known_hosts as ssh-keygen', async (t) => {
  const person = await operator(t)
  const sshd = await ownSshd(t, { authorized: [person.key] })
  const mine = sshd.hostKey.line
  const files = [
    [`127.0.0.?,other ${mine}`],
    [`*,!127.0.0.1 ${mine}`],
    [`*,![127.0.0.1]:${sshd.port} ${mine}`],
    [`\\[127.0.0.*\\]:* ${mine}`],
    [`[127.0.0.*]:* ${mine}`],
    [`\t ${sshd.name}\t${mine} a comment`],
    [`${sshd.name} `],
  ]
  for (const lines of files) {
    person.knows(...lines)
    const finds = (name: string) => spawnSync('ssh-keygen', ['-F', name, '-f', person.knownHosts]).status === 0
    const found = finds(sshd.name) || finds('127.0.0.1')
    t.equal((await refusal(person, sshd)) === null, found, `${lines[0]}`)
  }
})
