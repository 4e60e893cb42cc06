/** Sends requests to the API of the console, and defines what it answers. */

export type Level = 'deny' | 'show' | 'deploy' | 'manage'

export interface Session {
  readonly account: string
  readonly isAdmin: boolean
  readonly levels: Readonly<Record<string, Level>>
}

export type State =
  | 'queued'
  | 'planning'
  | 'waiting for approval'
  | 'running'
  | 'succeeded'
  | 'failed'
  | 'rolled back'
  | 'interrupted'
  | 'cancelled'

export interface PlannedChange {
  readonly resource: string
  readonly outcome: string
  readonly summary: string | null
  readonly diff: readonly string[]
}

export interface ReleaseChange {
  readonly app: string
  readonly hosts: readonly string[]
  readonly from: { readonly commit: string | null; readonly release: string | null; readonly subject?: string } | null
  readonly to: { readonly commit: string | null; readonly release: string | null; readonly subject?: string }
  readonly commits?: { readonly added: number; readonly removed: number; readonly subjects: readonly string[] }
}

export interface Plan {
  readonly digest: string
  readonly groups: readonly { readonly hosts: readonly string[]; readonly changes: readonly PlannedChange[] }[]
  readonly releases: readonly ReleaseChange[]
  readonly warnings: readonly string[]
}

export interface DeploymentRequest {
  readonly action: 'deploy' | 'rollback' | 'configure' | 'setup'
  readonly apps?: readonly string[]
  readonly layers?: readonly string[]
  readonly hosts?: readonly string[]
  readonly revision?: string
  readonly to?: string
  readonly strategy?: 'rolling' | 'canary' | 'parallel'
  readonly batch?: string
  readonly rollbackOnFailure?: boolean
  readonly comment: string
}

export interface Deployment {
  readonly id: number
  readonly stack: string
  readonly state: State
  readonly reason: string | null
  readonly request: DeploymentRequest
  readonly by: string
  readonly created: string
  readonly started: string | null
  readonly ended: string | null
  readonly deadline: string | null
  readonly plan: Plan | null
  readonly confirmedBy: string | null
  readonly approvedBy: string | null
  readonly record: string | null
}

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
  readonly levels: Readonly<Record<string, Level>>
}

/** An error that the API has returned. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly hint: string | null,
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
  const { message, hint } = (answer as { error: { message: string; hint: string | null } }).error
  throw new ApiError(response.status, message, hint)
}

export function get<T>(path: string): Promise<T> {
  return call('GET', path)
}

/** Returns a path of the API with its parts encoded. */
export function apiPath(strings: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return strings.reduce((path, text, index) => path + encodeURIComponent(values[index - 1] ?? '') + text)
}
