/** The keys of an agent (draft-ietf-sshm-ssh-agent): those that can be shown to a host, and what else it holds. */
import { connect } from 'node:net'
import type { ParsedKey } from 'ssh2'
import type { Offer } from './identities.ts'
import type { Ssh2 } from './ssh2.ts'
import { keyType, WireReader } from './wire.ts'

export interface AgentKeys {
  readonly offers: readonly Offer[]
  /** Why others cannot be shown. */
  readonly notes: readonly string[]
}

/** It has a moment to say what it holds; for a signature it may ask somebody, who may take their time. Milliseconds. */
const patience = 10_000
/** No agent has that much to say; 256 KiB is the most that OpenSSH takes. */
const longest = 256 * 1024

/** @throws Error where nobody answers at the socket, or no agent does */
export async function agentKeys(ssh2: Ssh2, socket: string): Promise<AgentKeys> {
  const agent = new ssh2.OpenSSHAgent(socket)
  const offers: Offer[] = []
  const notes: string[] = []
  for (const { data, comment } of keysIn(await answerTo(socket, listKeys))) {
    const key = ssh2.utils.parseKey(data)
    const name = `${comment || (keyType(data) ?? 'a key')} of the agent`
    if (key instanceof Error || Array.isArray(key)) notes.push(`${name} is ${whatKind(keyType(data))}`)
    else offers.push({ key, name, sign: (text, hash) => signature(agent, { key, name, text, hash }) })
  }
  return { offers, notes }
}

/** A kind of key that cannot be shown, for people. */
export function whatKind(type: string | null): string {
  if (type?.includes('-cert-v')) return `a certificate of an account (${type}), which is not supported here`
  if (type?.startsWith('sk-')) return `on a security key (${type}), which is not supported here`
  return `of a kind that is not supported here (${type ?? 'unknown'})`
}

interface Wanted {
  readonly key: ParsedKey
  readonly name: string
  readonly text: Buffer
  readonly hash: 'sha1' | 'sha256' | 'sha512' | undefined
}

function signature(agent: InstanceType<Ssh2['OpenSSHAgent']>, { key, name, text, hash }: Wanted): Promise<Buffer> {
  return new Promise((signed, refused) => {
    agent.sign(key, text, hash ? { hash } : {}, (failure, given) =>
      given ? signed(given) : refused(new Error(`${name} did not sign (${failure?.message ?? 'no answer'})`)),
    )
  })
}

/** SSH_AGENTC_REQUEST_IDENTITIES, and the answer to it. */
const listKeys = 11
const keysAnswer = 12

function keysIn(answer: Buffer): { readonly data: Buffer; readonly comment: string }[] {
  if (answer[0] !== keysAnswer) throw new Error('it does not tell its keys')
  const reader = new WireReader(answer.subarray(1))
  return Array.from({ length: Math.min(reader.uint32(), 10_000) }, () => ({
    data: reader.string(),
    comment: reader.text(),
  }))
}

/** @returns the message without its length */
function answerTo(socket: string, request: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let heard = Buffer.alloc(0)
    const stream = connect(socket)
    const fail = (why: string) => {
      reject(new Error(why))
      stream.destroy()
    }
    stream.setTimeout(patience, () => fail('it is silent'))
    stream.on('error', ({ message }) => fail(message))
    stream.on('close', () => reject(new Error('it has closed the connection')))
    stream.on('connect', () => stream.write(Buffer.from([0, 0, 0, 1, request])))
    stream.on('data', (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk])
      if (heard.length < 4) return
      const length = heard.readUInt32BE(0)
      if (length > longest) return fail('it is no agent')
      if (heard.length < 4 + length) return
      resolve(heard.subarray(4, 4 + length))
      stream.destroy()
    })
  })
}
