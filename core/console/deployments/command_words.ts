/** Converts the request of a deployment to the words of a `converge stack` command. */
import type { ConsoleDeployment, DeploymentRequest } from './states.ts'

/** The events of a rollout on the hosts that it selects. */
const events: Readonly<Record<DeploymentRequest['action'], string>> = {
  deploy: 'deploy,configure',
  rollback: 'rollback',
  configure: 'configure',
  setup: 'setup,deploy,configure',
}

type Selection = Pick<DeploymentRequest, 'action' | 'apps' | 'layers' | 'hosts' | 'revision' | 'to'>

/**
 * @param stack options that name the stack file
 * @param json file with the custom JSON of the deployment; null for none
 */
export function planWords(stack: readonly string[], request: Selection, json: string | null = null): string[] {
  const selection = [...selectionWords(request), ...option('--json', json ?? undefined)]
  return ['stack', 'plan', ...stack, '--event', events[request.action], ...selection, '--json-output']
}

/**
 * Returns the words that start a rollout. Its record has the account of the console, and the number of the deployment there,
 * in its comment.
 */
export function rolloutWords(
  stack: readonly string[],
  { id, by, request }: ConsoleDeployment,
  json: string | null = null,
): string[] {
  const { action, strategy, batch, maxFailures, rollbackOnFailure, comment } = request
  const origin = `${by}, console ${id}`
  return [
    'stack',
    action,
    ...stack,
    ...selectionWords(request),
    '--json-output',
    '--wait=1h',
    ...(action === 'configure' ? [] : ['--strategy', strategy]),
    ...option('--json', json ?? undefined),
    ...option('--batch', batch),
    ...option('--max-failures', maxFailures),
    ...(rollbackOnFailure ? ['--rollback-on-failure'] : []),
    '--comment',
    comment === '' ? origin : `${comment} (${origin})`,
  ]
}

function selectionWords({ apps, layers, hosts, revision, to }: Selection): string[] {
  return [
    ...apps.flatMap((app) => ['--app', app]),
    ...layers.flatMap((layer) => ['--layer', layer]),
    ...hosts.flatMap((host) => ['--host', host]),
    ...option('--revision', revision),
    ...option('--to', to),
  ]
}

function option(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [name, value]
}
