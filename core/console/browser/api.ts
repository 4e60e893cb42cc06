/** Sends requests to the API of the console, and defines what it answers. Only types come from the server's modules. */
import type * as z from 'zod'
import type { Level } from '../access/levels.ts'
import type { ConsoleDeployment, PlanSummary, requestSchema } from '../deployments/states.ts'

export type { Level } from '../access/levels.ts'
export { noticeStates, type State, states } from '../deployments/state_names.ts'
export type { PlannedChange } from '../deployments/states.ts'
export type { BalancerState as Balancer } from '../stack/balancer_state.ts'
export type { HostState, StackState } from '../stack/host_state.ts'

export interface Session {
  readonly account: string
  readonly isAdmin: boolean
  readonly secondFactor: boolean
  /** Whether it logs in by a provider. */
  readonly isExternal: boolean
  readonly levels: Readonly<Record<string, Level>>
}

/** The ways to log in, and why the last login of this browser failed. */
export interface LoginWays {
  readonly password: boolean
  readonly provider: { readonly label: string } | null
  readonly failure: string | null
}

interface Release {
  readonly commit: string | null
  readonly release: string | null
  readonly subject?: string
}

/** A change of releases, as a rollout prints it; its type on the server needs the types of Node. */
export interface ReleaseChange {
  readonly app: string
  readonly hosts: readonly string[]
  readonly from: Release | null
  readonly to: Release
  readonly commits?: { readonly added: number; readonly removed: number; readonly subjects: readonly string[] }
}

export type Plan = Omit<PlanSummary, 'releases'> & { readonly releases: readonly ReleaseChange[] }
export type Deployment = Omit<ConsoleDeployment, 'plan'> & { readonly plan: Plan | null }
export type Action = ConsoleDeployment['request']['action']
export type DeploymentRequest = z.input<typeof requestSchema>

export interface StackSummary {
  readonly name: string
  readonly level: Level
  readonly deployments: readonly Deployment[]
}

export interface Stack {
  readonly name: string
  readonly level: Level
  readonly secondPerson: boolean
  readonly layers: readonly {
    readonly name: string
    readonly title: string
    readonly roles: readonly string[]
    readonly hosts: readonly string[]
  }[]
  readonly hosts: readonly {
    readonly name: string
    readonly address: string
    readonly layers: readonly string[]
    readonly roles: readonly string[]
    readonly status: string
  }[]
  readonly apps: readonly { readonly name: string }[]
}

export interface Difference<T> {
  readonly name: string
  readonly from: T | null
  readonly to: T | null
}

export interface Comparison {
  readonly from: Deployment
  readonly to: Deployment
  readonly request: readonly Difference<string>[]
  readonly commits: readonly Difference<string>[]
  readonly hosts: readonly Difference<{ readonly outcome: string; readonly durationMs: number }>[]
  /** Changes of only one of the two plans, with their hosts. */
  readonly changes: readonly Difference<readonly string[]>[]
  readonly sameChanges: number
}

/** An attribute of a host, with the layers that set it; the first one decides. */
export interface Attribute {
  readonly path: string
  readonly value: unknown
  readonly origins: readonly { readonly kind: string; readonly from: string; readonly value: unknown }[]
}

export interface AuditEntry {
  readonly id: number
  readonly time: string
  readonly actor: string
  readonly via: string
  readonly address: string
  readonly action: string
  readonly stack: string | null
  readonly detail: Readonly<Record<string, unknown>>
}

export interface Account {
  readonly name: string
  readonly isAdmin: boolean
  readonly created: string
  readonly secondFactor: boolean
  readonly isExternal: boolean
  readonly levels: Readonly<Record<string, Level>>
}

interface Ref {
  readonly name: string
  readonly commit: string
}

export interface Revisions {
  readonly branches: readonly Ref[]
  readonly tags: readonly Ref[]
  readonly commits: readonly (Pick<Ref, 'commit'> & {
    readonly subject: string
    readonly author: string
    readonly time: string
  })[]
  /** Why the console cannot read the repository; any revision can still be entered. */
  readonly unreadable: string | null
}

export interface StackSettings {
  readonly secondPerson: boolean
}

export interface Token {
  readonly id: number
  readonly name: string
  readonly account: string
  readonly level: Level
  readonly created: string
  readonly expires: string
  readonly lastUsed: string | null
}

export interface Webhook {
  readonly id: string
  readonly name: string
  readonly account: string
  readonly sender: string
  readonly branch: string
  readonly trigger: string
  readonly request: Readonly<Record<string, unknown>>
  readonly created: string
}

export interface Schedule {
  readonly id: number
  readonly name: string
  readonly account: string
  readonly when: string
  readonly zone: string
  readonly request: Deployment['request']
  readonly enabled: boolean
  readonly next: string | null
  readonly last: string | null
  readonly created: string
}

/** One attempt or several to send a notice. */
export interface Delivery {
  readonly id: number
  /** Null for a test. */
  readonly deployment: number | null
  readonly about: string
  readonly state: 'pending' | 'delivered' | 'failed'
  readonly attempts: number
  readonly created: string
  readonly next: string
  readonly error: string | null
}

export interface NoticeTarget {
  readonly id: number
  readonly kind: 'webhook' | 'chat' | 'mail' | 'github' | 'gitlab' | 'gitea'
  readonly name: string
  readonly address: string
  readonly repository: string | null
  readonly app: string | null
  readonly states: readonly string[]
  readonly account: string
  readonly created: string
  readonly deliveries: readonly Delivery[]
}

export interface NoticeList {
  readonly hasMail: boolean
  readonly targets: readonly NoticeTarget[]
}

/** An error that the API has returned. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly hint: string | null,
    readonly code = '',
  ) {
    super(message)
  }
}

/** Sends a request. @throws ApiError */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers = body === undefined ? {} : { 'Content-Type': 'application/json' }
  const init = body === undefined ? {} : { body: JSON.stringify(body) }
  let response: Response
  try {
    response = await fetch(path, { method, headers, ...init })
  } catch {
    throw new ApiError(0, 'the console does not answer', 'check the network, and that the console runs')
  }
  const answer = await response.json()
  if (response.ok) return answer as T
  const { code, message, hint } = (answer as { error: { code: string; message: string; hint: string | null } }).error
  throw new ApiError(response.status, message, hint, code)
}

export function get<T>(path: string): Promise<T> {
  return call('GET', path)
}

/** Returns a path of the API with its parts encoded. */
export function apiPath(strings: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return strings.reduce((path, text, index) => path + encodeURIComponent(values[index - 1] ?? '') + text)
}
