/** Warns of secrets that every account can read: in a file whose recipe sets no mode, in the arguments of a command. */
import type { HostReader } from '../host/types.ts'
import { isObject } from '../model/json.ts'
import type { PlannedResource } from '../model/resource.ts'
import type { Secrets } from '../model/secrets.ts'

/** Returns a warning about a command whose arguments have a secret: every account sees the arguments of all processes. */
export function exposedArguments({ type }: PlannedResource, props: unknown, secrets: Secrets): string | null {
  if (type !== 'execute' || !isObject(props)) return null
  const { command } = props
  const words = Array.isArray(command) ? command : [command]
  if (!words.some((word) => typeof word === 'string' && secrets.spans(word).length > 0)) return null
  return 'every account can read the arguments of the command, and they hold a secret; pass it in the property environment'
}

/** The mode of a new file without one. */
const defaultMode = '0644'

/**
 * Returns a warning about a desired state; null where it exposes no secret. A recipe that sets a mode has decided who
 * reads the file. No narrower default is set, because it would keep the service from reading its own file.
 */
export function exposureOf(
  host: HostReader,
  { definition }: PlannedResource,
  props: unknown,
  desired: unknown,
  secrets: Secrets,
): string | null {
  if (!isObject(desired) || desired.mode !== null || typeof desired.content !== 'string') return null
  if (secrets.spans(desired.content).length === 0) return null
  const [path] = definition.implementation.paths?.(props) ?? []
  if (typeof path !== 'string') return null
  const stat = host.lstat(path)
  const mode = (stat?.kind === 'file' && stat.mode) || defaultMode
  if ((Number.parseInt(mode, 8) & 0o004) === 0) return null
  return (
    `every account can read ${path} (mode ${mode}), and it holds a secret; set mode and group in the recipe, ` +
    `such as mode: '0640' with the group of the program that reads it, or mode: '${mode}' to keep it so`
  )
}
