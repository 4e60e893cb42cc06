/** Declares the interface between a rollout and a host: SSH in production, a simulation in tests. */
import type { ConvergeError } from '../model/errors.ts'
import type { Layer } from '../node/layer.ts'
import type { FailureReport, RunReport } from '../report/events.ts'

/** A document of a host's node JSON; a list of them has the lowest layer first. */
export interface HostDocument {
  /** For messages: file and position in the operator's files. */
  readonly name: string
  /** Attribute layer that it belongs to: `stack`, or else `host`. */
  readonly kind?: string
  readonly value: unknown
  /** Locates a key path in the operator's files; default: in the file of `name`. */
  readonly locate?: Layer['locate'] | undefined
}

/**
 * The state that a host stores for its own scheduler after a successful run. `same`: the documents of the run.
 * `online`: also that it is in service. `stopped`: only that it is out of service. `first`: the documents, where it has
 * none yet.
 */
export type PersistMode = 'online' | 'same' | 'stopped' | 'first'

/** The releases to roll back to: by app, or one release or commit for the only app; null for the previous ones. */
export type RollbackTo = ReadonlyMap<string, string> | string | null

/** A command that a rollout gives to a host. */
export type HostCommand =
  | {
      readonly kind: 'events'
      readonly events: readonly string[]
      /** Default: from the attributes. */
      readonly migrate?: boolean | undefined
      readonly retryFailed?: boolean | undefined
      readonly purge?: boolean | undefined
    }
  | { readonly kind: 'rollback'; readonly to: RollbackTo }
  | ({ readonly kind: 'hooks'; readonly action: string } & HookSchedule)

/** How often a host calls its hooks, as the command line gives it; default: as the host decides. */
export interface HookSchedule {
  readonly interval?: string | undefined
  readonly jitter?: string | undefined
}

/** Returns the events that a command runs. */
export function eventsOf(command: HostCommand): readonly string[] {
  if (command.kind === 'events') return command.events
  return [command.kind === 'rollback' ? 'rollback' : `hooks_${command.action}`]
}

/** A read-only command that prints JSON. */
export type HostQuery = 'revisions' | 'releases' | 'status' | 'hooks'

export interface RunRequest {
  readonly command: HostCommand
  /** Empty for the roles that the documents name. */
  readonly roles: readonly string[]
  readonly documents: readonly HostDocument[]
  readonly isDryRun: boolean
  /** Without it, the host stores nothing for its scheduler. */
  readonly persist?: PersistMode | undefined
  /** Hosts that the rollout cannot reach: no client waits for theirs. Default: none. */
  readonly absentHosts?: readonly string[] | undefined
}

/** A line of the events of a run, as `converge --json-output` writes it. */
export interface RunEvent {
  readonly event: string
  readonly name?: string
  readonly line?: string
  readonly message?: string
  readonly report?: RunReport
  readonly [more: string]: unknown
}

export interface RunResult {
  /** Exit status; null where the run was killed. */
  readonly status: number | null
  readonly report: RunReport | null
  readonly failure: FailureReport | null
}

export interface HostClient {
  readonly name: string
  /**
   * Connects, and locks the host for this rollout until it is closed.
   * @param takesLock false for read-only actions
   * @throws where the host is unreachable, refuses the login, has another host key, or another rollout holds its lock
   */
  connect(takesLock: boolean): Promise<void>
  /** @throws where the run could not be started, or its result is lost */
  run(request: RunRequest, onEvent: (event: RunEvent) => void): Promise<RunResult>
  /** Runs a read-only command, and returns the JSON that it prints. */
  query(query: HostQuery, request: Pick<RunRequest, 'roles' | 'documents'>): Promise<unknown>
  /** Asks the run under way to finish its step and end. */
  interrupt(): Promise<void>
  close(): void
}

/** Decides whether the host went down or cannot be reached, whatever it did before. */
export function isDown(error: ConvergeError): boolean {
  return isUnreachable(error) || error.code === 'HOST_LOST'
}

/** Decides whether a run has begun whose end is unknown. */
export function isRunLost({ code, cause }: ConvergeError): boolean {
  return code === 'HOST_LOST' || (code === 'HOST_TAKEN' && cause !== undefined)
}

/** Decides whether the connection failed before the host did anything: a retry may succeed. */
export function isUnreachable({ code }: ConvergeError): boolean {
  return ['CONNECT_FAILED', 'CONNECTION_LOST', 'HOST_SILENT'].includes(code)
}
