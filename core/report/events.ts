/** Defines the events and the report of a run, as the terminal, the journal and other programs read them. */
import type { Operation } from 'fast-json-patch'
import type { CommitRange } from '../model/commit_range.ts'
import type { SourceLocation } from '../model/errors.ts'
import type { Selection } from '../model/selection.ts'

/** An attribute on which a change depends, and where it is set. */
export interface AttributeSource {
  /** The changed property; null for the resource as a whole. */
  readonly property: string | null
  readonly attribute: string
  /** Masked where it is secret; absent for a key with several values below. */
  readonly value?: unknown
  /** `file:line:column`, or what else sets it. */
  readonly from: string
  readonly source?: SourceLocation | undefined
}

/** An operation of RFC 6902, with the value that it replaces or removes; absent where it only adds one. */
export type StateChange = Operation & { readonly before?: unknown }

/** `unknown`: a dry run cannot predict it, because a value is known only after another resource was applied. */
export type Outcome = 'unchanged' | 'changed' | 'planned' | 'unknown' | 'skipped' | 'failed'

export interface FailureReport {
  readonly code: string
  readonly message: string
  readonly attempted?: string | undefined
  readonly resource?: string | undefined
  readonly source?: SourceLocation | undefined
  readonly hint?: string | undefined
  readonly output?: string | undefined
  /** Event of the role that repairs the failure; the caller may run it next. */
  readonly recovery?: string | undefined
  /** Each problem, if there are several. */
  readonly problems?: readonly Omit<FailureReport, 'problems'>[] | undefined
}

/** The result of one resource, as handlers of the configuration get it. */
export interface ResourceReport {
  readonly name: string
  readonly type: string
  readonly key: string
  readonly role: string
  readonly event: string
  readonly outcome: Outcome
  /** RFC 6902, from the current to the desired state, with the values before; secrets masked, long texts shortened. */
  readonly patch?: readonly StateChange[] | undefined
  /** A summary of the change, where the resource type provides one. */
  readonly words?: string | undefined
  /** Why it was skipped, or what a dry run is waiting for. */
  readonly reason?: string | undefined
  readonly failure?: FailureReport | undefined
  /** True if the run continued after the failure. */
  readonly ignored?: boolean | undefined
  readonly durationMs: number
  /** All that a failed command printed, where `failure` has only a part of it; for the journal. */
  readonly output?: string | undefined
  /** Number of attempts of `apply`, if there were several. */
  readonly attempts?: number | undefined
  /** Contents before and after, for a text diff; not stored. Null where sensitive or where there is no text. */
  readonly texts?: { readonly before: string; readonly after: string } | null | undefined
  /** The file with which a new file was compared, and whether both have the same text. */
  readonly comparedWith?: { readonly path: string; readonly isSame: boolean } | undefined
  /** The commits between the current release and a new one; secrets masked. */
  readonly commits?: CommitRange | undefined
  /** The attributes on which the change depends; only of `plan --explain`. */
  readonly sources?: readonly AttributeSource[] | undefined
  /** Where the recipe declares the resource; only of `plan --explain`. */
  readonly declaredAt?: SourceLocation | undefined
  /** Lines of the diff of these texts. Only a host of a rollout sends them, for the operator's screen. */
  readonly diff?: readonly string[] | undefined
}

export interface Counts {
  readonly changed: number
  readonly planned: number
  readonly unknown: number
  readonly unchanged: number
  readonly skipped: number
  readonly failed: number
  /** Resources after the failure or the interruption that ended the run. */
  readonly notReached: number
}

/** The inputs of a run, and its start. */
interface RunHeader {
  readonly id: string
  readonly mode: 'run' | 'plan'
  readonly roles: readonly string[]
  readonly events: readonly string[]
  /** The resources to which --only and --skip have limited the run. */
  readonly selection?: Selection | undefined
  /** ISO time. */
  readonly started: string
}

/** The result of a run, as handlers of the configuration get it. */
export interface RunReport extends RunHeader {
  readonly durationMs: number
  readonly outcome: 'unchanged' | 'changed' | 'planned' | 'failed' | 'interrupted'
  readonly counts: Counts
  /** How many resources `selection` has left out; absent without one. */
  readonly leftOut?: number | undefined
  /** All but the unchanged ones. */
  readonly resources: readonly ResourceReport[]
  readonly warnings: readonly string[]
  /** A command continues after its deadline: nothing else may start before this process ends. */
  readonly stillRunning?: boolean | undefined
}

export interface RunStart extends RunHeader {
  readonly resources: number
}

/** Receives the events of a run; each handler is optional. A handler that throws fails the run with its own error. */
export interface Handlers {
  /** Whether `resource` is called for resources that are as declared, thousands in most runs; default: true. */
  readonly unchanged?: boolean
  start?(run: RunStart): void
  /** Before a resource is applied. */
  applying?(name: string): void
  progress?(name: string, line: string): void
  resource?(report: ResourceReport): void
  /** Something that the operator can or must act on. */
  warn?(message: string): void
  /** Something that requires no action. */
  note?(message: string): void
  end?(report: RunReport): void
}
