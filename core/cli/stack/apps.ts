/** What the roles of a host would do, compiled where the operator is: which apps they deploy, and what is wrong before anything is touched. */
import { randomUUID } from 'node:crypto'
import { compile } from '../../compile/compile.ts'
import { hostNamed, nodeDocuments, rolesOf } from '../../fleet/stack/documents.ts'
import { problemsOf } from '../../fleet/stack/file.ts'
import { type ConvergeError, throwProblems } from '../../model/errors.ts'
import { neutralFacts } from '../../node/facts.ts'
import { documentLayer, type Layer, objectLayer } from '../../node/layers.ts'
import { withLocations } from '../../node/located.ts'
import { buildNode } from '../../node/node.ts'
import { valueAt } from '../../node/path.ts'
import type { StackCall } from './call.ts'
import { together } from './compiled.ts'
import type { StackInputs } from './inputs.ts'

export interface Deployed {
  /** Short names of the apps of the stack that the host deploys. */
  readonly apps: readonly string[]
  /** Those that one of its roles has a part in. */
  readonly events: ReadonlySet<string>
  /** Of these, those that are to be migrated. */
  readonly migrating: readonly string[]
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
  const everybody = new Set(stack.hosts.map(({ name }) => name))
  const all = new Map<string, Deployed>()
  const wrong: { host: string; error: ConvergeError }[] = []
  for (const { name, status } of stack.hosts) {
    if (status !== 'online') continue
    try {
      all.set(name, await deployedOn(call, inputs, { host: name, online: everybody, asked }))
    } catch (error) {
      for (const one of problemsOf(error)) wrong.push({ host: name, error: one })
    }
  }
  throwProblems(
    together(wrong, stack.hosts.length),
    `the hosts of ${stack.name} cannot be converged; nothing was begun`,
  )
  return all
}

interface Question {
  readonly host: string
  readonly online: ReadonlySet<string>
  readonly asked: readonly string[]
}

async function deployedOn<N>(
  { catalogue, secrets }: StackCall<N>,
  { stack, roles }: StackInputs<N>,
  { host, online, asked }: Question,
): Promise<Deployed> {
  const found = await roles(rolesOf(stack, host))
  const layers: Layer[] = await Promise.all(nodeDocuments(stack, host, { online }).map(documentLayer))
  for (const { attributes, name } of found)
    if (Object.keys(attributes).length > 0) layers.push(objectLayer(attributes, `role ${name}`, 'role'))
  const facts = { ...neutralFacts, hostname: host }
  const built = buildNode({
    layers,
    facts,
    schemas: await catalogue.schemas(),
    foreignKeys: await catalogue.foreignKeys(),
  })
  for (const secret of built.secrets) secrets.add(secret)
  secrets.useNames(built.names)
  const known = new Set(found.flatMap((role) => [...role.events.keys()]))
  const events = [...new Set(['deploy', ...asked.filter((event) => known.has(event))])]
  const names = found.map(({ name }) => name)
  const run = { id: randomUUID(), events, roles: names, host: null, options: {}, by: '' }
  const { resources } = withLocations(built, () =>
    compile(found, events, catalogue.node(built, run), (text) => secrets.mask(text)),
  )
  const { prefix = '', layers: own } = hostNamed(stack, host)
  const keys = resources.map(({ key }) => key)
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
  }
}
