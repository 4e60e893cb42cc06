/** Names the streams, consumers and subjects of the bus. */
import { createHash } from 'node:crypto'

/** The stream with the commands of all hosts. A host that has acknowledged a command removes it. */
export const commandStream = 'CMD'

/** Name in the certificate of each bus: clients verify it instead of the address, which may change. */
export const certificateName = 'converge-bus'

/** Converts the name of a host to one token of a subject; host names contain no "=". */
export const hostToken = (host: string): string => host.replaceAll('.', '=')

/** Converts the name of a stack, which may have any characters, to one token of a subject. */
export function stackToken(stack: string): string {
  const readable = stack
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 24)
  return `${readable}-${createHash('sha256').update(stack).digest('hex').slice(0, 8)}`
}

export interface Subjects {
  /** Commands for one host. */
  command(host: string): string
  /** Answers of one host. */
  readonly answersOf: (host: string) => string
  /** Answers of all hosts. */
  readonly answers: string
  answer(host: string, id: string): string
  /** Load and state, as a host reports them. */
  beat(host: string): string
  readonly beats: string
  /** Questions whether the agent is running, which no stream stores. */
  wake(host: string): string
}

/** Returns the subjects of a stack. */
export function subjectsOf(stack: string): Subjects {
  const fleet = `fleet.${stackToken(stack)}`
  return {
    command: (host) => `${fleet}.cmd.${hostToken(host)}`,
    answersOf: (host) => `${fleet}.ack.${hostToken(host)}.>`,
    answers: `${fleet}.ack.*.>`,
    answer: (host, id) => `${fleet}.ack.${hostToken(host)}.${id}`,
    beat: (host) => `${fleet}.beat.${hostToken(host)}`,
    beats: `${fleet}.beat.*`,
    wake: (host) => `${fleet}.wake.${hostToken(host)}`,
  }
}

/** Prefix of the subjects on which a host gets answers: only it may subscribe to them. */
export const inboxPrefix = (host: string): string => `_INBOX_${hostToken(host)}`
