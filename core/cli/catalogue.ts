/** Defines the interface between the command line and a distribution: its roles, resources and attributes. */
import type { ZodType } from 'zod'
import type { AppView, Finding, HostCheck } from '../compile/inspection.ts'
import type { Role } from '../compile/role.ts'
import type { Concern, Service } from '../fleet/stack/services.ts'
import type { Host, HostReader } from '../host/types.ts'
import type { SourceLocation } from '../model/errors.ts'
import type { PendingRestarts } from '../model/pending_restarts.ts'
import type { AnyDefinition, Context, PlannedResource } from '../model/resource.ts'
import type { RunningRelease } from '../model/run_metrics.ts'
import type { Node } from '../node/node.ts'

export type { Concern, Service }

export interface Catalogue<N> {
  readonly version: string
  /** Directory of the built program, which `converge stack` uploads to other hosts. */
  engineDirectory(): string
  readonly roles: Readonly<Record<string, { readonly doc: string; load(): Promise<Role<N>> }>>
  /** Schemas of the attributes, by top-level key. */
  schemas(): Promise<Readonly<Record<string, ZodType>>>
  /** Top-level keys of other programs, which are accepted without a warning. */
  foreignKeys(): Promise<readonly string[]>
  /** Builds the node that recipes get. */
  node(mergedNode: Node<unknown>, run: RunFacts): N
  /** The directory below which the paths of the node are; `/` is the whole system. */
  prefix(node: N): string
  resources(): Promise<Readonly<Record<string, AnyDefinition>>>
  /** The balancers that the attributes name; they need not exist. */
  balancers(node: N, host: Host): Promise<readonly BalancerControl[]>
  /** The roles that run a balancer on their host. */
  readonly balancerRoles: readonly string[]
  /** The databases of these roles whose backups can be listed and verified. */
  backups(node: N, host: Host, roles: readonly string[]): Promise<readonly BackupControl[]>
  /** Finds the commits from which the releases among these resources would be made; writes nothing. */
  revisions(
    resources: readonly PlannedResource[],
    host: HostReader,
    context: Pick<Context, 'warn' | 'secret'>,
  ): Promise<readonly AppRevision[]>
  /** The apps whose releases are among these resources, for roles of users. */
  releases(resources: readonly PlannedResource[], host: HostReader): Promise<readonly AppView[]>
  /** The services of a role on a host, and the servers that they use; null for a role that is not built in. */
  services(node: N, role: string): Promise<readonly Service[] | null>
  /** The log files that the programs of a role write themselves. */
  logs(node: N, role: string): Promise<RoleLogs>
  /** Finds settings of different hosts of a stack that contradict each other. */
  concerns(
    nodes: readonly { readonly name: string; readonly roles: readonly string[]; readonly node: N }[],
  ): Promise<readonly Concern[]>
  /** The checks that `doctor` makes for any role: disk, clock, ports, the servers that the roles use. */
  checks(node: N, host: HostReader, roles: readonly string[]): Promise<readonly HostCheck[]>
  /** The check of the file systems that runs write to, the worst one; also part of `checks`. */
  diskSpace(node: N, host: HostReader): Promise<Finding | null>
  /** Prepares a Zope client for debugging; it exists until it is removed. */
  debugClient(node: N, host: Host): Promise<DebugClient>
  /** Returns the services that still run as before an upgrade; null if there are none. */
  pendingRestarts(node: N, host: HostReader): Promise<PendingRestarts | null>
  /** The current releases of the apps of these roles. */
  runningReleases(node: N, host: HostReader, roles: readonly Role<N>[]): Promise<readonly RunningRelease[]>
  /** The hooks by which the scheduler of this host calls converge. */
  hooks(options: HookOptions): Promise<Hooks<N>>
  /** The role that runs the console as a service of this host. */
  console(options: ConsoleServiceOptions): Promise<Role<N>>
  /**
   * Checks the syntax and the helpers of a template.
   * @throws ConvergeError with the line of a mistake
   */
  checkTemplate(file: { readonly path: string; readonly text: string }): Promise<void>
  /** The module that the user's own recipes import as `converge-engine`. */
  api(): Promise<object>
}

export interface ConsoleServiceOptions {
  /** Words that start converge: Node and the program. */
  readonly program: string[]
  /** Absolute paths. */
  readonly stackFiles: readonly string[]
  /** Days for which ended deployments are kept. */
  readonly keepDays: number
  /** Such as `127.0.0.1:8484`. */
  readonly listen: string
  /** Address under which browsers reach it; null: its own. */
  readonly url: string | null
  /** Absolute path of the settings file; null: none. */
  readonly settingsFile: string | null
}

export interface RoleLogs {
  /** Short name of the app that the role serves; null: none. */
  readonly app: string | null
  readonly files: readonly {
    readonly program: string
    /** Path, in which `*` matches any characters. */
    readonly pattern: string
  }[]
}

/** The commands that the scheduler of a host calls, and how often. */
export interface HookOptions {
  /** The arguments of each command, by the event that it runs. */
  readonly commands: { readonly [K in 'setup' | 'configure' | 'shutdown']: readonly string[] }
  /** Seconds between two runs of configure. */
  readonly interval: number
  /** Maximum random delay of each run, in seconds. */
  readonly jitter: number
  /** File whose existence shows that the first boot is done. */
  readonly stamp: string
  /** Whether all files are below a prefix, with a supervisord that a run starts. */
  readonly prefixed: boolean
}

export interface Hooks<N> {
  /** The role with the events `hooks_install` and `hooks_remove`. */
  readonly role: Role<N>
  show(node: N, host: HostReader): Promise<readonly HookView[]>
}

export interface HookView {
  /** Name of the unit, or of cron's job. */
  readonly name: string
  readonly installed: boolean
  /** State of the hook in a few words. */
  readonly detail: string
}

/** The source from which an app would be deployed. */
export interface AppRevision {
  readonly app: string
  /** The requested branch, tag or commit; null for a directory. */
  readonly revision: string | null
  /** Null where each host decides: for a directory, or for an abbreviated commit that only a fetch can resolve. */
  readonly commit: string | null
  /** Why the commit may be out of date: the repository could not be queried. */
  readonly unconfirmed?: string
}

/** A balancer with the commands that an operator can give it. */
export interface BalancerControl {
  /** Path or address of its socket for commands. */
  readonly label: string
  /** @throws if the balancer cannot be queried */
  servers(): Promise<readonly BalancedServer[]>
  /** Drains the server: it gets no new requests, and finishes those under way. */
  drain(server: BalancedServer): Promise<unknown>
  /** @param server full name, with its backend */
  ready(server: string): Promise<void>
}

export interface BalancedServer {
  /** `backend/name`. */
  readonly name: string
  readonly backend: string
  readonly address: string
  /** State that the operator set: `drain` accepts no new visitors, `maint` accepts none at all. */
  readonly admin: 'ready' | 'drain' | 'maint'
  /** Whether its health checks succeed. */
  readonly up: boolean
  /** Whether it has health checks of its own. */
  readonly checked: boolean
  readonly takesVisitors: boolean
  /** Result of the last health check; may be empty. */
  readonly check: string
  /** Number of requests that it is answering. */
  readonly sessions: number
  /** Number of requests that wait for it. */
  readonly queue: number
  /** Whether visitors are bound to it by a cookie. */
  readonly sticky: boolean
}

/** A Zope client for debugging, which no balancer knows. */
export interface DebugClient {
  readonly app: string
  /** Id of the release that it runs. */
  readonly release: string
  /** Path of its script, like bin/client1. */
  readonly script: string
  /** Path of the release. */
  readonly directory: string
  /** Account of the app; empty for an ordinary user. */
  readonly account: { readonly user?: string; readonly group?: string }
  /** Variables of the running clients. */
  readonly environment: Readonly<Record<string, string>>
  readonly remove: () => void
}

/** The backups of one database. */
export interface BackupControl {
  readonly app: string
  /** The oldest first. */
  list(): Promise<readonly ListedBackup[]>
  /**
   * Restores a backup into a scratch directory and opens the database there.
   * @param id default: the newest one
   * @throws BACKUP_UNUSABLE
   */
  verify(id: string | undefined): Promise<VerifiedBackup>
}

export interface ListedBackup {
  /** Time of the backup in UTC, such as `2026-11-30-05-52-00`. */
  readonly id: string
  readonly full: boolean
  readonly bytes: number
  /** Name of the backup of its blobs; null if there is none. */
  readonly blobs: string | null
}

export interface VerifiedBackup {
  readonly id: string
  readonly objects: number
  readonly blobs: number
  /** Size of the restored database, without blobs. */
  readonly bytes: number
}

/** Facts about a run that its recipes can read. */
export interface RunFacts {
  /** Unique id of the run. */
  readonly id: string
  readonly events: readonly string[]
  /** Names of the roles of this run; absent if they are unknown. */
  readonly roles?: readonly string[]
  /** Options of the command, e.g. the release to roll back to. */
  readonly options: Readonly<Record<string, string | boolean | undefined>>
  /** Hosts of the stack that the rollout of this run cannot reach; default: none. */
  readonly absentHosts?: readonly string[] | undefined
  /** The operator that started the run. */
  readonly by: string
  /** Finds where an attribute is set, by its key path such as `deploy.site.user`; undefined if no file sets it. */
  readonly locate?: (path: string) => SourceLocation | undefined
}
