/** Seals what travels over the bus: commands to the key of one host, and the rest with the key of the command. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import * as z from 'zod'
import { decryptAge, encryptAge } from '../secrets/age_file.ts'
import { isSignedBy, type KeyPair } from './keys.ts'
import { parseJson } from './protocol.ts'

/** A command for one host, as it is sealed. */
const commandContent = z.object({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  stack: z.string(),
  host: z.string(),
  /** For sh. */
  command: z.string(),
  /** Key of the messages that belong to the command, in base64. */
  key: z.string(),
  /** How long after its arrival on the bus the host may start it. Seconds. */
  lifetime: z.number(),
  /** Number of the rollout, which only rises; null for a command that belongs to no rollout. */
  revision: z.number().nullable(),
})
export type CommandContent = z.output<typeof commandContent>

/** A sealed command: only its host can read it, and only the control plane can have made it. */
const sealedCommand = z.object({ sealed: z.string(), signature: z.string() })

const signedText = (stack: string, host: string, sealed: string) =>
  Buffer.from(JSON.stringify(['converge command', stack, host, sealed]))

/** @param recipient public age key of the host */
export async function sealCommand(command: CommandContent, recipient: string, control: KeyPair): Promise<string> {
  const sealed = await encryptAge(JSON.stringify(command), [recipient])
  const signature = control.sign(signedText(command.stack, command.host, sealed))
  return JSON.stringify({ sealed, signature: Buffer.from(signature).toString('base64') })
}

export interface CommandReader {
  readonly stack: string
  readonly host: string
  /** Private age key of the host. */
  readonly identity: string
  /** Public NKEY of the control plane. */
  readonly control: string
}

/** Returns the command in a message; null where the control plane has not made it, or not for this host. */
export async function openCommand(message: string, reader: CommandReader): Promise<CommandContent | null> {
  const { stack, host, identity, control } = reader
  const envelope = sealedCommand.safeParse(parseJson(message))
  if (!envelope.success) return null
  const { sealed, signature } = envelope.data
  const isGenuine = await isSignedBy(control, signedText(stack, host, sealed), Buffer.from(signature, 'base64'))
  if (!isGenuine) return null
  const text = await decryptAge(Buffer.from(sealed), 'the command', { keys: [identity], origins: ['this host'] })
  const command = commandContent.parse(JSON.parse(Buffer.from(text).toString('utf8')))
  return command.stack === stack && command.host === host ? command : null
}

const nonceBytes = 12
const tagBytes = 16

/**
 * Encrypts a message of a command.
 * @param direction of the message: neither side can be given its own messages
 */
export function sealMessage(key: Uint8Array, direction: 'to host' | 'from host', value: unknown): Uint8Array {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(direction))
  const content = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), content])
}

/** Decrypts a message of a command; null where it was not made with the key of the command. */
export function openMessage(key: Uint8Array, direction: 'to host' | 'from host', message: Uint8Array): unknown {
  if (message.length < nonceBytes + tagBytes) return null
  const bytes = Buffer.from(message)
  const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes))
    .setAAD(Buffer.from(direction))
    .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes))
  try {
    const content = Buffer.concat([cipher.update(bytes.subarray(nonceBytes + tagBytes)), cipher.final()])
    return JSON.parse(content.toString('utf8')) as unknown
  } catch {
    return null
  }
}
