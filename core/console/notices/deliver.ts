/** Sends one notice: as a signed webhook, a chat message, a mail, or the status of a commit at a git server. */
import { createHmac } from 'node:crypto'
import type { BlockList } from 'node:net'
import { createTransport } from 'nodemailer'
import type { NoticeState } from '../deployments/state_names.ts'
import type { MailSettings } from '../settings.ts'
import { DeliveryFailure, type SafeAnswer, type SafeRequest, sendSafely } from './safe_request.ts'
import type { DueDelivery } from './targets.ts'
import { type AppCommit, chatText, facts, mailText, type NoticeSubject, plain, releasesOf, title } from './text.ts'

export interface DeliveryOptions {
  readonly mail: MailSettings | null
  readonly permittedAddresses: BlockList
  readonly now: () => Date
}

/** @throws DeliveryFailure */
export async function deliver(due: DueDelivery, subject: NoticeSubject, options: DeliveryOptions): Promise<void> {
  const { target } = due
  if (target.kind === 'mail') return sendMail(due, subject, options.mail)
  const request =
    target.kind === 'webhook'
      ? webhookRequest(due, subject, options.now())
      : target.kind === 'chat'
        ? jsonRequest(target.address, {}, { text: chatText(subject) })
        : statusRequest(due, subject)
  // A commit status without a commit: the plan changes nothing of that app.
  if (request === null) return
  checkAnswer(await sendSafely(request, options.permittedAddresses))
}

function checkAnswer({ status, text, isLimited }: SafeAnswer): void {
  if (status >= 200 && status < 300) return
  // GitLab refuses to set a status that is already set, as after an answer that was lost.
  if (status === 400 && text.includes('Cannot transition status')) return
  if (status >= 300 && status < 400)
    throw new DeliveryFailure(`the answer is a redirect (${status}), which is not followed`, true)
  const isTemporary =
    status >= 500 || status === 408 || status === 425 || status === 429 || (status === 403 && isLimited)
  throw new DeliveryFailure(`the answer has the status ${status}`, !isTemporary)
}

/** By the specification of Standard Webhooks, https://www.standardwebhooks.com. */
function webhookRequest({ target, secret, message }: DueDelivery, subject: NoticeSubject, now: Date): SafeRequest {
  const { stack, state, time, url, deployment } = subject
  const body = JSON.stringify({
    type: `deployment.${state.replaceAll(' ', '_')}`,
    timestamp: time,
    data: {
      stack,
      state,
      url,
      deployment: deployment?.id ?? null,
      action: deployment?.request.action ?? null,
      by: deployment?.by ?? null,
      apps: deployment?.request.apps ?? [],
      commits: commitsOf(subject),
      ...Object.fromEntries(
        facts(subject)
          .filter(([name]) => ['comment', 'next step', 'reason'].includes(name))
          .map(([name, value]) => [name.replaceAll(' ', '_'), value]),
      ),
    },
  })
  const seconds = Math.floor(now.getTime() / 1000)
  const key = Buffer.from((secret ?? '').slice('whsec_'.length), 'base64')
  const signature = createHmac('sha256', key).update(`${message}.${seconds}.${body}`).digest('base64')
  const headers = {
    'webhook-id': message,
    'webhook-timestamp': String(seconds),
    'webhook-signature': `v1,${signature}`,
    'Content-Type': 'application/json',
  }
  return { method: 'POST', url: target.address, headers, body }
}

function jsonRequest(url: string, headers: Readonly<Record<string, string>>, body: object): SafeRequest {
  return {
    method: 'POST',
    url,
    headers: { ...headers, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  }
}

type GitKind = 'github' | 'gitlab' | 'gitea'
type Word = 'pending' | 'success' | 'failure' | 'cancelled'

const words: Readonly<Record<NoticeState, Word>> = {
  'waiting for approval': 'pending',
  running: 'pending',
  succeeded: 'success',
  failed: 'failure',
  'rolled back': 'failure',
  interrupted: 'failure',
  cancelled: 'cancelled',
}

/** The words of each API, where they differ. */
const otherWords: Readonly<Record<GitKind, Partial<Record<Word, string>>>> = {
  github: { cancelled: 'error' },
  gitea: { cancelled: 'error' },
  gitlab: { failure: 'failed', cancelled: 'canceled' },
}

/** Returns null if the deployment has no commit of the app. A test reads the repository instead, with the same token. */
function statusRequest({ target, secret }: DueDelivery, subject: NoticeSubject): SafeRequest | null {
  const { app, repository } = target
  const kind = target.kind as GitKind
  const token = secret ?? ''
  const base = target.address.replace(/\/+$/, '')
  const path = (repository ?? '').split('/').map(encodeURIComponent)
  const apis: Readonly<Record<GitKind, readonly [project: string, headers: Readonly<Record<string, string>>]>> = {
    github: [
      `${base}/repos/${path.join('/')}`,
      { Authorization: `Bearer ${token}`, Accept: 'application/vnd.github+json', 'X-GitHub-Api-Version': '2022-11-28' },
    ],
    gitlab: [`${base}/api/v4/projects/${path.join('%2F')}`, { 'PRIVATE-TOKEN': token }],
    gitea: [`${base}/api/v1/repos/${path.join('/')}`, { Authorization: `token ${token}` }],
  }
  const [project, headers] = apis[kind]
  if (subject.state === 'test') return { method: 'GET', url: project, headers }
  const commit = commitsOf(subject).find((one) => one.app === app)?.commit
  if (commit === undefined) return null
  const word = words[subject.state as NoticeState]
  const context = `converge/${plain(subject.stack, 100)}`
  return jsonRequest(`${project}/statuses/${commit}`, headers, {
    state: otherWords[kind][word] ?? word,
    target_url: subject.url,
    description: title(subject),
    ...(kind === 'gitlab' ? { name: context } : { context }),
  })
}

function commitsOf({ deployment }: NoticeSubject): readonly AppCommit[] {
  return deployment === null ? [] : releasesOf(deployment.plan?.releases ?? [])
}

/** The other limits of a mail are those of one step. */
const mailTimeoutMs = 90_000

async function sendMail(
  { target, message }: DueDelivery,
  subject: NoticeSubject,
  settings: MailSettings | null,
): Promise<void> {
  if (settings === null)
    throw new DeliveryFailure('the console has no mail server: name one in the file of --settings', true)
  const { host, tls, port = tls === 'tls' ? 465 : 587, user, password, from } = settings
  const transport = createTransport({
    host,
    port,
    secure: tls === 'tls',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    ...(user !== undefined && { auth: { user, pass: password ?? '' } }),
    connectionTimeout: 15_000,
    greetingTimeout: 15_000,
    socketTimeout: 30_000,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  try {
    const { rejectedErrors = [] } = await transport.sendMail({
      from,
      to: target.address.split(','),
      subject: title(subject),
      text: mailText(subject),
      messageId: `<${message}@converge-console>`,
      headers: { 'Auto-Submitted': 'auto-generated' },
      ...{ signal: AbortSignal.timeout(mailTimeoutMs) },
    })
    if (rejectedErrors.length > 0) throw rejection(rejectedErrors)
  } catch (thrown) {
    if (thrown instanceof DeliveryFailure) throw thrown
    const { rejectedErrors = [] } = thrown as { readonly rejectedErrors?: readonly RejectedRecipient[] }
    if (rejectedErrors.length > 0) throw rejection(rejectedErrors)
    const { code = '', responseCode = 0, message: text } = thrown as Error & { code?: string; responseCode?: number }
    // The words of a mail server can repeat what it was sent.
    const reason =
      responseCode > 0 ? `status ${responseCode}` : plain(text.replaceAll(password ?? '\0', '********'), 200)
    throw new DeliveryFailure(`the mail server ${host}:${port} refused it: ${code} ${reason}`, responseCode >= 500)
  } finally {
    transport.close()
  }
}

/** The error of the mail server about one recipient. */
interface RejectedRecipient {
  readonly recipient?: string | undefined
  readonly responseCode?: number | undefined
}

/** Returns a failure that leaves the rejected recipients; it is final if none of them can be accepted later. */
function rejection(errors: readonly RejectedRecipient[]): DeliveryFailure {
  const recipients = errors.flatMap(({ recipient }) => (recipient === undefined ? [] : [recipient]))
  const reasons = errors.map(({ recipient, responseCode }) => `${recipient}: status ${responseCode ?? 'unknown'}`)
  const isFinal = errors.every(({ responseCode = 0 }) => responseCode >= 500)
  return new DeliveryFailure(`the mail server refused ${reasons.join(', ')}`, isFinal, recipients.join(','))
}
