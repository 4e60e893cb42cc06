/** Finds the apps of a stack that a host deploys. */
import type { Plan } from '../../compile/compile.ts'
import type { Role } from '../../compile/role.ts'
import type { Stack, StackHost } from '../../fleet/stack/stack.ts'
import type { Node } from '../../node/node.ts'
import { valueAt } from '../../node/path.ts'

interface DeployingHost<N> {
  readonly roles: readonly Role<N>[]
  readonly mergedNode: Node<unknown>
  readonly node: N
  readonly plan: Plan
}

/** Returns the short names of the apps: by the layers in the stack file, else by the roles of the host. */
export function appsOn<N>(
  { apps }: Pick<Stack, 'apps'>,
  { prefix = '', layers: hostLayers }: StackHost,
  host: DeployingHost<N>,
): string[] {
  const declared = declaredApps(host)
  const deployedApps = apps.filter(({ name, layers }) => {
    // A user's recipe may deploy an app on any host: then the stack file names its layers.
    if (layers !== null) return layers.some((layer) => hostLayers.includes(layer))
    return declared.has(name) || hasRelease(host, name, prefix)
  })
  return deployedApps.map(({ name }) => name)
}

function declaredApps<N>({ roles, node }: DeployingHost<N>): ReadonlySet<string> {
  return new Set(roles.flatMap(({ apps }) => apps?.(node) ?? []))
}

/** Decides whether a role that declares no apps, as one of the user's may, has a release of the app in its plan. */
function hasRelease<N>({ roles, mergedNode, plan }: DeployingHost<N>, app: string, prefix: string): boolean {
  const undeclared = roles.filter(({ apps }) => apps === undefined).map(({ name }) => name)
  const deployTo = String(valueAt(mergedNode.attributes, ['deploy', app, 'deploy_to']) ?? `/srv/www/${app}`)
  const releases = `${prefix}${deployTo}/releases/`
  return plan.resources.some(({ role, key }) => undeclared.includes(role) && `${key}/`.startsWith(releases))
}
