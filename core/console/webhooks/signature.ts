/** Checks the signatures of webhooks: those of GitHub, of GitLab, and Standard Webhooks. */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** The headers of a request, by names in lower case. */
export type HeaderReader = (name: string) => string | undefined

export interface Delivery {
  /** Identifies the delivery, so that it counts once. */
  readonly id: string
}

export const senders = ['github', 'gitlab', 'generic'] as const
export type Sender = (typeof senders)[number]

/** Deliveries of Standard Webhooks whose time is further away from now, in either direction, are refused. */
const toleranceMs = 5 * 60_000

/**
 * @param body the bytes as they arrived: a parsed and printed body would have another signature
 * @returns the delivery, or why it is refused
 */
export function checkSignature(
  sender: Sender,
  secret: string,
  { header, body, now }: { readonly header: HeaderReader; readonly body: Uint8Array; readonly now: Date },
): Delivery | string {
  if (sender === 'github') {
    const expected = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
    if (!isEqual(header('x-hub-signature-256'), expected)) return 'the signature X-Hub-Signature-256 is wrong'
    const id = header('x-github-delivery')
    return id === undefined ? 'the header X-GitHub-Delivery is missing' : { id }
  }
  if (header('webhook-signature') === undefined && sender === 'gitlab') {
    // GitLab before Standard Webhooks: the secret itself, and an id of the delivery.
    if (!isEqual(header('x-gitlab-token'), secret)) return 'the header X-Gitlab-Token is wrong'
    const id = header('x-gitlab-event-uuid') ?? header('idempotency-key')
    return id === undefined ? 'the header X-Gitlab-Event-UUID is missing' : { id }
  }
  return checkStandard(secret, { header, body, now })
}

/** Checks a delivery by the specification of Standard Webhooks, https://www.standardwebhooks.com. */
function checkStandard(
  secret: string,
  { header, body, now }: { readonly header: HeaderReader; readonly body: Uint8Array; readonly now: Date },
): Delivery | string {
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map(header)
  if (id === undefined || timestamp === undefined || signatures === undefined)
    return 'the headers webhook-id, webhook-timestamp or webhook-signature are missing'
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now.getTime() - Number(timestamp) * 1000) > toleranceMs)
    return 'the header webhook-timestamp is older than five minutes, or in the future'
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : secret
  const hmac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body)
  const expected = `v1,${hmac.digest('base64')}`
  // During a change of the secret, a sender sends two.
  if (!signatures.split(' ').some((one) => isEqual(one, expected))) return 'the signature webhook-signature is wrong'
  return { id }
}

function isEqual(sent: string | undefined, expected: string): boolean {
  const [one, other] = [Buffer.from(sent ?? ''), Buffer.from(expected)]
  return one.length === other.length && timingSafeEqual(one, other)
}
