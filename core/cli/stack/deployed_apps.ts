/** Finds the apps of a stack that a host deploys. */
import type { Plan } from '../../compile/compile.ts'
import type { Stack, StackHost } from '../../fleet/stack/stack.ts'
import type { Node } from '../../node/node.ts'
import { valueAt } from '../../node/path.ts'

/** Returns the short names of the apps: by their layers, or by the resources of its plan. */
export function appsOn(
  { apps }: Pick<Stack, 'apps'>,
  { prefix = '', layers: own }: StackHost,
  { attributes }: Node<unknown>,
  { resources }: Plan,
): string[] {
  const keys = resources.map(({ key }) => key)
  const found = apps.filter(({ name, layers }) => {
    // A user's recipe may deploy an app on any host: then the stack file names its layers.
    if (layers !== null) return layers.some((layer) => own.includes(layer))
    const place = `${prefix}${String(valueAt(attributes, ['deploy', name, 'deploy_to']) ?? `/srv/www/${name}`)}/releases`
    return keys.some((key) => key === place || key.startsWith(`${place}/`))
  })
  return found.map(({ name }) => name)
}
