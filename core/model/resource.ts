/** Defines resources: data, and the functions read, desired and apply. */
import type { ZodType } from 'zod'
import type { Host, HostReader } from '../host/types.ts'
import type { CommitRange } from './commit_range.ts'
import { ConvergeError, type SourceLocation } from './errors.ts'
import type { Properties, Reference, Unknown } from './reference.ts'
import { reference } from './reference.ts'
import type { Duration } from './units.ts'
import type { Complete, HasRequired } from './unless_absent.ts'

/** A JSON-like value; what a resource's state is made of, so that patches, reports and digests can hold it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** Values and functions that the engine gives a resource beside its properties. */
export interface Context {
  /** Digest of what `when` lists, or null where the resource has no `when`. It differs when one of them has changed. */
  readonly cause: string | null
  /** The names in `when`; a name stays the same when its resource changes. */
  readonly causes: readonly string[]
  /** Whether a run has changed something that `when` lists, as far back as changes are counted. */
  readonly counted: boolean
  /** Files and links that `when` lists, as far as their paths are known before the run. */
  readonly listedPaths: readonly string[]
  /** Whether the resource was declared `sensitive`: then its content must not stand in any text either. */
  readonly sensitive: boolean
  /** `type key`, as in reports. */
  readonly name: string
  /** The option `timeout` of the resource. */
  readonly timeout?: Duration | undefined
  /** Tells the user a line of progress. */
  readonly progress: (line: string) => void
  /** Reports something that the operator can or must act on, and that is no failure. */
  readonly warn: (message: string) => void
  /** Reports something that requires no action. */
  readonly note: (message: string) => void
  /** Values that must not be shown; a resource adds those it comes across. */
  readonly secret: (value: string) => void
}

export interface RenderedFile {
  readonly path: string
  readonly content: string
  readonly mode?: string | undefined
  readonly owner?: string | undefined
  readonly group?: string | undefined
}

export interface ResourceImplementation<P, S, O extends object> {
  /** Loads what the type needs once per run, before the first read: a library that others need not pay for. */
  prepare?(): Promise<void>
  /**
   * Checks what does not depend on the host, such as the variables of a template, before the first read. Unlike `precheck`,
   * it is called for skipped resources too. Properties may still be references.
   * @returns warnings
   * @throws for a mistake in the recipe
   */
  check?(props: P): readonly string[]
  /**
   * Throws if something keeps the resource from having its effect, such as another file that overrides the one it writes. The
   * engine calls it before the first change. Properties may still be references, so check only those that never are.
   */
  precheck?(host: HostReader, props: P): void
  /**
   * Whether a file of the resource is damaged so that a program cannot read its other files either. The run repairs it
   * before everything else. A resource with `files` and without references comes first in the plan; for others the run
   * calls `makeReadable`. Props may still be references.
   */
  isBroken?(host: HostReader, props: P): boolean
  /**
   * Replaces the damaged files by ones that can be read and start nothing. `read` must still find a difference afterwards,
   * so that the run writes the real text and reports it. Props may still be references.
   */
  makeReadable?(host: Host, props: P): void
  /** Reads the current state; no side effects. Synchronous if it reads only local files. */
  read(host: HostReader, props: P, context: Context): S | Promise<S>
  /** Pure: what the state should become. Throws, with a hint, for what may not be replaced. */
  desired(props: P, now: S, context: Context): S
  /** Changes the host to the desired state. */
  apply(host: Host, props: P, change: { readonly now: S; readonly desired: S }, context: Context): void | Promise<void>
  /** Called where there is nothing to do: may write records, such as what a service was found to run, and nothing else. */
  settle?(host: Host, props: P, state: S, context: Context): void | Promise<void>
  /**
   * Stands in for `apply` in a dry run where that runs commands: does to the overlay's files what is known of their effects.
   * Without it `apply` itself is run on the overlay.
   */
  predict?(host: Host, props: P, change: { readonly now: S; readonly desired: S }, context: Context): void
  /**
   * Path of a text file that a new file replaces, such as the same file of the current release. A report shows the
   * new file as a diff of it.
   */
  previous?(props: P): string | undefined
  /** The paths that it decides, from its properties. If the resource is unknown in a dry run, so are these paths. */
  paths?(props: P): readonly unknown[]
  /** Summarizes the change in a few words for people; default: a summary of the patch. */
  words?(props: P, change: { readonly now: S; readonly desired: S }): string
  /** In a few words, what a change replaces as a whole that is not the operator's: they stand in the place of a text diff. */
  replaces?(host: HostReader, props: P, change: { readonly now: S; readonly desired: S }): string | undefined
  /**
   * Lists the commits that the change installs on a host. A dry run calls it before `predict`, a run after `apply`. It must
   * not throw: without the list, the change is still right.
   */
  commits?(
    host: HostReader,
    props: P,
    change: { readonly now: S; readonly desired: S },
    context: Context,
  ): Promise<CommitRange | null>
  /** Values for those who refer to this resource, from the state it is in after the run. */
  outputs?(props: P, state: S): O
  /**
   * The part of the state that matters to those who list this one in `when`; default: all of it. Unknown where a dry run
   * could only guess it.
   */
  fingerprint?(props: P, state: S): Json | Unknown
  /** The files whose whole content follows from the properties; `converge render` prints them. */
  files?(props: P): readonly RenderedFile[]
  /**
   * The event of the role that may repair a failure of the resource. A run compiles it with its own plan, and runs it after
   * an error with this `recovery`.
   */
  recovery?(props: P): string | undefined
  /**
   * The properties that can be tried without systemd, for `converge verify` in a copy of the system; null for none. Default:
   * all of them.
   */
  withoutSystemd?(host: HostReader, props: P): P | null
  /** Placeholders for the outputs in `converge render`, which reads no host. */
  placeholders?(props: P): Partial<O>
}

/**
 * Says what a change reaches: `paths` are the paths of the resource only, `system` is anything on the host. A function
 * returns further paths, such as the socket of a program that it starts.
 */
export type Reach<P> = 'paths' | 'system' | ((props: P) => 'system' | readonly string[])

export interface ResourceDescription<P, I, S> {
  /** snake_case, the word a recipe uses. */
  readonly type: string
  /** The function that recipes import, if it is another word than the type: `package` is reserved in modules. Default: the type. */
  readonly functionName?: string | undefined
  /** One sentence. */
  readonly doc: string
  /** The cookbook resource or manual page that it mirrors. */
  readonly mirrors?: string | undefined
  readonly examples: readonly NoInfer<I>[]
  /** Identity: two resources of one type with one key are the same resource. */
  readonly key: (props: P) => string
  readonly props: ZodType<P, I>
  readonly state: ZodType<S>
  /** Whether reading asks a program or a server: such reads are started ahead, in parallel. */
  readonly readsAhead?: boolean | undefined
  /**
   * The meaning of `when`: `gate` (default) leaves the resource alone until the cause changes; `cause` hands the decision to
   * `desired`, which gets it as `context.cause` and records it itself.
   */
  readonly when?: 'gate' | 'cause' | undefined
  /**
   * Whether its outputs stay the same on a host once they are known, such as the version of an installed program. Resources
   * whose keys depend on them have the same records in the first run as later, when the recipe knows the values.
   */
  readonly constant?: boolean | undefined
  /**
   * Whether the resources that refer to its outputs are steps toward one result, as those of a release are. A run that
   * leaves out one of them refuses the later ones, unless the one left out is as declared.
   */
  readonly isBuiltInSteps?: boolean | undefined
  /**
   * Says what a change reaches. Under `--prefix`, root changes nothing outside the prefix. Default: `paths` for a type with
   * `paths` and without `predict`, because its `apply` runs no commands; else `system`.
   */
  readonly reach?: Reach<P> | undefined
}

// biome-ignore lint/suspicious/noExplicitAny: one list has the definitions of all types, and their functions take different types.
export type AnyDefinition = ResourceDefinition<any, any, any>

export interface ResourceDefinition<P, S, O extends object>
  extends Omit<ResourceDescription<P, unknown, S>, 'examples'> {
  readonly examples: readonly unknown[]
  readonly implementation: ResourceImplementation<P, S, O>
}

/** A check at run time that only reads, for `onlyIf`/`notIf`. */
export interface Check {
  /** Reads as `only if <description>`. */
  readonly description: string
  readonly check: (host: HostReader) => boolean | Promise<boolean>
}

/** Options that every resource takes beside its own properties. */
export interface CommonOptions {
  /**
   * Act only when one of these has changed since this resource last acted for it; survives crash, failure and reboot.
   * @example
   * when: [config]
   */
  readonly when?: readonly Handle[] | undefined
  /**
   * Act only if this holds: a plain boolean decided from the node, or a check that reads the host.
   * @example
   * onlyIf: node.haproxy.enable_stats
   */
  readonly onlyIf?: boolean | Check | undefined
  /**
   * Act only if this does not hold: a boolean, or a check that reads the host.
   * @example
   * notIf: { description: '/etc/shop.conf exists', check: (host) => host.lstat('/etc/shop.conf') !== null }
   */
  readonly notIf?: boolean | Check | undefined
  /**
   * How often `apply` is tried again after a failure.
   * @default 0
   * @example
   * retries: 3
   */
  readonly retries?: number | undefined
  /**
   * Pause before each further try.
   * @default seconds(2)
   * @example
   * retryDelay: seconds(10)
   */
  readonly retryDelay?: Duration | undefined
  /**
   * Limit for `apply`; default: none beyond those of its commands.
   * @example
   * timeout: seconds(60)
   */
  readonly timeout?: Duration | undefined
  /**
   * Continue the run when this resource fails; the failure is still reported.
   * @default false
   * @example
   * ignoreFailure: true
   */
  readonly ignoreFailure?: boolean | undefined
  /**
   * Never show the content, only that it differs.
   * @default false
   * @example
   * sensitive: true
   */
  readonly sensitive?: boolean | undefined
  /**
   * These come first. The order of the source decides anyway; this documents the reason. Refused if one is declared later.
   * @example
   * after: config
   */
  readonly after?: Handle | readonly Handle[] | undefined
}

/** The result of declaring a resource: its identity, its digest and its outputs, as references. */
export type Handle<O extends object = object> = {
  readonly resource: { readonly type: string; readonly key: string }
  /** Digest of its state: differs after a change. */
  readonly digest: Reference<string>
} & { readonly [K in keyof O]: Reference<O[K]> }

/** Something resources can be declared in: the `r` of a recipe. */
export interface Scope {
  /** @param args what the recipe passed after `r`; anything but one object of properties is refused */
  declare(definition: AnyDefinition, args: readonly unknown[]): { type: string; key: string }
}

/** The function of a resource type. `Complete` gets the literal of the call, to check what it lacks. */
export type Declare<P, O extends object> = (HasRequired<P> extends true
  ? <T = object>(r: Scope, props: Properties<P> & CommonOptions & Complete<P, T>) => Handle<O>
  : (r: Scope, props: Properties<P> & CommonOptions) => Handle<O>) & {
  readonly definition: AnyDefinition
}

/** The function of a resource type whose outputs do not matter: the compiler infers `P` from `Declare`. */
export type ResourceFunction<P> =
  | Declare<P, never>
  | (((r: Scope, props: never) => unknown) & { readonly definition: AnyDefinition })

/** The names of all types that are defined so far. */
export const resourceTypes = new Set<string>()

/**
 * Defines a resource type. The result is the function recipes call: `symlink(r, { path, target })`.
 * A property named like a common option (`timeout`) replaces the option.
 */
export function defineResource<P, I, S, O extends object = Record<never, never>>(
  description: ResourceDescription<P, I, S>,
  implementation: ResourceImplementation<NoInfer<P>, S, O>,
): Declare<I, O> {
  const definition: AnyDefinition = { ...description, implementation }
  resourceTypes.add(description.type)
  const declare = (r: Scope, ...args: [Properties<I> & CommonOptions]): Handle<O> => {
    if (typeof r?.declare !== 'function')
      throw new ConvergeError(`${description.type} is declared in a scope: its first argument is the r of the recipe`, {
        code: 'NO_SCOPE',
        hint: `${description.functionName ?? description.type}(r, { ... })`,
        usage: true,
      })
    return handle<O>(r.declare(definition, args))
  }
  // The compiler does not know here whether the type requires properties unless it is absent.
  return Object.assign(declare, { definition }) as never
}

/** Outputs are references, created on access. Whether an output exists is checked when it is resolved. */
function handle<O extends object>(resource: { type: string; key: string }): Handle<O> {
  return new Proxy({ resource }, outputs) as unknown as Handle<O>
}

const outputs: ProxyHandler<{ readonly resource: { type: string; key: string }; [output: string]: unknown }> = {
  get(outputs, name) {
    if (name === Symbol.toPrimitive) return () => refuseText(outputs.resource)
    if (typeof name !== 'string') return undefined
    if (!Object.hasOwn(outputs, name))
      outputs[name] = reference(`${outputs.resource.type} ${outputs.resource.key}`, name)
    return outputs[name]
  },
  has: (_, name) => name === 'resource' || name === 'digest',
}

function refuseText({ type, key }: { readonly type: string; readonly key: string }): never {
  throw new ConvergeError(`the handle of ${type} ${key} is not a text`, {
    code: 'NOT_A_TEXT',
    hint: 'write the path or name itself, or pass the handle in when or after',
    usage: true,
  })
}

/** One resource of a plan. */
export interface PlannedResource {
  readonly definition: AnyDefinition
  readonly type: string
  readonly key: string
  /** `type key`. */
  readonly name: string
  /** As declared; may hold references. */
  readonly props: unknown
  readonly hasReferences: boolean
  readonly options: CommonOptions
  /** Whether another recipe has changed properties of it. */
  readonly isOverridden?: boolean
  readonly role: string
  readonly event: string
  /** Where the recipe declares it; worked out when asked for. */
  readonly source: () => SourceLocation | undefined
}
