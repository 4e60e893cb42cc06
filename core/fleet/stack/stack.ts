/** Declares the types of a validated stack, with its defaults. */
import type { SourceLocation } from '../../model/errors.ts'
import type { NodeWarning } from '../../node/layer.ts'
import type { JsonObject } from '../../node/merge.ts'
import type { Document } from '../../node/parse_layer.ts'
import type { KeyPath } from '../../node/path.ts'
import type { HealthPage } from '../health/health_page.ts'
import type { Architecture } from '../program_format.ts'

type Sudo = boolean | 'password'

export interface StackLayer {
  /** Short name. */
  readonly name: string
  /** Name for display. */
  readonly title: string
  readonly roles: readonly string[]
  readonly documents: readonly Document[]
  readonly packages: readonly string[]
  /** Undefined: not changed. */
  readonly automaticUpdates: boolean | undefined
}

export interface StackHost {
  readonly name: string
  readonly address: string
  /** Undefined: from ~/.ssh/config, else 22. */
  readonly port: number | undefined
  /** Undefined: from ~/.ssh/config, else the operator's account. */
  readonly user: string | undefined
  /** Absolute path of a readable key; undefined: from ~/.ssh/config. */
  readonly identity: string | undefined
  /** `[user@]host[:port]`, several separated by commas; `none`; undefined: from ~/.ssh/config. */
  readonly jump: string | undefined
  readonly sudo: Sudo
  /** How converge reaches it. */
  readonly transport: 'ssh' | 'agent'
  /** Short names, in the order of the stack's layers. */
  readonly layers: readonly string[]
  readonly cpus: number | undefined
  readonly backends: number | undefined
  readonly region: string | undefined
  readonly zone: string | undefined
  readonly privateIp: string | undefined
  readonly privateDnsName: string
  readonly publicDnsName: string | undefined
  readonly ip: string | undefined
  readonly documents: readonly Document[]
  /** Directory below which all paths are, on a host that is converged as an ordinary user. */
  readonly prefix: string | undefined
  /** `stopped`: rollouts ignore the host. */
  readonly status: 'online' | 'stopped'
}

export interface StackApp {
  /** Short name, the key below `deploy`. */
  readonly name: string
  readonly title: string
  readonly type: string
  /** Layers to deploy it to; null: those whose roles deploy it. */
  readonly layers: readonly string[] | null
  /** The value of `deploy.<name>`, in the format of OpsWorks. */
  readonly deploy: JsonObject
}

export interface StackHealth {
  readonly pages: readonly HealthPage[]
  readonly status: { readonly min: number; readonly max: number }
  /** For /bin/sh, in the directory of the stack file. */
  readonly command: string | undefined
  /** Environment variables of the command: the page and its Host. */
  readonly environment: Readonly<Record<string, string>>
  readonly deadlineSeconds: number
  readonly successes: number
}

export interface Stack {
  /** The path as given. */
  readonly file: string
  /** Directory of the file, absolute. */
  readonly directory: string
  readonly name: string
  readonly environment: string | null
  /** Names of all environments of the file. */
  readonly environments: readonly string[]
  /** In the order of setup. */
  readonly layers: readonly StackLayer[]
  /** In the order of the file. */
  readonly hosts: readonly StackHost[]
  readonly apps: readonly StackApp[]
  /** The stack's custom JSON, lowest first. */
  readonly documents: readonly Document[]
  /** Custom JSON of this deployment, above that of all hosts; lowest first. */
  readonly deploymentDocuments?: readonly Document[]
  /** Directories and files of recipes, absolute. */
  readonly recipes: readonly string[]
  readonly health: StackHealth | null
  /** Absolute paths of Node programs to upload. */
  readonly runtimes: Readonly<Partial<Record<Architecture, string>>>
  /** Values to mask: secret by name, or referenced and not part of a name, an address or a revision. */
  readonly secrets: readonly string[]
  readonly warnings: readonly NodeWarning[]
  /** Locates a key path of the file: in the environment's part, where that sets it. */
  readonly locate: (path: KeyPath, what?: 'value' | 'key') => SourceLocation
}
