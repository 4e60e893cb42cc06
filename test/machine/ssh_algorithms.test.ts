/**
 * Tests hosts whose sshd offers few algorithms: which ones connect, and whether the hint of the error repairs the
 * others.
 */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runSimple } from '../../core/fleet/ssh/simple_command.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { needs, scratch } from '../support/machine.ts'
import { operator, ownSshd } from './support/own_sshd.ts'
import { newKey } from './support/ssh_keys.ts'

const can = needs(t, ['root', 'sshd'])
const test = (name: string, run: (t: Test) => Promise<void>) => t.test(name, { skip: !can }, run)

/** Makes an operator, and hosts that accept the operator's key and have a host key of the given type. */
async function fleet(t: Test, type: 'ed25519' | 'rsa' = 'ed25519') {
  const person = await operator(t)
  const hostKey = await newKey(join(scratch(t), 'host_key'), { type })
  const connect = async (lines: readonly string[]) => {
    const sshd = await ownSshd(t, { authorized: [person.key], hostKeys: [hostKey], lines })
    person.setKnownHosts(`${sshd.name} ${hostKey.line}`)
    const connection = await person.connector().connect(await person.target(sshd))
    const { stdout } = await runSimple(connection, 'echo in')
    await connection.close()
    return stdout
  }
  const refusal = (lines: readonly string[]) =>
    connect(lines).then(
      () => t.fail(`${lines} connects`) as never,
      (thrown) => (thrown instanceof ConvergeError ? thrown : Promise.reject(thrown)),
    )
  return { person, connect, refusal }
}

/** Returns the lines that a hint says to put at the top of sshd_config. */
function linesOf({ hint = '' }: ConvergeError): string[] {
  const [onHost = ''] = hint.split(' at the top of ')
  return [...onHost.matchAll(/"([^"]+)"/g)].map(([, line = '']) => line)
}

const refused = [
  {
    lines: ['KexAlgorithms sntrup761x25519-sha512@openssh.com'],
    message:
      /cannot connect: no common key exchange algorithm: the host offers sntrup761x25519-sha512@openssh\.com; converge offers curve25519-sha256/,
    repair: ['KexAlgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256'],
  },
  {
    lines: ['Ciphers 3des-cbc'],
    message: /no common cipher: the host offers 3des-cbc; converge offers aes/,
    repair: ['Ciphers 3des-cbc,aes256-gcm@openssh.com'],
  },
  {
    lines: ['Ciphers aes256-ctr', 'MACs umac-64@openssh.com,umac-128-etm@openssh.com'],
    message:
      /no common MAC: the host offers umac-64@openssh\.com,umac-128-etm@openssh\.com; converge offers hmac-sha2-256/,
    repair: ['MACs umac-64@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com'],
  },
  {
    lines: ['KexAlgorithms diffie-hellman-group14-sha1', 'Ciphers 3des-cbc', 'MACs umac-64@openssh.com'],
    message: /no common key exchange algorithm: .*\. no common cipher: /,
    repair: ['KexAlgorithms diffie-hellman-group14-sha1,curve25519-sha256', 'Ciphers 3des-cbc,aes256-gcm@openssh.com'],
  },
] as const

test('the error for a host without a common algorithm names both lists, and its hint repairs the host', async (t) => {
  const { refusal, connect } = await fleet(t)
  for (const { lines, message, repair } of refused) {
    const error = await refusal(lines)
    t.match(error, { code: 'NO_COMMON_ALGORITHM', usage: true, message })
    t.same(linesOf(error), repair, lines.join())
    t.equal(await connect([...linesOf(error), ...lines]), 'in\n', `repaired: ${lines}`)
  }
})

test('refuses a host key that is signed only with SHA-1', async (t) => {
  const { person, refusal, connect } = await fleet(t, 'rsa')
  const lines = ['HostKeyAlgorithms ssh-rsa']
  const error = await refusal(lines)
  t.match(error.message, /no common host key algorithm: the host offers ssh-rsa; converge offers /)
  t.same(linesOf(error), ['HostKeyAlgorithms ssh-rsa,rsa-sha2-512'])
  t.equal(await connect([...linesOf(error), ...lines]), 'in\n')
  t.match(error.hint, '"HostKeyAlgorithms +ssh-rsa" below "Host 127.0.0.1" in ~/.ssh/config')
  person.setConfig('Host 127.0.0.1\n HostKeyAlgorithms +ssh-rsa\n')
  t.equal(await connect(lines), 'in\n')
})

test('connects with algorithms that are off by default: CBC ciphers last, others by ssh_config', async (t) => {
  const { person, refusal, connect } = await fleet(t)
  t.equal(await connect(['Ciphers aes256-cbc']), 'in\n')
  t.equal(await connect(['Ciphers aes128-cbc', 'Compression yes']), 'in\n')
  const lines = ['KexAlgorithms diffie-hellman-group14-sha1', 'Ciphers 3des-cbc', 'MACs hmac-md5']
  t.match((await refusal(lines)).hint, '"Ciphers +3des-cbc" below "Host 127.0.0.1"')
  person.setConfig('KexAlgorithms +diffie-hellman-group14-sha1\nCiphers ^3des-cbc\nMACs hmac-md5\nCompression yes\n')
  t.equal(await connect([...lines, 'Compression yes']), 'in\n')
})

test('if ssh_config leaves no algorithm, the error names its line', async (t) => {
  const { person, refusal } = await fleet(t)
  person.setConfig('Host *\n Ciphers aes128-ctr\n')
  const error = await refusal(['Ciphers aes256-ctr'])
  t.match(error.message, /converge offers aes128-ctr \(Ciphers at .*\.ssh\/config:2\)/)
  t.match(error.hint, /^add aes256-ctr to Ciphers at .*\.ssh\/config:2$/)
  person.setConfig('Host *\n KexAlgorithms sntrup761x25519-sha512@openssh.com\n')
  t.match(await refusal([]), { code: 'SSH_CONFIG_INVALID', source: { line: 2 }, hint: /curve25519-sha256/ })
})
