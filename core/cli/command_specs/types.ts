/** Defines the types that describe a command: its options, its arguments and its kind. */
import type { HostCountRange } from '../../fleet/planning/host_count.ts'

export interface OptionSpec {
  readonly type: 'string' | 'boolean' | 'number'
  /** One letter. */
  readonly alias?: string
  /** Whether it may be repeated. */
  readonly repeatable?: boolean
  /** Whether one value may hold several, separated by commas. */
  readonly commaSeparated?: boolean
  /** Whether its value is a time such as 10m that is optional; without a value there is no limit. */
  readonly optionalDuration?: boolean
  /** Placeholder for its value in `--help`. */
  readonly placeholder?: string
  /** Whether its value is printed as a part of a line, and must therefore be one line. */
  readonly singleLine?: boolean
  /** Returns what is expected instead of a value; null for a valid one. */
  readonly expected?: (text: string) => string | null
  /** The allowed values. */
  readonly choices?: readonly string[]
  /** Set if its value is a number of hosts, at least `min`; with `allowsPercent` also a percentage. */
  readonly hostCount?: HostCountRange
  readonly description: string
  /** Value that applies without the option. */
  readonly default?: string
  readonly group: 'Input' | 'How to run' | 'Output'
}

export type Options = Readonly<Record<string, OptionSpec>>

/** The options of all commands in one type; those that a command does not have are undefined. */
export interface Arguments {
  readonly role?: readonly string[] | undefined
  readonly json?: readonly string[] | undefined
  readonly nodeJson?: readonly string[] | undefined
  readonly configDir?: string | undefined
  readonly secrets?: string | undefined
  readonly keep?: boolean | undefined
  readonly shareNetwork?: boolean | undefined
  readonly prefix?: string | undefined
  readonly revision?: string | undefined
  readonly recipes?: readonly string[] | undefined
  readonly config?: string | undefined
  readonly stateDir?: string | undefined
  readonly event?: readonly string[] | undefined
  readonly dryRun?: boolean | undefined
  readonly wait?: number | undefined
  readonly by?: string | undefined
  readonly coordinated?: boolean | undefined
  readonly absentHosts?: readonly string[] | undefined
  readonly detailedExitCode?: boolean | undefined
  readonly jsonOutput?: boolean | undefined
  readonly quiet?: boolean | undefined
  readonly verbose?: boolean | undefined
  readonly color?: boolean | undefined
  readonly to?: string | undefined
  readonly full?: boolean | undefined
  readonly purge?: boolean | undefined
  readonly message?: string | undefined
  readonly migrate?: boolean | undefined
  readonly retryFailed?: boolean | undefined
  readonly page?: string | undefined
  readonly path?: string | undefined
  /** A key for `attributes`; whether to explain the changes for `plan`. */
  readonly explain?: string | boolean | undefined
  readonly schema?: boolean | undefined
  readonly defaults?: boolean | undefined
  readonly stack?: string | undefined
  readonly environment?: string | undefined
  readonly graph?: string | undefined
  readonly layer?: readonly string[] | undefined
  readonly host?: readonly string[] | undefined
  readonly app?: readonly string[] | undefined
  readonly limit?: readonly string[] | undefined
  readonly strategy?: 'parallel' | 'rolling' | 'canary' | undefined
  readonly batch?: string | undefined
  readonly parallel?: string | undefined
  readonly maxFailures?: string | undefined
  readonly rollbackOnFailure?: boolean | undefined
  readonly down?: 'fail' | 'skip' | undefined
  readonly comment?: string | undefined
  readonly acceptNew?: boolean | undefined
  readonly reconnect?: number | undefined
  readonly interval?: string | undefined
  readonly jitter?: string | undefined
  readonly program?: string | undefined
  readonly bare?: boolean | undefined
  readonly authorizedKey?: string | undefined
  readonly hostKey?: boolean | undefined
  readonly output?: string | undefined
  readonly timeout?: number | undefined
  readonly sudo?: boolean | undefined
  readonly user?: string | undefined
  readonly follow?: boolean | undefined
  readonly lines?: string | undefined
  readonly file?: string | undefined
  readonly recipient?: readonly string[] | undefined
  readonly only?: readonly string[] | undefined
  readonly skip?: readonly string[] | undefined
  readonly out?: string | undefined
  readonly journal?: string | undefined
  readonly last?: boolean | undefined
  readonly listen?: string | undefined
  readonly address?: string | undefined
  readonly natsServer?: string | undefined
  readonly keepDays?: string | undefined
  readonly url?: string | undefined
  readonly settings?: string | undefined
  readonly console?: string | undefined
  readonly tokenFile?: string | undefined
  readonly updateSnapshots?: boolean | undefined
  /** The words after `--`. */
  readonly command?: readonly string[] | undefined
  /** The word after the name of the command. */
  readonly argument?: string | undefined
  /** The word after `name`. */
  readonly secondArgument?: string | undefined
}

interface Argument {
  readonly placeholder: string
  readonly description: string
  /** Whether the command requires it. */
  readonly required?: boolean
  /** The possible values, for completion. */
  readonly choices?: readonly string[]
}

type Group =
  | 'Converge this host'
  | 'Releases'
  | 'Services'
  | 'Inspect'
  | 'Recipes of your own'
  | 'Many hosts over SSH'
  | 'Help'

/** Commands of two words with a common first word, such as `stack check`: the overview shows one line for them. */
export interface CommandFamily {
  /** The first word. */
  readonly name: string
  readonly group: Group
  readonly description: string
  /** A paragraph for `--help` of the first word alone. */
  readonly details: string
  /** First examples: command lines, each with its purpose. */
  readonly examples: readonly (readonly [string, string])[]
}

export interface CommandSpec {
  /** One word, or two of which the first is the name of a family. */
  readonly name: string
  /** Heading under which `--help` lists it. */
  readonly group: Group
  readonly description: string
  /** A paragraph for `--help` of the command and its reference page. */
  readonly details?: string
  readonly options: Options
  /** The word that it takes after its name, e.g. a resource type. */
  readonly argument?: Argument
  /** A second word after `argument`. */
  readonly secondArgument?: Argument
  /** A command for a host, after `--`: its words are passed on unchanged. */
  readonly command?: Argument
  /** Command lines, each with its purpose. */
  readonly examples: readonly (readonly [string, string])[]
  /** The events that the command runs, if it is named after an event. */
  readonly events?: readonly string[]
  readonly kind:
    | 'run'
    | 'plan'
    | 'releases'
    | 'revisions'
    | 'attributes'
    | 'render'
    | 'status'
    | 'doctor'
    | 'report'
    | 'resources'
    | 'completion'
    | 'help'
    | 'lock'
    | 'unlock'
    | 'maintenance'
    | 'balancer'
    | 'backup'
    | 'debug-client'
    | 'stack'
    | 'hooks'
    | 'secrets'
    | 'console'
    | 'console-client'
    | 'control'
    | 'agent'
    | 'test'
    | 'verify'
    | 'new'
  /** Advice for options that only other commands have, by the name of the option. */
  readonly advice?: Readonly<Record<string, string>>
  /** Pairs of options that contradict each other. */
  readonly conflicts?: readonly (readonly [string, string])[]
}
