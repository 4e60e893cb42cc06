/** What the command line is given to work with: the roles, resources and attributes of a distribution. */

import type { ZodType } from 'zod'
import type { HostCheck } from '../compile/inspection.ts'
import type { Role } from '../compile/recipe.ts'
import type { Concern, Service } from '../fleet/stack/services.ts'
import type { Host, HostReader } from '../host/types.ts'
import type { SourceLocation } from '../model/errors.ts'
import type { AnyDefinition, Context, PlannedResource } from '../model/resource.ts'
import type { Node } from '../node/node.ts'

export type { Concern, Service }

export interface Catalogue<N> {
  readonly version: string
  /** Directory of the program as it is built: what travels to other hosts. */
  engineDirectory(): string
  readonly roles: Readonly<Record<string, { readonly doc: string; load(): Promise<Role<N>> }>>
  /** Schemas of the attributes, by top-level key. */
  schemas(): Promise<Readonly<Record<string, ZodType>>>
  /** Top-level keys of others that are kept without a word. */
  foreignKeys(): Promise<readonly string[]>
  /** What recipes see. */
  node(built: Node<unknown>, run: RunFacts): N
  resources(): Promise<Readonly<Record<string, AnyDefinition>>>
  /** The balancers that the attributes tell of; they need not be there. */
  balancers(node: N, host: Host): Promise<readonly BalancerDesk[]>
  /** Which commits the releases among these resources would be made of; nothing is written. */
  revisions(
    resources: readonly PlannedResource[],
    host: HostReader,
    context: Pick<Context, 'warn' | 'secret'>,
  ): Promise<readonly AppRevision[]>
  /** What a role runs on a host, and whom it asks; null for a role that is not the program's own. */
  services(node: N, role: string): Promise<readonly Service[] | null>
  /** Log files that the programs of a role write themselves. */
  logs(node: N, role: string): Promise<RoleLogs>
  /** What does not fit together between the hosts of a stack. */
  concerns(
    members: readonly { readonly name: string; readonly roles: readonly string[]; readonly node: N }[],
  ): Promise<readonly Concern[]>
  /** What `doctor` checks whatever the roles are: disk, clock, ports, the servers that the roles ask. */
  checks(node: N, host: HostReader, roles: readonly string[]): Promise<readonly HostCheck[]>
  /** What has this host's scheduler call converge. */
  hooks(options: HookOptions): Promise<Hooks<N>>
  /** What recipes of one's own import from `converge-engine`. */
  api(): Promise<object>
}

export interface RoleLogs {
  /** Short name of the app that the role serves; null: none. */
  readonly app: string | null
  readonly files: readonly {
    readonly program: string
    /** Path; `*` stands for any characters. */
    readonly pattern: string
  }[]
}

/** What the scheduler of a host calls, and how often. */
export interface HookOptions {
  /** Commands with their words, by what they are for. */
  readonly commands: { readonly [K in 'setup' | 'configure' | 'shutdown']: readonly string[] }
  /** Seconds between two configures. */
  readonly interval: number
  /** Seconds, at most, by which each of them is later. */
  readonly jitter: number
  /** File that says that the first boot is over. */
  readonly stamp: string
  /** Whether all is below a prefix, with a supervisord that a run starts. */
  readonly prefixed: boolean
}

export interface Hooks<N> {
  /** Events `hooks_install` and `hooks_remove`. */
  readonly role: Role<N>
  show(node: N, host: HostReader): Promise<readonly HookView[]>
}

export interface HookView {
  /** Name of the unit, or of cron's job. */
  readonly name: string
  readonly installed: boolean
  /** How it is, in a few words. */
  readonly detail: string
}

/** What an app would be deployed from. */
export interface AppRevision {
  readonly app: string
  /** What was asked for: a branch, a tag, a commit. Null for a directory. */
  readonly revision: string | null
  /** Null where each host decides for itself: a directory, or a commit in short that only a fetch can tell. */
  readonly commit: string | null
}

/** A balancer as an operator deals with it. */
export interface BalancerDesk {
  /** Path or address of what it takes commands at. */
  readonly where: string
  /** @throws where it cannot be asked */
  servers(): Promise<readonly BalancedServer[]>
  /** Sends it no further visitors; what it is answering goes on. */
  takeOut(server: BalancedServer): Promise<unknown>
  /** @param server whole name, with its backend */
  ready(server: string): Promise<void>
}

export interface BalancedServer {
  /** `backend/name`. */
  readonly name: string
  readonly backend: string
  readonly address: string
  /** What was said of it: `drain` takes no new visitors, `maint` nobody at all. */
  readonly admin: 'ready' | 'drain' | 'maint'
  /** By its health checks. */
  readonly up: boolean
  readonly takesVisitors: boolean
  /** What the last health check found; may be empty. */
  readonly check: string
  /** Requests it is answering at the moment. */
  readonly sessions: number
  /** Requests that wait for it. */
  readonly queue: number
  /** Whether visitors are bound to it by a cookie. */
  readonly sticky: boolean
}

/** What a recipe may know of the run it is compiled for. */
export interface RunFacts {
  /** Different for every run. */
  readonly id: string
  readonly events: readonly string[]
  /** Names of the roles of this run; left out where they are not known. */
  readonly roles?: readonly string[]
  /** Options of the command, e.g. the release to roll back to. */
  readonly options: Readonly<Record<string, string | boolean | undefined>>
  /** The host as it is now, to look at only; null where nothing may be looked up. */
  readonly host: HostReader | null
  /** Who asked for the run. */
  readonly by: string
  /** Where an attribute is set, by its key path such as `deploy.site.user`; undefined for one that no file sets. */
  readonly locate?: (path: string) => SourceLocation | undefined
}
