/** Selects hosts of a stack by the options of a command. */
import type { FollowUp } from '../../compile/role.ts'
import { matchHostPatterns, type OrderedHost } from '../../fleet/planning/batches.ts'
import { describeNames } from '../../fleet/screen/host_name_list.ts'
import { rolesOf } from '../../fleet/stack/documents.ts'
import type { Stack } from '../../fleet/stack/stack.ts'
import { ConvergeError, throwProblems } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import type { Arguments } from '../command_specs/list.ts'
import { usage } from '../usage.ts'

/** A host of the stack, with the facts that a rollout needs. */
export interface SelectableHost extends OrderedHost {
  readonly roles: readonly string[]
  readonly apps: readonly string[]
  /** Subset of its apps that have a migration. */
  readonly appsToMigrate: readonly string[]
  /** Subset of its apps that share a database with other hosts. */
  readonly appsSharingData?: readonly string[] | undefined
  /** Events that it runs after other hosts have switched releases. */
  readonly followUps?: readonly FollowUp[] | undefined
  /** Events in which at least one of its roles takes part. */
  readonly events: ReadonlySet<string>
}

/** @param compiledOf compiled apps and events of each host */
export function selectableHosts(
  stack: Stack,
  compiledOf: (
    host: string,
  ) => Pick<SelectableHost, 'apps' | 'appsToMigrate' | 'appsSharingData' | 'followUps' | 'events'>,
): SelectableHost[] {
  const order = stack.layers.map(({ name }) => name)
  return stack.hosts
    .filter(({ status }) => status === 'online')
    .map(({ name, layers }) => ({
      name,
      stage: Math.min(...layers.map((layer) => order.indexOf(layer))),
      roles: rolesOf(stack, name),
      ...compiledOf(name),
    }))
}

/**
 * Finds the problems of the names in --layer, --host, --app and --limit, and of --revision, as far as they show before
 * compiling.
 */
export function selectionProblems(stack: Stack, { layer, host, app, limit, revision }: Arguments): ConvergeError[] {
  const hosts = namesOf(stack.hosts)
  const stopped = namesOf(stack.hosts.filter(({ status }) => status !== 'online'))
  const unknown = (option: string, requested: readonly string[] = [], all: readonly string[]) =>
    requested
      .filter((one) => !all.includes(one))
      .map((one) => usage(`the stack ${stack.name} has no ${option} ${one}`, nearest(one, all) ?? availableNames(all)))
  const apps = namesOf(stack.apps)
  return [
    ...unknown('layer', layer, namesOf(stack.layers)),
    ...unknown('host', host, hosts),
    ...(host ?? [])
      .filter((one) => stopped.includes(one))
      .map((one) => usage(`${one} is stopped in the stack file`, 'remove its status from the stack file first')),
    ...unknown('app', app, apps),
    // A misspelt name after ! would include the very host that the operator excludes.
    ...(limit ?? []).flatMap((pattern) => {
      const bare = pattern.replace(/^!/, '')
      if (matchHostPatterns(hosts, [bare]).length > 0) return []
      return usage(
        `--limit ${pattern}: the stack ${stack.name} has no such host`,
        nearest(bare, hosts) ?? availableNames(hosts),
      )
    }),
    ...(revision === undefined || (app ?? apps).length === 1
      ? []
      : [
          usage(
            '--revision is that of one app',
            `name the app with --app NAME: ${(app ?? apps).join(', ') || 'there is none'}`,
          ),
        ]),
  ]
}

/**
 * Returns the names of the hosts that --layer, --host, --app and --limit select; all without these options.
 * @param hosts that may take part, without those that are shut down
 * @throws InvalidInput for names that the stack does not have; NO_HOSTS if no host is left
 */
export function selectHostNames(stack: Stack, hosts: readonly SelectableHost[], args: Arguments): ReadonlySet<string> {
  throwProblems(selectionProblems(stack, args))
  const selected = selectedHosts(stack, args)
  const chosen = hosts
    .filter(({ name, apps }) => selected.has(name) && (args.app?.some((app) => apps.includes(app)) ?? true))
    .map(({ name }) => name)
  if (chosen.length > 0) return new Set(chosen)
  const names = hosts.map(({ name }) => name)
  const excluded = namesOf(stack.hosts.filter(({ name }) => !names.includes(name)))
  const excludedText =
    excluded.length > 0 ? `; stopped, or shut down until setup or --host names them: ${describeNames(excluded)}` : ''
  throw new ConvergeError('no host matches the selection', {
    code: 'NO_HOSTS',
    hint: `the hosts of the stack: ${describeNames(names) || 'none'}${excludedText}`,
    usage: true,
  })
}

/** Returns the names of the hosts that --layer, --host and --limit select, whatever they run. */
export function selectedHosts(stack: Stack, { layer, host, limit }: Arguments): ReadonlySet<string> {
  const inLayers = stack.hosts
    .filter(({ layers }) => layer?.some((one) => layers.includes(one)) ?? true)
    .filter(({ name }) => host?.includes(name) ?? true)
  return new Set(matchHostPatterns(namesOf(inLayers), limit ?? []))
}

function namesOf(all: readonly { readonly name: string }[]): string[] {
  return all.map(({ name }) => name)
}

function availableNames(names: readonly string[]): string {
  return `there are: ${describeNames(names) || 'none'}`
}
