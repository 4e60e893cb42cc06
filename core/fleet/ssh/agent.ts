/** Reads the keys of an SSH agent (draft-ietf-sshm-ssh-agent), and signs with them. */
import { connect } from 'node:net'
import type { ParsedKey } from 'ssh2'
import type { OfferedKey } from './offered_key.ts'
import type { Ssh2 } from './ssh2.ts'
import { keyType, WireReader } from './wire.ts'

export interface AgentKeys {
  readonly offers: readonly OfferedKey[]
  /** Explanations for the keys that cannot be offered. */
  readonly notes: readonly string[]
}

/** Limit for the list of keys. A signature has no limit: the agent may wait for a person to confirm it. */
const listTimeoutMs = 10_000
/** Limit of an answer in bytes, as in OpenSSH. */
const maxAnswer = 256 * 1024

/**
 * Lists the keys of an agent.
 * @throws Error where the socket does not answer, or not as an agent does
 */
export async function agentKeys(ssh2: Ssh2, socket: string): Promise<AgentKeys> {
  const agent = new ssh2.OpenSSHAgent(socket)
  const offers: OfferedKey[] = []
  const notes: string[] = []
  for (const { data, comment } of keysIn(await answerTo(socket, listKeysRequest))) {
    const key = ssh2.utils.parseKey(data)
    const name = `${comment || (keyType(data) ?? 'a key')} of the agent`
    if (key instanceof Error || Array.isArray(key)) notes.push(`${name} is ${describeUnsupportedKey(keyType(data))}`)
    else offers.push({ key, name, sign: (text, hash) => signature(agent, { key, name, text, hash }) })
  }
  return { offers, notes }
}

/** Describes a kind of key that cannot be offered, for messages. */
export function describeUnsupportedKey(type: string | null): string {
  if (type?.includes('-cert-v')) return `a certificate of an account (${type}), which is not supported here`
  if (type?.startsWith('sk-')) return `on a security key (${type}), which is not supported here`
  return `of a kind that is not supported here (${type ?? 'unknown'})`
}

interface SignatureRequest {
  readonly key: ParsedKey
  readonly name: string
  readonly text: Buffer
  readonly hash: 'sha1' | 'sha256' | 'sha512' | undefined
}

function signature(
  agent: InstanceType<Ssh2['OpenSSHAgent']>,
  { key, name, text, hash }: SignatureRequest,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    agent.sign(key, text, hash ? { hash } : {}, (failure, signed) =>
      signed ? resolve(signed) : reject(new Error(`${name} did not sign (${failure?.message ?? 'no answer'})`)),
    )
  })
}

/** SSH_AGENTC_REQUEST_IDENTITIES. */
const listKeysRequest = 11
/** SSH_AGENT_IDENTITIES_ANSWER. */
const keysAnswer = 12

function keysIn(answer: Buffer): { readonly data: Buffer; readonly comment: string }[] {
  if (answer[0] !== keysAnswer) throw new Error('it does not list its keys')
  const reader = new WireReader(answer.subarray(1))
  return Array.from({ length: Math.min(reader.uint32(), 10_000) }, () => ({
    data: reader.string(),
    comment: reader.text(),
  }))
}

/** Sends a request to the agent, and returns its answer without the length field. */
function answerTo(socket: string, request: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    const stream = connect(socket)
    const fail = (reason: string) => {
      reject(new Error(reason))
      stream.destroy()
    }
    stream.setTimeout(listTimeoutMs, () => fail('it does not answer'))
    stream.on('error', ({ message }) => fail(message))
    stream.on('close', () => reject(new Error('it closed the connection')))
    stream.on('connect', () => stream.write(Buffer.from([0, 0, 0, 1, request])))
    stream.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 4) return
      const length = received.readUInt32BE(0)
      if (length > maxAnswer) return fail('it is not an SSH agent')
      if (received.length < 4 + length) return
      resolve(received.subarray(4, 4 + length))
      stream.destroy()
    })
  })
}
