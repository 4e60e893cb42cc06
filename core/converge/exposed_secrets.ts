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

/** Types whose files every account can read, and how their commands get secrets. */
const publicFiles: Readonly<Record<string, string>> = {
  cron: 'let the command read the secret from a file with the mode 0600',
  systemd_unit: 'name a file with the mode 0600 in EnvironmentFile',
}

/** A warning about a name with a secret: reports mask it, but every account sees names of files, accounts and jobs. */
export function exposedName({ key }: PlannedResource, secrets: Secrets): string | null {
  if (secrets.spans(key).length === 0) return null
  return 'its name holds a secret, and every account can read names; choose a name without it'
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
  if (!isObject(desired) || typeof desired.content !== 'string') return null
  const remedy = publicFiles[definition.type]
  // A job in the crontab of an account has no mode: only that account reads it.
  if ((remedy === undefined) !== (desired.mode === null)) return null
  if (secrets.spans(desired.content).length === 0) return null
  const [path = desired.place] = definition.implementation.paths?.(props) ?? []
  if (typeof path !== 'string') return null
  if (remedy !== undefined) return `every account can read ${path}, and it holds a secret; ${remedy}`
  const stat = host.lstat(path)
  const mode = (stat?.kind === 'file' && stat.mode) || defaultMode
  if ((Number.parseInt(mode, 8) & 0o004) === 0) return null
  return (
    `every account can read ${path} (mode ${mode}), and it holds a secret; set mode and group in the recipe, ` +
    `such as mode: '0640' with the group of the program that reads it, or mode: '${mode}' to keep it so`
  )
}
