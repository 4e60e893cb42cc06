/** Compiles the roles of each host on the operator's computer, to find mistakes and the apps that the roles deploy. */
import type { FollowUp } from '../../compile/role.ts'
import type { Stack, StackHost } from '../../fleet/stack/stack.ts'
import { type ConvergeError, problemsOf, throwProblems } from '../../model/errors.ts'
import { valueAt } from '../../node/path.ts'
import { compileHost } from '../inputs/compile_host.ts'
import { warningsOf, withWarnings } from '../inputs/input_warnings.ts'
import { warningText } from '../inputs/read_inputs.ts'
import { concernText, mergeConcerns, mergeErrors } from './compile_stack.ts'
import { appsOn } from './deployed_apps.ts'
import { stackHostInput } from './host_check.ts'
import type { StackInputs } from './inputs.ts'
import { StackNodes } from './nodes.ts'
import type { StackCommand } from './stack_command.ts'

export interface DeployedApps {
  /** Short names of the apps of the stack that the host deploys. */
  readonly apps: readonly string[]
  /** Events in which at least one of its roles takes part. */
  readonly events: ReadonlySet<string>
  /** Subset of the apps that have a migration. */
  readonly appsToMigrate: readonly string[]
  /** Subset of the apps that share a database with other hosts. */
  readonly appsSharingData?: readonly string[] | undefined
  /** Events that the host runs after other hosts have switched releases. */
  readonly followUps?: readonly FollowUp[] | undefined
}

/**
 * Compiles the roles of each host of the stack that is not stopped.
 * @param requestedEvents requested events: recipes that refuse them are reported here, instead of by each host
 * @throws InvalidInput with problems of attributes, or refusals of recipes; a problem of several hosts is reported once
 */
export async function deployedOnAll<N>(
  call: StackCommand<N>,
  inputs: StackInputs<N>,
  requestedEvents: readonly string[],
): Promise<ReadonlyMap<string, DeployedApps>> {
  const { stack } = inputs
  const appsByHost = new Map<string, DeployedApps>()
  const hostErrors: { host: string; error: ConvergeError }[] = []
  const warnings: { host: string; message: string }[] = []
  const nodes = await StackNodes.of(call, inputs)
  for (const host of stack.hosts) {
    if (host.status !== 'online') continue
    const warn = (messages: readonly string[]) => {
      for (const message of messages) warnings.push({ host: host.name, message })
    }
    try {
      appsByHost.set(host.name, await deployedOn(call, nodes, { stack, host, requestedEvents, warn }))
    } catch (error) {
      warn(warningsOf(error))
      for (const one of problemsOf(error)) hostErrors.push({ host: host.name, error: one })
    }
  }
  await withWarnings(
    () => mergeConcerns(warnings).map((concern) => concernText(concern, stack)),
    () =>
      throwProblems(
        mergeErrors(hostErrors, stack.hosts.length),
        `the hosts of ${stack.name} cannot be converged; nothing was begun`,
      ),
  )
  return appsByHost
}

interface HostToCompile {
  readonly stack: Stack
  readonly host: StackHost
  readonly requestedEvents: readonly string[]
  readonly warn: (messages: readonly string[]) => void
}

async function deployedOn<N>(
  call: StackCommand<N>,
  nodes: StackNodes<N>,
  { stack, host, requestedEvents, warn }: HostToCompile,
): Promise<DeployedApps> {
  const input = await stackHostInput(call, nodes, host)
  const { roles, mergedNode } = input
  warn(mergedNode.warnings.map(warningText))
  const events = new Set(roles.flatMap((role) => [...role.events.keys()]))
  // Only the host has the releases, so only it can find the target of a rollback.
  const request = requestedEvents.filter((event) => events.has(event) && event !== 'rollback')
  const isDeploy = request.includes('deploy')
  const compiled = compileHost(input, isDeploy ? [...new Set(['deploy', ...request])] : ['deploy'])
  // Compile other events as a run of their own: a restart declares different resources than a deploy.
  if (!isDeploy && request.length > 0) compileHost(input, request)
  const apps = appsOn(stack, host, { roles, mergedNode, ...compiled })
  return {
    apps,
    events,
    appsToMigrate: apps.filter((app) => valueAt(mergedNode.attributes, ['deploy', app, 'migrate']) === true),
    appsSharingData: roles.some(({ sharesData }) => sharesData) ? apps : [],
    followUps: roles.flatMap(({ followUp }) => followUp?.(compiled.node) ?? []),
  }
}
