/** A stack as its file says it, with its defaults. */
import type { SourceLocation } from '../../model/errors.ts'
import type { Document, NodeWarning } from '../../node/layers.ts'
import type { JsonObject } from '../../node/merge.ts'
import type { KeyPath } from '../../node/path.ts'
import type { Architecture } from '../machines.ts'
import type { HealthPage } from '../rollout/health_page.ts'

type Sudo = boolean | 'password'

export interface StackLayer {
  /** Short name. */
  readonly name: string
  /** Name shown to people. */
  readonly title: string
  readonly roles: readonly string[]
  readonly documents: readonly Document[]
  readonly packages: readonly string[]
  /** Undefined: left as it is. */
  readonly automaticUpdates: boolean | undefined
}

export interface StackHost {
  readonly name: string
  readonly address: string
  /** Undefined: as ~/.ssh/config says, else 22. */
  readonly port: number | undefined
  /** Undefined: as ~/.ssh/config says, else the own account. */
  readonly user: string | undefined
  /** Absolute path of a key that can be read; undefined: as ~/.ssh/config says. */
  readonly identity: string | undefined
  /** `[user@]host[:port]`, several with commas; `none`; undefined: as ~/.ssh/config says. */
  readonly jump: string | undefined
  readonly sudo: Sudo
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
  /** Directory all paths are below, where the host is converged as an ordinary user. */
  readonly prefix: string | undefined
  /** `stopped`: nothing is done with it. */
  readonly status: 'online' | 'stopped'
}

export interface StackApp {
  /** Short name, the key below `deploy`. */
  readonly name: string
  readonly title: string
  readonly type: string
  /** Layers it is deployed to; null: those whose roles deploy it. */
  readonly layers: readonly string[] | null
  /** What stands below `deploy.<name>`, as OpsWorks writes it. */
  readonly deploy: JsonObject
}

export interface StackHealth {
  readonly pages: readonly HealthPage[]
  readonly status: { readonly min: number; readonly max: number }
  /** For /bin/sh, in the directory of the stack file. */
  readonly command: string | undefined
  /** What the command finds in its environment: the page and its Host. */
  readonly environment: Readonly<Record<string, string>>
  readonly deadlineSeconds: number
}

export interface Stack {
  /** As it was given. */
  readonly file: string
  /** Directory of the file, absolute. */
  readonly directory: string
  readonly name: string
  readonly environment: string | null
  /** Names of all environments of the file. */
  readonly environments: readonly string[]
  /** In the order they are brought up. */
  readonly layers: readonly StackLayer[]
  /** In the order of the file. */
  readonly hosts: readonly StackHost[]
  readonly apps: readonly StackApp[]
  /** The stack's custom JSON, lowest first. */
  readonly documents: readonly Document[]
  /** Directories and files of recipes, absolute. */
  readonly recipes: readonly string[]
  readonly health: StackHealth | null
  /** Node programs to bring, absolute. */
  readonly runtimes: Readonly<Partial<Record<Architecture, string>>>
  /** What must not be shown: what is secret by its name, and what came from elsewhere but for names, addresses and revisions. */
  readonly secrets: readonly string[]
  readonly warnings: readonly NodeWarning[]
  /** Where a key path of the file stands: in the environment's part, where that says it. */
  readonly locate: (path: KeyPath, what?: 'value' | 'key') => SourceLocation
}
