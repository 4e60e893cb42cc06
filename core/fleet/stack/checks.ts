/** Checks rules of a stack file beyond the types of its values: names, recipes, hosts and health. */
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import type { ConvergeError } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import type { NodeWarning } from '../../node/layer.ts'
import { formatPath, type KeyPath } from '../../node/path.ts'
import { invalidHop, jumpHint } from '../ssh/jump.ts'
import { addressProblems, twinProblems } from './addresses.ts'
import { isUnread, problemAt, type Search, unreadable } from './external_values.ts'
import { commandProblems } from './health_command.ts'
import { absolutePath } from './input_paths.ts'
import type { StackContent } from './schema.ts'

type CheckContext = Pick<Search, 'locate' | 'directory' | 'unreadPaths' | 'absent'>

/** Returns the stack's recipes as absolute paths; a missing one is reported and left out. */
export function checkedRecipes({ recipes = [] }: StackContent, search: Search): string[] {
  return recipes.flatMap((recipe, index) => {
    const absolute = absolutePath(recipe, search.directory)
    if (existsSync(absolute)) return [absolute]
    const path = ['recipes', index]
    search.problems.push(
      problemAt(
        `${formatPath(path)}: there is no ${recipe}`,
        search.locate(path),
        `check that this path exists: ${absolute}`,
      ),
    )
    return []
  })
}

/** Names in the file, those of invalid entries included; null where the file has no map of names. */
export interface GivenNames {
  readonly layers: readonly string[] | null
  readonly hosts: readonly string[] | null
}

export interface KnownNames {
  readonly names: readonly string[]
  /** False where invalid recipes may define other names. */
  readonly isComplete: boolean
}

/**
 * Checks the roles and layers that layers and apps refer to.
 * @param roles the known roles; null: they are not checked
 */
export function layerProblems(
  { layers, apps = {} }: StackContent,
  roles: KnownNames | null,
  names: GivenNames,
  where: CheckContext,
): ConvergeError[] {
  const problems: ConvergeError[] = []
  for (const [name, layer] of Object.entries(layers))
    problems.push(...unknownNames(layer.roles ?? [], ['layers', name, 'roles'], 'role', roles, where))
  for (const [name, app] of Object.entries(apps)) {
    problems.push(
      ...unknownNames(app.layers ?? [], ['apps', name, 'layers'], 'layer', completeNames(names.layers), where),
    )
    problems.push(...appProblems(name, app, where))
  }
  return problems
}

function unknownNames(
  names: readonly string[],
  path: KeyPath,
  what: string,
  known: KnownNames | null,
  { locate }: CheckContext,
): ConvergeError[] {
  if (known === null) return []
  return names.flatMap((name, index) => {
    const at = [...path, index]
    if (known.names.includes(name)) return []
    const near = nearest(name, known.names)
    if (near === undefined && !known.isComplete) return []
    const hint = near ?? `there are: ${[...known.names].sort().join(', ')}`
    return [problemAt(`${formatPath(at)}: unknown ${what} ${name}`, locate(at), hint)]
  })
}

function completeNames(names: readonly string[] | null): KnownNames | null {
  return names === null ? null : { names, isComplete: true }
}

function appProblems(name: string, { scm, ssl }: NonNullable<StackContent['apps']>[string], where: CheckContext) {
  const { locate } = where
  const problems: ConvergeError[] = []
  const path = ['apps', name]
  const isMissing = (value: unknown, ...keys: string[]) => value === undefined && !isUnread([...path, ...keys], where)
  if (isMissing(scm?.repository, 'scm', 'repository'))
    problems.push(
      problemAt(
        `${formatPath(path)} has no repository`,
        locate([...path, 'scm']),
        'name the repository of its source: scm: { repository: … }',
      ),
    )
  const parts = ['certificate', 'key'] as const
  if (ssl !== undefined && parts.some((key) => isMissing(ssl[key], 'ssl', key)))
    problems.push(
      problemAt(`${formatPath([...path, 'ssl'])} needs a certificate and its key`, locate([...path, 'ssl'], 'key')),
    )
  return problems
}

/**
 * Checks the hosts, their layers, keys and jump hosts.
 * @param names names in the file
 */
export function hostProblems(content: StackContent, names: GivenNames, where: CheckContext): ConvergeError[] {
  const { hosts, ssh } = content
  const known = names.layers
  const problems: ConvergeError[] = []
  if (names.hosts?.length === 0)
    problems.push(problemAt('there is no host', where.locate(['hosts'], 'key'), 'hosts: { web1: { address: … } }'))
  if (known?.length === 0)
    problems.push(problemAt('there is no layer', where.locate(['layers'], 'key'), 'layers: { app: { roles: […] } }'))
  for (const [name, host] of Object.entries(hosts)) {
    const path = ['hosts', name]
    problems.push(...addressProblems(host, path, where))
    problems.push(...unknownNames(host.layers, [...path, 'layers'], 'layer', completeNames(known), where))
    if (host.layers.length === 0 && !isUnread([...path, 'layers'], where))
      problems.push(
        problemAt(
          `${formatPath(path)} is in no layer`,
          where.locate([...path, 'layers']),
          `name the layers that it belongs to: layers: [${(known ?? []).join(', ')}]`,
        ),
      )
    problems.push(...jumpProblems(host.jump, [...path, 'jump'], where))
    if (host.identity !== undefined) problems.push(...keyProblems(host.identity, [...path, 'identity'], where))
  }
  problems.push(...jumpProblems(ssh?.jump, ['ssh', 'jump'], where))
  if (ssh?.identity !== undefined) problems.push(...keyProblems(ssh.identity, ['ssh', 'identity'], where))
  problems.push(...twinProblems(content, where))
  return problems
}

function jumpProblems(jump: string | undefined, path: KeyPath, { locate }: CheckContext): ConvergeError[] {
  const wrong = jump === undefined ? null : invalidHop(jump)
  if (wrong === null) return []
  return [problemAt(`${formatPath(path)}: invalid jump host ${JSON.stringify(wrong)}`, locate(path), jumpHint)]
}

/** Checks that a key can be read; otherwise the rollout would fail at its first connection. */
function keyProblems(identity: string, path: KeyPath, where: CheckContext): ConvergeError[] {
  const absolute = absolutePath(identity, where.directory)
  // A public key is enough where an agent has the private key.
  const file = existsSync(absolute) || !existsSync(`${absolute}.pub`) ? absolute : `${absolute}.pub`
  try {
    accessSync(file, constants.R_OK)
    if (statSync(file).isFile()) return []
    return [
      problemAt(`${formatPath(path)}: ${identity} is not a file`, where.locate(path), 'name the file of a private key'),
    ]
  } catch (error) {
    const problem = unreadable(identity, path, where, error)
    where.absent.push(problem)
    return [problem]
  }
}

/** Checks the health settings, so that a mistake does not appear in the middle of a rollout. */
export function healthProblems({ health }: StackContent, where: CheckContext): ConvergeError[] {
  if (health === undefined) return []
  const { locate } = where
  const { url = [], status } = health
  const isList = Array.isArray(url)
  const wrong = [url].flat().flatMap((one, index) => {
    if (URL.canParse(one) && /^https?:$/.test(new URL(one).protocol)) return []
    const path = ['health', 'url', ...(isList ? [index] : [])]
    return [problemAt(`${formatPath(path)}: this is not the URL of a page`, locate(path), 'https://shop.example.com/')]
  })
  if (typeof status === 'object' && status.min > status.max) {
    const path = ['health', 'status']
    const message = `${formatPath(path)}: no status is from ${status.min} up to ${status.max}`
    wrong.push(problemAt(message, locate(path), '{ min: 200, max: 399 }'))
  }
  return [...wrong, ...commandProblems(health.command, where)]
}

/** Warns of layers without hosts, which may be intended. */
export function layerWarnings({ layers, hosts }: StackContent, { locate }: CheckContext): NodeWarning[] {
  const used = new Set(Object.values(hosts).flatMap((host) => host.layers))
  return Object.keys(layers)
    .filter((name) => !used.has(name))
    .map((name) => ({
      code: 'EMPTY_LAYER' as const,
      message: `no host is in the layer ${name}`,
      path: formatPath(['layers', name]),
      source: locate(['layers', name], 'key'),
    }))
}
