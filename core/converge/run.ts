/** Holds the objects that all steps of one run share. */
import type { Plan } from '../compile/compile.ts'
import type { Host } from '../host/types.ts'
import type { Context, PlannedResource } from '../model/resource.ts'
import type { Secrets } from '../model/secrets.ts'
import type { Handlers } from '../report/events.ts'
import type { ChangeMarks } from './change_marks.ts'
import type { PlanVariant } from './change_sources.ts'
import type { FormerSecrets } from './former_secrets.ts'
import type { LeftOutSteps } from './left_out.ts'
import type { ListedPaths } from './listed_paths.ts'
import type { ResourceOutputs } from './outputs.ts'
import type { ReadAhead } from './read_ahead.ts'
import type { Reporter } from './reporter.ts'

export interface RunOptions {
  readonly id: string
  /** A `plan` requires an overlay as its host: it runs `predict` there, or `apply` where there is no `predict`. */
  readonly mode: 'run' | 'plan'
  /** Path of the journal, which has the whole output of a failed command. */
  readonly journal?: string | undefined
  readonly handlers?: readonly Handlers[] | undefined
  readonly secrets?: Secrets | undefined
  /** Plans with other values of attributes, by which a dry run explains its changes; default: no explanations. */
  readonly variants?: readonly PlanVariant[] | undefined
  /** Whether the host is a copy of the system in which systemd does not run: what needs systemd is left out with a warning. */
  readonly isCopy?: boolean | undefined
  /** Directory outside which the run changes nothing; default: the run may change the whole system. */
  readonly prefix?: string | undefined
  /** Called before a change with both states, which contain secrets. */
  readonly onChange?:
    | ((resource: PlannedResource, change: { readonly now: unknown; readonly desired: unknown }) => void)
    | undefined
  /** Called between resources: once it returns true, the run ends. */
  readonly interrupted?: (() => boolean) | undefined
  /** Called at the deadline of a resource, to end the commands that it runs. */
  readonly onTimeout?: (() => void) | undefined
}

export interface Run {
  readonly plan: Plan
  readonly host: Host
  readonly options: RunOptions
  readonly secrets: Secrets
  readonly marks: ChangeMarks
  readonly former: FormerSecrets
  readonly outputs: ResourceOutputs
  readonly listed: ListedPaths
  readonly ahead: ReadAhead
  readonly reporter: Reporter
  readonly unconverged: LeftOutSteps
  /** Whether a resource failed whose failure ends the run. */
  failed: boolean
  /** Whether a command continues after its deadline. */
  stillRunning: boolean
}

/** @param cause digest of what the resource lists in `when`, or null */
export function contextOf(run: Run, resource: PlannedResource, cause: string | null): Context {
  const { name, options } = resource
  const { marks, reporter, secrets } = run
  const maskLine = secrets.foreignLineMask()
  const causes = (options.when ?? []).map(({ resource: { type, key } }) => `${type} ${key}`)
  return {
    cause,
    causes,
    get counted() {
      return causes.some((one) => marks.isCounted(one))
    },
    listedPaths: run.listed.of(resource),
    sensitive: options.sensitive ?? false,
    name,
    timeout: options.timeout,
    progress: (line) => reporter.progress(name, maskLine(line)),
    warn: (message) => reporter.warn(`${name}: ${message}`),
    note: (message) => reporter.note(`${name}: ${message}`),
    secret: (value) => secrets.add(value),
  }
}
