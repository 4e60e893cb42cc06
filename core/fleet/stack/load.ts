/** Loads a stack file, validates it as a whole, and fills in defaults. */
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { type ConvergeError, problemsOf, throwProblems } from '../../model/errors.ts'
import { byPosition, Findings } from '../../model/findings.ts'
import { Secrets } from '../../model/secrets.ts'
import type { Document } from '../../node/parse_layer.ts'
import { type KeyPath, valueAt } from '../../node/path.ts'
import { addressWarnings } from './addresses.ts'
import { appOf } from './apps.ts'
import {
  checkedRecipes,
  healthProblems,
  hostProblems,
  type KnownNames,
  layerProblems,
  layerWarnings,
} from './checks.ts'
import { contentOf } from './content.ts'
import { customDocuments } from './custom_json.ts'
import type { Search } from './external_values.ts'
import { type FileOptions, openStackFile, readStackFile, type StackSource } from './file.ts'
import { healthOf } from './health.ts'
import { absolutePath } from './input_paths.ts'
import { checkedRuntimes } from './runtimes.ts'
import type { StackContent } from './schema.ts'
import type { Stack, StackHost, StackLayer } from './stack.ts'

export interface StackOptions extends FileOptions {
  /**
   * Returns the names of all roles, those of the stack's own recipes included, and adds errors in the recipes to
   * `problems`. Without it, roles are not checked.
   */
  readonly roles?: ((recipes: readonly string[], problems: ConvergeError[]) => Promise<readonly string[]>) | undefined
}

/** A stack without the invalid values of its file, so that further checks can run. */
export interface StackDraft {
  readonly stack: Stack
  readonly problems: readonly ConvergeError[]
  /** Those of `problems` about variables and secret files that this computer lacks. */
  readonly absent: readonly ConvergeError[]
  /** Paths of the stack file below which attributes could not be read. */
  readonly unreadPaths: readonly KeyPath[]
}

/**
 * Reads and validates a stack file. It reads only files, and opens no connection.
 * @param file path of a .json, .jsonc, .yaml, .yml or .ts file; errors name it as given
 * @throws ConvergeError, InvalidInput with all problems at once, each with file, key path and line
 */
export async function loadStack(file: string, options: StackOptions = {}): Promise<Stack> {
  const { stack, problems } = await draftStack(await openStackFile(file, options), options)
  throwProblems(problems, `${file} is not a valid stack`)
  return stack
}

/**
 * Reads and validates a stack file that may have problems.
 * @throws ConvergeError where the environment does not exist, or the file has too many entries
 */
export async function draftStack(source: StackSource, options: StackOptions): Promise<StackDraft> {
  const { file } = source
  const { value, search } = await readStackFile(source, options)
  const findings = new Findings()
  const { content, names } = contentOf(value, search)
  findings.add(search.problems.splice(0))
  const recipes = checkedRecipes(content, search)
  const runtimes = checkedRuntimes(content, search)
  const known = await knownRoles(recipes, content.recipes ?? [], options, search)
  search.problems.push(...layerProblems(content, known, names, search), ...hostProblems(content, names, search))
  search.problems.push(...healthProblems(content, search))
  const stack = await stackOf(content, file, search)
  findings.add(search.problems)
  const { problems } = findings
  return {
    stack: {
      ...stack,
      environment: options.environment ?? null,
      environments: source.environments,
      recipes,
      runtimes,
      secrets: [...search.secrets].filter((text) => !isDisplayed(text, stack)),
      warnings: [
        ...search.warnings,
        ...(problems.length > 0 ? [] : [...layerWarnings(content, search), ...addressWarnings(stack, search)]),
      ],
      locate: search.locate,
    },
    problems: maskProblems(byPosition(problems), search),
    absent: maskProblems(search.absent, search),
    unreadPaths: search.unreadPaths,
  }
}

/**
 * Decides whether a text occurs in names, addresses or revisions, which are displayed everywhere and must not be
 * masked. Such a text may be a reference too, for example the commit that a CI has built.
 */
function isDisplayed(text: string, { name, layers, hosts, apps }: Loaded): boolean {
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

function maskProblems(problems: readonly ConvergeError[], { secrets }: Search): ConvergeError[] {
  const masks = new Secrets()
  for (const one of secrets) masks.add(one)
  return problems.map((problem) => problem.masked((text) => masks.mask(text)))
}

async function knownRoles(
  recipes: readonly string[],
  listed: readonly string[],
  { roles }: StackOptions,
  { problems }: Search,
): Promise<KnownNames | null> {
  if (roles === undefined) return null
  try {
    const recipeMistakes: ConvergeError[] = []
    const names = await roles(recipes, recipeMistakes)
    problems.push(...recipeMistakes)
    return { names, isComplete: recipeMistakes.length === 0 && recipes.length === listed.length }
  } catch (error) {
    problems.push(...problemsOf(error))
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
  const apps = Object.entries(content.apps ?? {}).map(([name, app]) => appOf(name, app, search))
  return {
    file,
    directory: search.directory,
    name: content.name,
    layers,
    hosts,
    apps,
    documents: await custom(content.custom_json, ['custom_json'], 'stack'),
    health: healthOf(content.health, { apps, hosts }),
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
    identity: identity === undefined ? undefined : absolutePath(identity, directory),
    jump: host.jump ?? ssh?.jump,
    sudo: host.sudo ?? (prefix !== undefined || user === 'root' ? false : (ssh?.sudo ?? true)),
    transport: host.transport ?? 'ssh',
    layers: Object.keys(layers).filter((layer) => host.layers.includes(layer)),
    cpus: host.cpus,
    // Zero means "not set": other hosts compute this host's number of processes from it.
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
