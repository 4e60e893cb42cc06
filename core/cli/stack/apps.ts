/** Compiles the roles of each host on the operator's computer, to find mistakes and the apps that the roles deploy. */
import type { FollowUp } from '../../compile/role.ts'
import type { Stack, StackHost } from '../../fleet/stack/stack.ts'
import { type ConvergeError, problemsOf, throwProblems } from '../../model/errors.ts'
import { valueAt } from '../../node/path.ts'
import { compileHost } from '../compile_host.ts'
import { warningsOf, withWarnings } from '../input_warnings.ts'
import { warningText } from '../inputs.ts'
import type { StackCall } from './call.ts'
import { concernText, merged, together } from './compiled.ts'
import { appsOn } from './deployed_apps.ts'
import { stackHostInput } from './host_check.ts'
import type { StackInputs } from './inputs.ts'
import { StackNodes } from './nodes.ts'

export interface Deployed {
  /** Short names of the apps of the stack that the host deploys. */
  readonly apps: readonly string[]
  /** Events in which at least one of its roles takes part. */
  readonly events: ReadonlySet<string>
  /** Subset of the apps that have a migration. */
  readonly migrating: readonly string[]
  /** Subset of the apps that share a database with other hosts. */
  readonly sharing?: readonly string[] | undefined
  /** Events that the host runs after other hosts have switched releases. */
  readonly followUps?: readonly FollowUp[] | undefined
}

/**
 * Compiles the roles of each host of the stack that is not stopped.
 * @param asked requested events: recipes that refuse them are reported here, instead of by each host
 * @throws InvalidInput with problems of attributes, or refusals of recipes; a problem of several hosts is reported once
 */
export async function deployedOnAll<N>(
  call: StackCall<N>,
  inputs: StackInputs<N>,
  asked: readonly string[],
): Promise<ReadonlyMap<string, Deployed>> {
  const { stack } = inputs
  const all = new Map<string, Deployed>()
  const wrong: { host: string; error: ConvergeError }[] = []
  const said: { host: string; message: string }[] = []
  const nodes = await StackNodes.of(call, inputs)
  for (const host of stack.hosts) {
    if (host.status !== 'online') continue
    const warn = (messages: readonly string[]) => {
      for (const message of messages) said.push({ host: host.name, message })
    }
    try {
      all.set(host.name, await deployedOn(call, nodes, { stack, host, asked, warn }))
    } catch (error) {
      warn(warningsOf(error))
      for (const one of problemsOf(error)) wrong.push({ host: host.name, error: one })
    }
  }
  await withWarnings(
    () => merged(said).map((concern) => concernText(concern, stack)),
    () =>
      throwProblems(
        together(wrong, stack.hosts.length),
        `the hosts of ${stack.name} cannot be converged; nothing was begun`,
      ),
  )
  return all
}

interface Question {
  readonly stack: Stack
  readonly host: StackHost
  readonly asked: readonly string[]
  readonly warn: (messages: readonly string[]) => void
}

async function deployedOn<N>(
  call: StackCall<N>,
  nodes: StackNodes<N>,
  { stack, host, asked, warn }: Question,
): Promise<Deployed> {
  const input = await stackHostInput(call, nodes, host)
  const { roles, built } = input
  warn(built.warnings.map(warningText))
  const events = new Set(roles.flatMap((role) => [...role.events.keys()]))
  // Only the host has the releases, so only it can find the target of a rollback.
  const wanted = asked.filter((event) => events.has(event) && event !== 'rollback')
  const isDeploy = wanted.includes('deploy')
  const compiled = compileHost(input, isDeploy ? [...new Set(['deploy', ...wanted])] : ['deploy'])
  // Compile other events as a run of their own: a restart declares different resources than a deploy.
  if (!isDeploy && wanted.length > 0) compileHost(input, wanted)
  const apps = appsOn(stack, host, { roles, built, ...compiled })
  return {
    apps,
    events,
    migrating: apps.filter((app) => valueAt(built.attributes, ['deploy', app, 'migrate']) === true),
    sharing: roles.some(({ sharesData }) => sharesData) ? apps : [],
    followUps: roles.flatMap(({ followUp }) => followUp?.(compiled.node) ?? []),
  }
}
