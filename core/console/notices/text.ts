/** Writes what a notice says, so that texts of commits and comments cannot act as markup, headers or mentions. */
import type { State } from '../deployments/state_names.ts'
import type { ConsoleDeployment } from '../deployments/states.ts'

/** The deployment and the state of a notice. */
export interface NoticeSubject {
  readonly stack: string
  readonly state: State | 'test'
  /** ISO time of the state. */
  readonly time: string
  /** Null for a test, and if the deployment was removed. */
  readonly deployment: ConsoleDeployment | null
  /** Address of its page. */
  readonly url: string
}

/** Returns a text on one line, without characters that change how other text is displayed. */
export function plain(text: string, max = 500): string {
  const line = text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ').trim()
  return line.length <= max ? line : `${line.slice(0, max - 1)}…`
}

/** Returns one line about a notice: for the subject of a mail, and the description of a commit status. */
export function title({ stack, state, deployment }: NoticeSubject): string {
  if (state === 'test') return `test notice of the stack ${plain(stack)}`
  if (deployment === null) return plain(`${stack}: removed deployment ${state}`, 140)
  return plain(`${stack}: ${deployment.request.action} ${deployment.id} ${state}`, 140)
}

/** Returns the facts about a deployment that people need, by name. */
export function facts({ state, deployment }: NoticeSubject): readonly (readonly [name: string, value: string])[] {
  if (deployment === null) return []
  const { request, by, approvedBy, reason, plan } = deployment
  // An earlier state must not have the reason of a later one.
  const isCurrent = deployment.state === state
  const commits = releasesOf(plan?.releases ?? []).map(({ app, commit }) => `${app} ${commit.slice(0, 8)}`)
  const all: readonly (readonly [string, string])[] = [
    ['by', by],
    ['approved by', approvedBy ?? ''],
    ['apps', request.apps.join(', ')],
    ['revision', request.revision ?? ''],
    ['commits', commits.join(', ')],
    ['comment', request.comment],
    ['next step', isCurrent && state === 'waiting for approval' ? nextStep(deployment) : ''],
    ['reason', isCurrent ? (reason ?? '') : ''],
  ]
  return all.map(([name, value]): [string, string] => [name, plain(value)]).filter(([, value]) => value !== '')
}

/** Returns who must act on a deployment that waits for approval. */
function nextStep({ confirmedBy, by }: ConsoleDeployment): string {
  if (confirmedBy === null) return 'somebody with the level deploy must confirm the plan'
  const others = [...new Set([by, confirmedBy])].join(' or ')
  return `a second person with the level deploy must approve it, and not ${others}`
}

/** A text that Slack, Mattermost and bridges to Matrix display as it is: code, in which nothing is a link or a mention. */
export function chatText(subject: NoticeSubject): string {
  const code = (text: string) => `\`${text.replaceAll('`', "'").replaceAll('<', '‹').replaceAll('>', '›')}\``
  const lines = facts(subject).map(([name, value]) => `${name}: ${code(value)}`)
  return [code(title(subject)), ...lines, subject.url].join('\n')
}

export function mailText(subject: NoticeSubject): string {
  const lines = facts(subject).map(([name, value]) => `${name}: ${value}`)
  return `${[title(subject), ...lines, '', subject.url].join('\n')}\n`
}

export interface AppCommit {
  readonly app: string
  /** 40 digits. */
  readonly commit: string
}

/** Returns the commits of a plan; a release without a known commit is left out. */
export function releasesOf(releases: readonly unknown[]): readonly AppCommit[] {
  return releases.flatMap((one) => {
    const { app, to } = one as { readonly app?: unknown; readonly to?: { readonly commit?: unknown } | null }
    const commit = to?.commit
    return typeof app === 'string' && typeof commit === 'string' && /^[0-9a-f]{40}$/.test(commit)
      ? [{ app, commit }]
      : []
  })
}
