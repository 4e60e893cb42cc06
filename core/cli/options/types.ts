/** What a command of the command line is made of: its options, its words, and what kind of command it is. */

export interface OptionSpec {
  readonly type: 'string' | 'boolean' | 'number'
  /** One letter. */
  readonly alias?: string
  /** May be given several times. */
  readonly array?: boolean
  /** Several values may stand in one, with commas between. */
  readonly commas?: boolean
  /** A time such as 10m, which may be left out: then there is no limit. */
  readonly optionalTime?: boolean
  /** What stands for its value in `--help`. */
  readonly value?: string
  /** The only values there are. */
  readonly choices?: readonly string[]
  /** A number of hosts from `least` up; with `share` also a percentage. */
  readonly hosts?: { readonly least: number; readonly share: boolean }
  readonly describe: string
  /** What holds where it isn't given. */
  readonly default?: string
  readonly group: 'What to converge' | 'How to go about it' | 'Output'
}

export type Options = Readonly<Record<string, OptionSpec>>

/** The options as one bag: those of a command, the rest are undefined. */
export interface Arguments {
  readonly role?: readonly string[] | undefined
  readonly json?: readonly string[] | undefined
  readonly nodeJson?: readonly string[] | undefined
  readonly configDir?: string | undefined
  readonly secrets?: string | undefined
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
  readonly detailedExitCode?: boolean | undefined
  readonly jsonOutput?: boolean | undefined
  readonly quiet?: boolean | undefined
  readonly verbose?: boolean | undefined
  readonly color?: boolean | undefined
  readonly to?: string | undefined
  readonly purge?: boolean | undefined
  readonly message?: string | undefined
  readonly migrate?: boolean | undefined
  readonly retryFailed?: boolean | undefined
  readonly page?: string | undefined
  readonly path?: string | undefined
  readonly explain?: string | undefined
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
  /** The words after `--`. */
  readonly command?: readonly string[] | undefined
  /** What stands after the command. */
  readonly name?: string | undefined
  /** What stands after that. */
  readonly target?: string | undefined
}

interface Argument {
  readonly value: string
  readonly describe: string
  /** Nothing can be done without it. */
  readonly required?: boolean
  /** What it may be, for completion. */
  readonly words?: readonly string[]
}

type Group =
  | 'Converge this host'
  | 'Releases'
  | 'Services'
  | 'Look, and change nothing'
  | 'Many hosts over SSH'
  | 'Help'

/** Commands of two words that begin with the same one, as `stack check` does: the overview shows one line for them. */
export interface CommandFamily {
  /** The first word. */
  readonly name: string
  readonly group: Group
  readonly describe: string
  /** A paragraph for `--help` of the first word alone. */
  readonly details: string
  /** Where to start: command lines, and what each is good for. */
  readonly examples: readonly (readonly [string, string])[]
}

export interface CommandSpec {
  /** One word, or two: the first is then the name of a family. */
  readonly name: string
  /** Where `--help` lists it. */
  readonly group: Group
  readonly describe: string
  /** A paragraph for `--help` of the command and its reference page. */
  readonly details?: string
  readonly options: Options
  /** The one word it takes after its name, e.g. a resource type. */
  readonly argument?: Argument
  /** A second one after that. */
  readonly target?: Argument
  /** A command for a host, after `--`: its words are taken as they are. */
  readonly command?: Argument
  /** A command line, and what it is good for. */
  readonly examples: readonly (readonly [string, string])[]
  /** Fixed events of the commands that are named for one. */
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
    | 'resources'
    | 'completion'
    | 'help'
    | 'lock'
    | 'unlock'
    | 'maintenance'
    | 'balancer'
    | 'stack'
    | 'hooks'
  /** Options of other commands, and what to do here instead. */
  readonly instead?: Readonly<Record<string, string>>
  /** Options that contradict each other. */
  readonly either?: readonly (readonly [string, string])[]
}
