/** A host as a rollout deals with it: over SSH in earnest, simulated in tests. */
import type { ConvergeError } from '../../model/errors.ts'
import type { Layer } from '../../node/layers.ts'
import type { FailureReport, RunReport } from '../../report/events.ts'

/** What a host is to be given: a document of its node, lowest layer first. */
export interface HostDocument {
  /** For people: file and place as the operator wrote it. */
  readonly name: string
  /** Layer of the attributes it belongs to: `stack`, or else `host`. */
  readonly kind?: string
  readonly value: unknown
  /** Where a key path stands in the operator's files; default: in what it is named for. */
  readonly locate?: Layer['locate'] | undefined
}

/**
 * What a host keeps of a run that went well, for its own scheduler: `same` the documents of the run; `online` also that it is in service; `stopped` only
 * that it is not any more; `first` the documents where it has none yet.
 */
export type Keeps = 'online' | 'same' | 'stopped' | 'first'

export interface RunRequest {
  readonly events: readonly string[]
  /** Empty for those that the documents name. */
  readonly roles: readonly string[]
  readonly documents: readonly HostDocument[]
  readonly dry: boolean
  /** Further words of the command line: `--migrate`, `--to ID`. */
  readonly options: readonly string[]
  /** Without it the run leaves nothing behind but what it does. */
  readonly keeps?: Keeps | undefined
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

export interface FleetHost {
  readonly name: string
  /**
   * Connects, and holds the host for this rollout until it is closed.
   * @param hold false for what only looks
   * @throws what keeps it from being used: it cannot be reached, is not the one it was, lets nobody in, is held by another rollout
   */
  connect(hold: boolean): Promise<void>
  /** @throws where the run could not be started, or what became of it cannot be told any more */
  run(request: RunRequest, hear: (event: RunEvent) => void): Promise<RunResult>
  /**
   * Runs a command that only looks, and gives the JSON it prints.
   * @param words command and options: `['status']`
   */
  ask(words: readonly string[], request: Pick<RunRequest, 'roles' | 'documents'>): Promise<unknown>
  /** Asks the run under way to finish its step and end. */
  interrupt(): Promise<void>
  close(): void
}

/** Whether it is the connection that failed, before anything was done: another time it may work. */
export function isDown({ code }: ConvergeError): boolean {
  return ['CONNECT_FAILED', 'CONNECTION_LOST', 'HOST_SILENT'].includes(code)
}
