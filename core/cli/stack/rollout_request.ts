/** Turns the command line of a rollout into its request. */
import { defaultEvents } from '../../compile/compile.ts'
import { parseHostCount, resolveHostCount } from '../../fleet/planning/host_count.ts'
import type { RolloutRequest } from '../../fleet/rollout/state/request.ts'
import type { Stack } from '../../fleet/stack/stack.ts'
import type { Action } from '../../fleet/types.ts'
import { ConvergeError } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import type { Arguments } from '../command_specs/list.ts'
import { author } from '../inputs/read_inputs.ts'

/** The known roles and events. */
interface Known {
  readonly roles: readonly string[]
  readonly events: readonly string[]
}

export function requestOf(action: Action, args: Arguments, stack: Stack, known: Known): RolloutRequest {
  requireRollback(action, args)
  refusePlanOptions(action, args)
  return {
    action,
    ...partsOfRecipe(action, args, known),
    stack: stack.environment === null ? stack.name : `${stack.name} (${stack.environment})`,
    comment: args.comment ?? '',
    operator: author(),
    strategy: args.strategy ?? (action === 'setup' ? 'parallel' : 'rolling'),
    restartsInTurn: action === 'setup' && args.strategy === undefined,
    batchSize: parseHostCount(args.batch ?? '1', 'batch', { min: 1, allowsPercent: true }),
    parallel: parallelHosts(args),
    maxFailures: parseHostCount(args.maxFailures ?? '0', 'max-failures', { min: 0, allowsPercent: true }),
    rollbackOnFailure: args.rollbackOnFailure === true,
    onUnreachable: args.down ?? 'fail',
    migration: args.migrate === undefined ? 'new' : args.migrate ? 'all' : 'none',
    retryFailed: args.retryFailed === true,
    apps: args.app ?? stack.apps.map(({ name }) => name),
    revision: args.revision ?? null,
    rollbackTo: args.to ?? null,
    purge: args.purge === true,
    schedule: { interval: args.interval, jitter: args.jitter },
  }
}

/** Refuses --to in a plan of anything but a rollback. */
function requireRollback(action: Action, { to, event }: Arguments): void {
  if (action !== 'plan' || to === undefined || (event?.length === 1 && event[0] === 'rollback')) return
  throw new ConvergeError(`--to ${to} applies to a rollback only`, {
    code: 'USAGE',
    hint: `add --event rollback: converge stack plan --event rollback --to ${to}`,
    usage: true,
  })
}

/** Refuses options that the plan of a rollback does not have. */
function refusePlanOptions(action: Action, { event, explain, only, skip }: Arguments): void {
  if (action !== 'plan' || event?.includes('rollback') !== true) return
  const given = Object.entries({ explain, only, skip }).flatMap(([name, value]) => (value ? [`--${name}`] : []))
  if (given.length === 0) return
  throw new ConvergeError(`the plan of a rollback does not take ${given.join(' and ')}`, {
    code: 'USAGE',
    hint: 'omit the option',
    usage: true,
  })
}

/** Parses `restart`, `audit` or `zeo-client::restart`: an event, a role, or both. */
function partsOfRecipe(action: Action, { argument: recipe, event }: Arguments, known: Known) {
  if (action === 'hooks') return { events: [`hooks_${recipe}`], roles: [] }
  if (action !== 'run') return { events: event ?? [], roles: [] }
  if (recipe === undefined)
    throw new ConvergeError('missing argument RECIPE', {
      code: 'USAGE',
      hint: 'name an event, a role or role::event, such as converge stack run restart',
      usage: true,
    })
  const [first = '', second] = recipe.split('::')
  if (second !== undefined || known.roles.includes(first)) {
    checkKnown('role', first, known.roles)
    if (second !== undefined) checkKnown('event', second, known.events)
    return { roles: [first], events: second === undefined ? defaultEvents : [second] }
  }
  checkKnown('event or role', first, [...known.events, ...known.roles])
  return { roles: [], events: [first] }
}

function checkKnown(what: string, name: string, known: readonly string[]): void {
  if (known.includes(name)) return
  throw new ConvergeError(`unknown ${what} ${name}`, {
    code: 'USAGE',
    hint: nearest(name, known) ?? `there are: ${known.join(', ')}`,
    usage: true,
  })
}

/** Returns the number of hosts at once, by --parallel. */
export function parallelHosts({ parallel = '25' }: Arguments): number {
  const hostCount = parseHostCount(parallel, 'parallel', { min: 1, allowsPercent: false })
  return resolveHostCount(hostCount, Number.POSITIVE_INFINITY, 1)
}
