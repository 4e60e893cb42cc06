/** Which hosts of a stack are meant, and what runs on them. */
import type { FollowUp } from '../../compile/recipe.ts'
import { limited, type PlannedHost } from '../../fleet/rollout/plan.ts'
import { describeNames } from '../../fleet/screen/names.ts'
import { rolesOf } from '../../fleet/stack/documents.ts'
import type { Stack } from '../../fleet/stack/stack.ts'
import { ConvergeError, throwProblems } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import type { Arguments } from '../options.ts'

/** A host of the stack, with what a rollout has to know of it. */
export interface Placed extends PlannedHost {
  readonly roles: readonly string[]
  readonly apps: readonly string[]
  /** Of these, those that are to be migrated. */
  readonly migrating: readonly string[]
  /** Of its apps, those that share a database with other hosts. */
  readonly sharing?: readonly string[] | undefined
  /** What it runs after other hosts have switched. */
  readonly followUps?: readonly FollowUp[] | undefined
  /** Those that one of its roles has a part in. */
  readonly events: ReadonlySet<string>
}

/** @param what the roles of a host do */
export function placed(
  stack: Stack,
  what: (host: string) => Pick<Placed, 'apps' | 'migrating' | 'sharing' | 'followUps' | 'events'>,
): Placed[] {
  const order = stack.layers.map(({ name }) => name)
  return stack.hosts
    .filter(({ status }) => status === 'online')
    .map(({ name, layers }) => ({
      name,
      stage: Math.min(...layers.map((layer) => order.indexOf(layer))),
      roles: rolesOf(stack, name),
      ...what(name),
    }))
}

/**
 * What is wrong with the names after --layer, --host, --app and --limit, and with --revision: all that can be said before
 * anything is compiled.
 */
export function wrongNames(stack: Stack, { layer, host, app, limit, revision }: Arguments): ConvergeError[] {
  const hosts = namesOf(stack.hosts)
  const stopped = namesOf(stack.hosts.filter(({ status }) => status !== 'online'))
  const unknown = (option: string, given: readonly string[] = [], all: readonly string[]) =>
    given
      .filter((one) => !all.includes(one))
      .map((one) => usage(`the stack ${stack.name} has no ${option} ${one}`, nearest(one, all) ?? thereAre(all)))
  const apps = namesOf(stack.apps)
  return [
    ...unknown('layer', layer, namesOf(stack.layers)),
    ...unknown('host', host, hosts),
    ...(host ?? [])
      .filter((one) => stopped.includes(one))
      .map((one) => usage(`${one} is stopped, as the stack file says`, 'remove its status from the stack file first')),
    ...unknown('app', app, apps),
    // One that is misspelt behind a ! would leave in just the host that was to be left out.
    ...(limit ?? []).flatMap((pattern) => {
      const bare = pattern.replace(/^!/, '')
      if (limited(hosts, [bare]).length > 0) return []
      return usage(
        `--limit ${pattern}: the stack ${stack.name} has no such host`,
        nearest(bare, hosts) ?? thereAre(hosts),
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
 * Names of the hosts that --layer, --host, --app and --limit mean; all, where none is given.
 * @param hosts those that may take part: not the ones that are shut down
 * @throws InvalidInput for names that the stack does not have; NO_HOSTS where no host is left
 */
export function selected(stack: Stack, hosts: readonly Placed[], args: Arguments): ReadonlySet<string> {
  throwProblems(wrongNames(stack, args))
  const inLayers = chosenByPlace(stack, args)
  const chosen = hosts
    .filter(({ name, apps }) => inLayers.has(name) && (args.app?.some((app) => apps.includes(app)) ?? true))
    .map(({ name }) => name)
  if (chosen.length > 0) return new Set(chosen)
  const names = hosts.map(({ name }) => name)
  const out = namesOf(stack.hosts.filter(({ name }) => !names.includes(name)))
  const left = out.length > 0 ? `; stopped, or shut down until setup or --host names them: ${describeNames(out)}` : ''
  throw new ConvergeError('no host is meant by that', {
    code: 'NO_HOSTS',
    hint: `the hosts of the stack: ${describeNames(names) || 'none'}${left}`,
    usage: true,
  })
}

/** Names of the hosts that --layer, --host and --limit mean, whatever they run. */
export function chosenByPlace(stack: Stack, { layer, host, limit }: Arguments): ReadonlySet<string> {
  const meant = stack.hosts
    .filter(({ layers }) => layer?.some((one) => layers.includes(one)) ?? true)
    .filter(({ name }) => host?.includes(name) ?? true)
  return new Set(limited(namesOf(meant), limit ?? []))
}

function namesOf(all: readonly { readonly name: string }[]): string[] {
  return all.map(({ name }) => name)
}

function thereAre(names: readonly string[]): string {
  return `there are: ${describeNames(names) || 'none'}`
}

function usage(message: string, hint: string): ConvergeError {
  return new ConvergeError(message, { code: 'USAGE', hint, usage: true })
}
