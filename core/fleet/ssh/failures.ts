/** Why there is no connection, in words for the operator. */
import { ConvergeError } from '../../model/errors.ts'
import type { SshTarget } from './target.ts'

/** `name (address:port)`. */
export function describeTarget({ name, address, port, jump }: SshTarget): string {
  const host = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  return `${name} (${host}${jump ? ` through ${jump.name}` : ''})`
}

const reasons: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ECONNREFUSED: ['the connection is refused', 'does sshd run there, and on this port?'],
  ETIMEDOUT: ['there is no answer', 'is the host up, and does a firewall let this machine through?'],
  EHOSTUNREACH: ['no route leads there', 'is the host up, and on a network that this machine reaches?'],
  ENETUNREACH: ['no route leads there', 'is this machine on a network that reaches the host (VPN)?'],
  ENOTFOUND: ['no such host name', 'look for a slip in the address, or give an IP address'],
  EAI_AGAIN: ['the name cannot be looked up', 'does this machine reach its name servers?'],
  ECONNRESET: ['the connection was closed at once', 'does sshd turn this machine away (MaxStartups, a firewall)?'],
}

/** @param thrown of net.connect, of a channel through a jump host, or of ssh2 before the host was known */
export function connectFailed(target: SshTarget, thrown: unknown): ConvergeError {
  if (thrown instanceof ConvergeError) return thrown
  const error = thrown instanceof AggregateError ? thrown.errors[0] : thrown
  const { code, message } = error as NodeJS.ErrnoException
  const [what, hint] = reasons[code ?? ''] ?? [message, 'is it sshd that listens there?']
  return new ConvergeError(`${describeTarget(target)}: cannot connect: ${what}`, {
    code: 'CONNECT_FAILED',
    hint,
    cause: thrown,
  })
}

export const noAnswer = (target: SshTarget, seconds: number, phase: string): ConvergeError =>
  new ConvergeError(`${describeTarget(target)}: cannot connect: ${phase} within ${seconds} s`, {
    code: 'CONNECT_FAILED',
    hint: reasons.ETIMEDOUT?.[1],
  })

/** @param tried names of the keys that were shown; @param notes why others were not */
export function authFailed(
  target: SshTarget,
  tried: readonly string[],
  notes: readonly string[],
  methods: readonly string[],
): ConvergeError {
  const keys = tried.length > 0 ? `none of these keys: ${tried.join(', ')}` : 'nobody without a key, and there is none'
  const accepted = methods.length > 0 && !methods.includes('publickey') ? `; it accepts only ${methods.join(', ')}` : ''
  const missing = notes.length > 0 ? `; besides: ${notes.join('; ')}` : ''
  return new ConvergeError(
    `${describeTarget(target)}: ${target.user} may not log in: it takes ${keys}${accepted}${missing}`,
    {
      code: 'AUTH_FAILED',
      usage: true,
      hint: `add the public key to ~${target.user}/.ssh/authorized_keys on the host (ssh-copy-id), or name another user or key (\`user\`, \`identity\` in the stack file)`,
    },
  )
}

export const connectionLost = (target: SshTarget, why: string, cause?: unknown): ConvergeError =>
  new ConvergeError(`${describeTarget(target)}: the connection is lost: ${why}`, {
    code: 'CONNECTION_LOST',
    hint: 'what runs on the host goes on there; run the same command again to see how it ended',
    cause,
  })
