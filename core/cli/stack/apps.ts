/** What the roles of a host would do, compiled where the operator is: which apps they deploy, and what is wrong before anything is touched. */
import { randomUUID } from 'node:crypto'
import { compile } from '../../compile/compile.ts'
import type { FollowUp } from '../../compile/recipe.ts'

import type { Stack, StackHost } from '../../fleet/stack/stack.ts'
import { type ConvergeError, problemsOf, throwProblems } from '../../model/errors.ts'
import { withLocations } from '../../node/located.ts'
import { valueAt } from '../../node/path.ts'
import { author } from '../inputs.ts'
import type { StackCall } from './call.ts'
import { together } from './compiled.ts'
import { factsOf } from './host_check.ts'
import type { StackInputs } from './inputs.ts'
import { StackNodes } from './nodes.ts'

export interface Deployed {
  /** Short names of the apps of the stack that the host deploys. */
  readonly apps: readonly string[]
  /** Those that one of its roles has a part in. */
  readonly events: ReadonlySet<string>
  /** Of the apps, those that are to be migrated. */
  readonly migrating: readonly string[]
  /** Of the apps, those that share a database with other hosts. */
  readonly sharing?: readonly string[] | undefined
  /** What it runs after other hosts have switched. */
  readonly followUps?: readonly FollowUp[] | undefined
}

/**
 * What each host of the stack that is not stopped would do.
 * @param asked events that are to be run, so that what recipes refuse is told here, and not by each host
 * @throws InvalidInput with what is wrong with the attributes, or what a recipe refuses; the same once for all its hosts
 */
export async function deployedOnAll<N>(
  call: StackCall<N>,
  inputs: StackInputs<N>,
  asked: readonly string[],
): Promise<ReadonlyMap<string, Deployed>> {
  const { stack } = inputs
  const all = new Map<string, Deployed>()
  const wrong: { host: string; error: ConvergeError }[] = []
  const nodes = await StackNodes.of(call, inputs)
  for (const host of stack.hosts) {
    if (host.status !== 'online') continue
    try {
      all.set(host.name, await deployedOn(call, nodes, { stack, host, asked }))
    } catch (error) {
      for (const one of problemsOf(error)) wrong.push({ host: host.name, error: one })
    }
  }
  throwProblems(
    together(wrong, stack.hosts.length),
    `the hosts of ${stack.name} cannot be converged; nothing was begun`,
  )
  return all
}

interface Question {
  readonly stack: Stack
  readonly host: StackHost
  readonly asked: readonly string[]
}

async function deployedOn<N>(
  { catalogue, secrets }: StackCall<N>,
  nodes: StackNodes<N>,
  { stack, host, asked }: Question,
): Promise<Deployed> {
  const { roles: found, built } = await nodes.build(host, factsOf(host))
  const known = new Set(found.flatMap((role) => [...role.events.keys()]))
  const names = found.map(({ name }) => name)
  const mask = (text: string) => secrets.mask(text)
  const compiled = (events: readonly string[]) => {
    const run = { id: randomUUID(), events, roles: names, host: null, options: {}, by: author() }
    const node = catalogue.node(built, run)
    return { node, plan: withLocations(built, () => compile(found, events, node, { mask, memory: nodes.memory })) }
  }
  // Where a rollback goes, only the host knows, which has the releases.
  const wanted = asked.filter((event) => known.has(event) && event !== 'rollback')
  const isDeploy = wanted.includes('deploy')
  const { node, plan } = compiled(isDeploy ? [...new Set(['deploy', ...wanted])] : ['deploy'])
  // A run of its own on the hosts: what a restart declares differs from what a deploy does.
  if (!isDeploy && wanted.length > 0) compiled(wanted)
  const { prefix = '', layers: own } = host
  const keys = plan.resources.map(({ key }) => key)
  const apps = stack.apps.filter(({ name, layers }) => {
    // A recipe of somebody's own may deploy an app anywhere: then the stack file says where.
    if (layers !== null) return layers.some((layer) => own.includes(layer))
    const place = `${prefix}${String(valueAt(built.attributes, ['deploy', name, 'deploy_to']) ?? `/srv/www/${name}`)}/releases`
    return keys.some((key) => key === place || key.startsWith(`${place}/`))
  })
  const named = apps.map(({ name }) => name)
  return {
    apps: named,
    events: known,
    migrating: named.filter((app) => valueAt(built.attributes, ['deploy', app, 'migrate']) === true),
    sharing: found.some(({ sharesData }) => sharesData) ? named : [],
    followUps: found.flatMap(({ followUp }) => followUp?.(node) ?? []),
  }
}
