/** A stack as its file says it: loaded, checked as a whole, with its defaults. */
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { type ConvergeError, type SourceLocation, throwProblems } from '../../model/errors.ts'
import { Secrets } from '../../model/secrets.ts'
import type { Document, NodeWarning } from '../../node/layers.ts'
import type { JsonObject } from '../../node/merge.ts'
import { type KeyPath, valueAt } from '../../node/path.ts'
import type { Architecture } from '../machines.ts'
import { addressWarnings } from './addresses.ts'
import { appOf } from './apps.ts'
import { healthProblems, hostProblems, layerProblems, layerWarnings, recipeProblems } from './checks.ts'
import { contentOf, unknownKeys } from './content.ts'
import { placeOf, type Search } from './elsewhere.ts'
import { customDocuments, type FileOptions, problemsOf, readStackFile } from './file.ts'
import { runtimeProblems } from './runtimes.ts'
import type { StackContent } from './schema.ts'

export type Sudo = boolean | 'password'

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
  readonly urls: readonly string[]
  readonly status: { readonly min: number; readonly max: number }
  /** For /bin/sh, in the directory of the stack file. */
  readonly command: string | undefined
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

export interface StackOptions extends FileOptions {
  /** Names of the roles there are, those of the stack's own recipes included; without it roles are not checked. */
  readonly roles?: ((recipes: readonly string[]) => Promise<readonly string[]>) | undefined
}

/**
 * Reads and checks a stack file. Nothing but files is looked at, and no connection is made.
 * @param file path of a .json, .jsonc, .yaml, .yml or .ts file; as it is given, errors show it
 * @throws ConvergeError, InvalidInput with all problems at once, each with file, key path and line
 */
export async function loadStack(file: string, options: StackOptions = {}): Promise<Stack> {
  const { value, search, environments } = await readStackFile(file, options)
  const { content, given } = contentOf(value, search)
  for (const one of unknownKeys(value, search)) search.secrets.add(one)
  const recipes = recipeProblems(content, search)
  const runtimes = runtimeProblems(content, search)
  const known = await roleNames(recipes, options, search)
  search.problems.push(...layerProblems(content, known, given, search), ...hostProblems(content, given, search))
  search.problems.push(...healthProblems(content, search))
  const stack = await stackOf(content, file, search)
  throwAll(file, search)
  return {
    ...stack,
    environment: options.environment ?? null,
    environments,
    recipes,
    runtimes,
    secrets: [...search.secrets].filter((text) => !isSpoken(text, stack)),
    warnings: [...search.warnings, ...layerWarnings(content, search), ...addressWarnings(stack, search)],
    locate: search.locate,
  }
}

/**
 * Whether a text is part of what everything goes by, and is told all the time: it may come from elsewhere as well, such as the commit
 * that a CI has built. Without it no host could say which app is on what.
 */
function isSpoken(text: string, { name, layers, hosts, apps }: Loaded): boolean {
  const words = [
    name,
    ...layers.flatMap((layer) => [layer.name, ...layer.roles]),
    ...hosts.flatMap((host) => [
      host.name,
      host.address,
      host.privateDnsName,
      host.publicDnsName,
      host.user,
      host.jump,
    ]),
    ...apps.flatMap(({ deploy, ...app }) => [app.name, valueAt(deploy, ['scm', 'revision']), deploy.domains].flat()),
  ]
  return words.some((word) => typeof word === 'string' && word.includes(text))
}

function throwAll(file: string, { problems, secrets }: Search): void {
  const masks = new Secrets()
  for (const one of secrets) masks.add(one)
  const told = problems.map((problem) => problem.masked((text) => masks.mask(text)))
  throwProblems(byPlace(told), `${file} is no valid stack`)
}

/** File after file, each from top to bottom, as they are mended. */
function byPlace(problems: readonly ConvergeError[]): ConvergeError[] {
  const files = [...new Set(problems.map(({ source }) => source?.file))]
  const place = ({ source }: ConvergeError) => [files.indexOf(source?.file), source?.line ?? 0, source?.column ?? 0]
  return problems.toSorted((a, b) => {
    const [one, other] = [place(a), place(b)]
    return one.map((part, index) => part - (other[index] ?? 0)).find((difference) => difference !== 0) ?? 0
  })
}

async function roleNames(
  recipes: readonly string[],
  { roles }: StackOptions,
  search: Search,
): Promise<readonly string[] | null> {
  if (roles === undefined) return null
  try {
    return await roles(recipes)
  } catch (error) {
    search.problems.push(...problemsOf(error))
    return null
  }
}

type Loaded = Omit<Stack, 'environment' | 'environments' | 'recipes' | 'runtimes' | 'secrets' | 'warnings' | 'locate'>

async function stackOf(content: StackContent, file: string, search: Search): Promise<Loaded> {
  const custom = (value: unknown, path: KeyPath, kind: Document['kind']) =>
    customDocuments(value, path, kind, file, search)
  const layers: StackLayer[] = []
  for (const [name, layer] of Object.entries(content.layers))
    layers.push({
      name,
      title: layer.name ?? name,
      roles: layer.roles ?? [],
      documents: await custom(layer.attributes, ['layers', name, 'attributes'], 'host'),
      packages: layer.packages ?? [],
      automaticUpdates: layer.automatic_updates,
    })
  const hosts: StackHost[] = []
  for (const [name, host] of Object.entries(content.hosts)) {
    const documents = await custom(host.attributes, ['hosts', name, 'attributes'], 'host')
    hosts.push({ ...hostOf(name, host, content, search.directory), documents })
  }
  return {
    file,
    directory: search.directory,
    name: content.name,
    layers,
    hosts,
    apps: Object.entries(content.apps ?? {}).map(([name, app]) => appOf(name, app, search)),
    documents: await custom(content.custom_json, ['custom_json'], 'stack'),
    health: healthOf(content.health),
  }
}

type GivenHost = StackContent['hosts'][string]

function hostOf(name: string, host: GivenHost, content: StackContent, directory: string): Omit<StackHost, 'documents'> {
  const { ssh, region, layers } = content
  const { address, prefix } = host
  const identity = host.identity ?? ssh?.identity
  const user = host.user ?? ssh?.user
  const privateIp = host.private_ip ?? (isIP(address) > 0 ? address : undefined)
  return {
    name,
    address,
    port: host.port ?? ssh?.port,
    user,
    identity: identity === undefined ? undefined : placeOf(identity, directory),
    jump: host.jump ?? ssh?.jump,
    sudo: host.sudo ?? (prefix !== undefined || user === 'root' ? false : (ssh?.sudo ?? true)),
    layers: Object.keys(layers).filter((layer) => host.layers.includes(layer)),
    cpus: host.cpus,
    // None at all says as much as nothing, and the others count by it.
    backends: host.backends || (host.cpus === undefined ? host.backends : host.cpus * 8),
    region: host.region ?? region,
    zone: host.zone,
    privateIp,
    privateDnsName: host.private_dns_name ?? privateIp ?? address,
    publicDnsName: host.public_dns_name,
    ip: host.ip,
    prefix: prefix === undefined ? undefined : resolve(prefix),
    status: host.status ?? 'online',
  }
}

function healthOf(health: StackContent['health']): StackHealth | null {
  if (health === undefined) return null
  const { url = [], status = { min: 200, max: 399 }, command, deadline_seconds = 60 } = health
  return {
    urls: [url].flat(),
    status: typeof status === 'number' ? { min: status, max: status } : status,
    command,
    deadlineSeconds: deadline_seconds,
  }
}
