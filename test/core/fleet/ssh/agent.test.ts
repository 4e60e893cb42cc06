/** Tests the keys of an SSH agent: those that can be offered to a host, and the messages about the others. */
import { createServer } from 'node:net'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import t, { type Test } from 'tap'
import { agentKeys } from '../../../../core/fleet/ssh/agent.ts'
import { wireString } from '../../../../core/fleet/ssh/wire.ts'
import { scratch } from '../../../support/machine.ts'

/**
 * Starts an agent that sends one answer, in pieces.
 * @param answer null: it closes the connection
 */
async function agent(t: Test, answer: Buffer | null): Promise<string> {
  const socket = join(scratch(t), 'agent')
  const server = createServer((stream) => {
    stream.on('error', () => undefined)
    stream.once('data', async () => {
      if (answer === null) return stream.destroy()
      for (let at = 0; at < answer.length; at += 100) {
        stream.write(answer.subarray(at, at + 100))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  t.teardown(() => server.close())
  return socket
}

function identities(...keys: readonly (readonly [Buffer, string])[]): Buffer {
  const count = Buffer.alloc(4)
  count.writeUInt32BE(keys.length)
  const all = keys.flatMap(([data, comment]) => [wireString(data), wireString(comment)])
  return wireString(Buffer.concat([Buffer.from([12]), count, ...all]))
}

const unknown = (type: string) => Buffer.concat([wireString(type), wireString(Buffer.alloc(32)), wireString('ssh:')])

t.test('lists keys of all types', async (t) => {
  const pair = ssh2.utils.generateKeyPairSync('ed25519')
  const data = Buffer.from(pair.public.split(' ')[1] ?? '', 'base64')
  const socket = await agent(
    t,
    identities(
      [unknown('sk-ssh-ed25519@openssh.com'), 'ann at desk'],
      [data, 'laptop'],
      [unknown('ssh-ed25519-cert-v01@openssh.com'), ''],
      [data, ''],
      [unknown('webauthn'), 'odd'],
    ),
  )
  const { offers, notes } = await agentKeys(ssh2, socket)
  t.strictSame(
    offers.map(({ name, key }) => [name, key.getPublicSSH().equals(data)]),
    [
      ['laptop of the agent', true],
      ['ssh-ed25519 of the agent', true],
    ],
  )
  t.strictSame(notes, [
    'ann at desk of the agent is on a security key (sk-ssh-ed25519@openssh.com), which is not supported here',
    'ssh-ed25519-cert-v01@openssh.com of the agent is a certificate of an account (ssh-ed25519-cert-v01@openssh.com), which is not supported here',
    'odd of the agent is of a kind that is not supported here (webauthn)',
  ])
})

t.test('reports a socket that is not an agent', async (t) => {
  await t.rejects(agentKeys(ssh2, '/nonexistent/agent'), { message: /ENOENT/ })
  await t.rejects(agentKeys(ssh2, await agent(t, null)), { message: 'it closed the connection' })
  await t.rejects(agentKeys(ssh2, await agent(t, Buffer.from('HTTP/1.1 400\r\n'))), {
    message: 'it is not an SSH agent',
  })
  await t.rejects(agentKeys(ssh2, await agent(t, wireString(Buffer.from([5])))), {
    message: 'it does not list its keys',
  })
  const short = wireString(Buffer.from([12, 0, 0, 0, 9, 0, 0, 0, 7, 1]))
  await t.rejects(agentKeys(ssh2, await agent(t, short)), { message: 'the data ends too soon' })
})
