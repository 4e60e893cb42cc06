/** Builds the errors for connections that cannot be opened or are lost. */
import { ConvergeError } from '../../model/errors.ts'
import type { SshTarget } from './target.ts'

/** Formats `name (address:port)`. */
export function describeTarget({ name, address, port, jump }: SshTarget): string {
  const host = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  return `${name} (${host}${jump ? ` through ${jump.name}` : ''})`
}

const reasons: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ECONNREFUSED: ['connection refused', 'check that sshd runs on the host, and that it listens on this port'],
  ETIMEDOUT: ['no answer', 'check that the host is up, and that firewalls allow this computer'],
  EHOSTUNREACH: ['no route to the host', 'check that the host is up, and on a network that this computer reaches'],
  ENETUNREACH: ['network unreachable', 'check that this computer is on a network that reaches the host (VPN)'],
  ENOTFOUND: ['unknown host name', 'correct the address, or give an IP address'],
  EAI_AGAIN: ['the name servers do not answer', 'check that this computer reaches its name servers'],
  ECONNRESET: [
    'the host closed the connection immediately',
    'check whether sshd or a firewall refuses this computer (MaxStartups, PerSourcePenalties, the log of sshd)',
  ],
}

/**
 * Builds the error for a failed connection.
 * @param thrown by net.connect, by a channel through a jump host, or by ssh2 before the host key was verified
 */
export function connectFailed(target: SshTarget, thrown: unknown): ConvergeError {
  if (thrown instanceof ConvergeError) return thrown
  const error = thrown instanceof AggregateError ? thrown.errors[0] : thrown
  const { code, message } = error as NodeJS.ErrnoException
  const [what, hint] = reasons[code ?? ''] ??
    notSsh(message) ?? [message, 'check that sshd listens on this port, and read its log on the host']
  return new ConvergeError(`${describeTarget(target)}: cannot connect: ${what}`, {
    code: 'CONNECT_FAILED',
    hint,
    cause: thrown,
  })
}

/** @param message of ssh2 */
function notSsh(message: string): readonly [what: string, hint: string] | null {
  if (!/^(Max greeting lines exceeded|Header line too long|Invalid identification string)/.test(message)) return null
  return [
    `the port does not answer with SSH 2: ${message}`,
    'check the port in the stack file or ssh_config: another program than sshd listens there',
  ]
}

/** Decides whether the host closed the connection immediately. */
export function isRejected(thrown: unknown): boolean {
  return thrown instanceof ConvergeError && (thrown.cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNRESET'
}

export const noAnswer = (target: SshTarget, seconds: number, phase: string): ConvergeError =>
  new ConvergeError(`${describeTarget(target)}: cannot connect: ${phase} within ${seconds} s`, {
    code: 'CONNECT_FAILED',
    hint: reasons.ETIMEDOUT?.[1],
  })

/** The details of a failed login. */
export interface Refusal {
  /** Names of the keys that were offered. */
  readonly tried: readonly string[]
  /** Those of `tried` that the host accepted. */
  readonly taken: readonly string[]
  /** Why other keys were not offered, and further messages. */
  readonly notes: readonly string[]
  /** The authentication methods that the host accepts; empty: unknown. */
  readonly methods: readonly string[]
}

export function authFailed(target: SshTarget, { tried, taken, notes, methods }: Refusal): ConvergeError {
  const { user } = target
  const noKeys = methods.length > 0 && !methods.includes('publickey')
  const others = methods.join(', ')
  const [why, hint] =
    noKeys && taken.length > 0
      ? [
          `the host accepts ${taken[0]}, but also requires ${others}`,
          `converge logs in with a key only: allow that for this account (AuthenticationMethods publickey, after Match User ${user}, in its sshd_config)`,
        ]
      : noKeys
        ? [
            `the host accepts no keys, only ${others}`,
            `converge logs in with a key only: allow keys (PubkeyAuthentication yes in its sshd_config), and add yours to ~${user}/.ssh/authorized_keys (ssh-copy-id)`,
          ]
        : [
            tried.length > 0
              ? `the host accepts none of these keys: ${tried.join(', ')}`
              : 'the host requires a key, and none was found',
            `add the public key to ~${user}/.ssh/authorized_keys on the host (ssh-copy-id), or name another user or key (\`user\`, \`identity\` in the stack file)`,
          ]
  const details = notes.length > 0 ? `; also: ${notes.join('; ')}` : ''
  return new ConvergeError(`${describeTarget(target)}: login as ${user} failed: ${why}${details}`, {
    code: 'AUTH_FAILED',
    usage: true,
    hint,
  })
}

export const connectionLost = (target: SshTarget, why: string, cause?: unknown): ConvergeError =>
  new ConvergeError(`${describeTarget(target)}: connection lost: ${why}`, {
    code: 'CONNECTION_LOST',
    hint: 'run the same command again: what runs on the host continues there, and the next run finishes the rest',
    cause,
  })
