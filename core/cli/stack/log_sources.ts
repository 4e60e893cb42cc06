/** Finds the logs of a host from the services that its roles declare. */
import type { LogSource } from '../../fleet/operate/logs.ts'
import type { PlannedResource } from '../../model/resource.ts'
import type { CompiledHost } from './host_check.ts'
import type { StackCommand } from './stack_command.ts'

/** Returns each log once, in the order of the programs. */
export async function logSourcesOf<N>(
  { catalogue }: StackCommand<N>,
  { roles, node, plan }: CompiledHost<N>,
): Promise<readonly LogSource[]> {
  const logs = new Map(await Promise.all(roles.map(async (role) => [role, await catalogue.logs(node, role)] as const)))
  const all = [
    ...plan.resources.flatMap((resource) => declaredLogs(resource, logs.get(resource.role)?.app ?? null)),
    ...[...logs.values()].flatMap(({ app, files }) => files.map((file): LogSource => ({ ...file, app, kind: 'file' }))),
  ]
  const distinct = new Map(all.map((source) => [`${source.kind} ${source.pattern}`, source]))
  return [...distinct.values()].sort((a, b) => (a.program < b.program ? -1 : a.program > b.program ? 1 : 0))
}

/** The properties that decide where the output of a program goes. */
interface Runner {
  readonly name?: unknown
  readonly app?: unknown
  readonly logDir?: unknown
  readonly ports?: unknown
  readonly absent?: unknown
  readonly action?: unknown
  readonly provider?: { readonly kind?: unknown } | undefined
}

function declaredLogs({ type, props }: PlannedResource, roleApp: string | null): LogSource[] {
  const { name, app, logDir, ports, absent, action, provider } = props as Runner
  if (typeof name !== 'string' || absent === true) return []
  const owner = typeof app === 'string' ? app : roleApp
  const file = (program: string): LogSource[] =>
    typeof logDir === 'string' ? [{ program, app: owner, kind: 'file', pattern: `${logDir}/${program}.log` }] : []
  if (type === 'supervisor_program') return file(name)
  if (type === 'port_swap' && Array.isArray(ports)) return ports.flatMap((port) => file(`${name}-${String(port)}`))
  const isUnit = type === 'service' && action !== 'stopped' && provider?.kind !== 'supervisor'
  return isUnit ? [{ program: name.replace(/\.service$/, ''), app: owner, kind: 'journal', pattern: name }] : []
}
