/** Which hosts of a stack are meant, and what runs on them. */
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
  /** Those that one of its roles has a part in. */
  readonly events: ReadonlySet<string>
}

/** @param what the roles of a host do */
export function placed(stack: Stack, what: (host: string) => Pick<Placed, 'apps' | 'migrating' | 'events'>): Placed[] {
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
 * Names of the hosts that --layer, --host, --app and --limit mean; all, where none is given.
 * @throws InvalidInput for names that the stack does not have; NO_HOSTS where no host is left
 */
export function selected(stack: Stack, hosts: readonly Placed[], args: Arguments): ReadonlySet<string> {
  const names = hosts.map(({ name }) => name)
  const stopped = stack.hosts.filter(({ status }) => status !== 'online').map(({ name }) => name)
  const known = (option: string, given: readonly string[] | undefined, all: readonly string[]) =>
    (given ?? []).flatMap((one) => {
      if (all.includes(one)) return []
      const out = option === 'host' && stopped.includes(one)
      return new ConvergeError(
        out ? `${one} is stopped, as the stack file says` : `the stack ${stack.name} has no ${option} ${one}`,
        {
          code: 'USAGE',
          hint: out
            ? 'take its status out of the stack file first'
            : (nearest(one, all) ?? `there are: ${all.join(', ') || 'none'}`),
          usage: true,
        },
      )
    })
  throwProblems([
    ...unfitting(stack, args.limit ?? []),
    ...known(
      'layer',
      args.layer,
      stack.layers.map(({ name }) => name),
    ),
    ...known('host', args.host, names),
    ...known(
      'app',
      args.app,
      stack.apps.map(({ name }) => name),
    ),
  ])
  const layersOf = new Map(stack.hosts.map(({ name, layers }) => [name, layers]))
  const meant = hosts
    .filter(({ name }) => args.layer === undefined || args.layer.some((layer) => layersOf.get(name)?.includes(layer)))
    .filter(({ name }) => args.host === undefined || args.host.includes(name))
    .filter(({ apps }) => args.app === undefined || args.app.some((app) => apps.includes(app)))
    .map(({ name }) => name)
  const chosen = limited(meant, args.limit ?? [])
  if (chosen.length > 0) return new Set(chosen)
  const out = stack.hosts.filter(({ name }) => !names.includes(name)).map(({ name }) => name)
  throw new ConvergeError('no host is meant by that', {
    code: 'NO_HOSTS',
    hint:
      `the hosts of the stack: ${describeNames(names) || 'none'}` +
      (out.length > 0 ? `; stopped, or shut down until setup or --host names them: ${describeNames(out)}` : ''),
    usage: true,
  })
}

/** Patterns that fit no host of the stack, whether it is up or not: a slip would leave a host out without a word. */
function unfitting({ name: stack, hosts }: Stack, patterns: readonly string[]): ConvergeError[] {
  const names = hosts.map(({ name }) => name)
  return patterns.flatMap((pattern) => {
    const plain = pattern.replace(/^!/, '')
    if (limited(names, [plain]).length > 0) return []
    return new ConvergeError(`--limit ${pattern}: the stack ${stack} has no such host`, {
      code: 'USAGE',
      hint: nearest(plain, names) ?? `there are: ${describeNames(names)}`,
      usage: true,
    })
  })
}
