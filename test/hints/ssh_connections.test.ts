/**
 * Proves the hints about connections over SSH: real sshds reject the operator, and accept after the hint was followed.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Connection } from '../../core/fleet/ssh/connect.ts'
import { runSimple } from '../../core/fleet/ssh/simple_command.ts'
import { type Operator, type OwnSshd, operator, ownSshd } from '../machine/support/own_sshd.ts'
import { certify, newKey } from '../machine/support/ssh_keys.ts'
import { needs, scratch } from '../support/machine.ts'
import { proveCalls } from '../support/proofs.ts'

const can = needs(t, ['root', 'sshd'])
const test = (name: string, run: (t: Test) => Promise<void>) => t.test(name, { skip: !can }, run)

async function connected(person: Operator, sshd: OwnSshd): Promise<Connection> {
  person.setKnownHosts(`${sshd.name} ${sshd.hostKey.line}`)
  return person.connector().connect(await person.target(sshd))
}

test('commands and connections', async (t) => {
  const person = await operator(t)
  const [few, many] = await Promise.all(
    [1, 3].map((most) => ownSshd(t, { authorized: [person.key], lines: [`MaxSessions ${most}`] })),
  )
  /** Opens three connections at the same time, as a rollout does. */
  const threeAtOnce = async (sshd: OwnSshd | undefined) => {
    if (sshd === undefined) return
    const connection = await connected(person, sshd)
    for (let n = 0; n < 3; n++) await connection.exec('cat')
    await connection.close()
  }
  proveCalls(t, [
    {
      source: 'core/fleet/ssh/connect.ts',
      hint: 'raise MaxSessions in the sshd_config of the host to 3 or more, and let the account run commands there',
      broken: () => threeAtOnce(few),
      repaired: () => threeAtOnce(many),
    },
    {
      source: 'core/fleet/ssh/failures.ts',
      hint: 'run the same command again: what runs on the host continues there, and the next run finishes the rest',
      broken: async () => {
        if (many === undefined) return
        const connection = await connected(person, many)
        const running = await connection.exec('echo begun; cat')
        await new Promise((resolve) => running.stdout.once('data', resolve))
        for (const pid of many.sessions()) process.kill(pid, 'SIGKILL')
        await running.ended
      },
      repaired: async () => {
        if (many === undefined) return
        const connection = await connected(person, many)
        const { stdout } = await runSimple(connection, 'echo done')
        if (stdout !== 'done\n') throw new Error(`it said ${stdout}`)
        await connection.close()
      },
    },
  ])
})

test('certificates of hosts', async (t) => {
  const source = 'core/fleet/ssh/host_keys.ts'
  const person = await operator(t)
  const at = scratch(t)
  const authority = await newKey(join(at, 'authority'))
  const key = await newKey(join(at, 'host'))
  const options = { authorized: [person.key], hostKeys: [key] }
  const plain = await ownSshd(t, options)
  const certificate = await certify(authority, `${key.file}.pub`, { of: 'host', principals: ['127.0.0.1'] })
  const certified = await ownSshd(t, { ...options, lines: [`HostCertificate ${certificate}`] })
  person.setKnownHosts(`@cert-authority * ${authority.line}`)
  const connect = async (sshd: OwnSshd) => (await person.connector().connect(await person.target(sshd))).close()
  const path = process.env.PATH
  const empty = join(at, 'empty')
  mkdirSync(empty)
  t.teardown(() => {
    process.env.PATH = path
  })
  proveCalls(t, [
    {
      source,
      hint: 'sign the key of the host (ssh-keygen -s AUTHORITY -h -n … -I NAME KEY.pub), and name the certificate in its sshd_config (HostCertificate)',
      broken: () => connect(plain),
      repaired: () => connect(certified),
    },
    {
      source,
      hint: 'install ssh-keyscan: apt-get install openssh-client',
      broken: () => {
        process.env.PATH = empty
        return connect(certified)
      },
      repaired: () => {
        process.env.PATH = path
        return connect(certified)
      },
    },
  ])
})
