/** Declares the messages between the control plane and an agent. */
import * as z from 'zod'

/** A part of the standard input of a command, from byte `at`; or the request to end the command. */
export const inputContent = z.union([
  z.object({ kind: z.literal('input'), at: z.number(), data: z.string(), isLast: z.boolean() }),
  z.object({ kind: z.literal('close') }),
  /** Asks for the output from these bytes on. */
  z.object({ kind: z.literal('resume'), out: z.number(), err: z.number() }),
])
export type InputContent = z.output<typeof inputContent>

/** The envelope of an input; its content is sealed with the key of the command. */
export const inputEnvelope = z.object({ id: z.string().regex(/^[0-9a-f]{32}$/), input: z.string() })

/** An answer to a command, sealed with its key. */
export const answerContent = z.union([
  z.object({ kind: z.enum(['out', 'err']), at: z.number(), data: z.string() }),
  /** The agent has journalled the command; it starts it now. */
  z.object({ kind: z.literal('acknowledged') }),
  /** Bytes of input that the command has read. */
  z.object({ kind: z.literal('taken'), in: z.number() }),
  z.object({
    kind: z.literal('ended'),
    out: z.number(),
    err: z.number(),
    code: z.number().nullable(),
    signal: z.string().nullable(),
  }),
  z.object({ kind: z.literal('refused'), code: z.string(), message: z.string() }),
])
export type AnswerContent = z.output<typeof answerContent>

/** Bytes of output that the control plane has passed on. */
const takenOutput = z.object({ out: z.number(), err: z.number() })

/** The question whether an agent is running, and how far it is with commands; by command, the output that was passed on. */
export const pingContent = z.object({
  nonce: z.string().max(64),
  commands: z.record(z.string().max(32), takenOutput).refine((commands) => Object.keys(commands).length <= 1000),
})
export type TakenOutput = z.output<typeof takenOutput>

/** How far a command is. Bytes. */
const commandState = z.object({ in: z.number(), out: z.number(), err: z.number(), hasEnded: z.boolean() })

/** The answer to a ping: the states of the commands that the agent knows. */
export const pongContent = z.object({ nonce: z.string(), commands: z.record(z.string(), commandState) })
export type PongContent = z.output<typeof pongContent>

/** The report of a host every ten seconds. */
export interface Beat {
  /** Percent of all CPUs since the last beat. */
  readonly cpu: number
  /** Percent of the memory that is in use. */
  readonly memory: number
  /** Average number of processes that were ready to run, over a minute. */
  readonly load1: number
  /** Number of the newest rollout that the host has accepted. */
  readonly generation: number
  readonly version: string
}

/** A text that a host has signed with its NKEY. */
const signedContent = z.object({ text: z.string(), signature: z.string() })

export interface Signer {
  sign(content: Uint8Array): Uint8Array
}

/** @param purpose of the message: a signed one of another kind is not accepted for it */
export function signMessage(signer: Signer, purpose: 'pong' | 'beat', value: unknown): string {
  const text = JSON.stringify(value)
  const signature = Buffer.from(signer.sign(Buffer.from(`converge ${purpose}\n${text}`))).toString('base64')
  return JSON.stringify({ text, signature })
}

/** Returns the value of a signed message; null where the host has not signed it. */
export async function openSigned<T>(
  message: string,
  purpose: 'pong' | 'beat',
  schema: z.ZodType<T>,
  isSigned: (content: Uint8Array, signature: Uint8Array) => Promise<boolean>,
): Promise<T | null> {
  const envelope = signedContent.safeParse(parseJson(message))
  if (!envelope.success) return null
  const { text, signature } = envelope.data
  const isGenuine = await isSigned(Buffer.from(`converge ${purpose}\n${text}`), Buffer.from(signature, 'base64'))
  if (!isGenuine) return null
  const content = schema.safeParse(parseJson(text))
  return content.success ? content.data : null
}

/** Parses a text as JSON; undefined for anything else. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** The last token of the subject of pongs, among the answers of a host. */
export const pongId = 'pong'

/** The answer to a host that enrols, which the host stores. */
export const enrolmentAnswer = z.object({
  stack: z.string(),
  host: z.string(),
  address: z.string(),
  port: z.number(),
  /** PEM of the certificate of the bus. */
  certificate: z.string(),
  /** Public NKEY of the control plane. */
  control: z.string(),
})
export type EnrolmentAnswer = z.output<typeof enrolmentAnswer>
