/** Reads attributes from the environment, for secrets that should stand in no file. */
import { ConvergeError, throwProblems } from '../model/errors.ts'
import type { Layer } from './layer.ts'
import { formatPath, type KeyPath } from './path.ts'

const prefix = 'CONVERGE_ATTR_'

/**
 * Returns variables such as `CONVERGE_ATTR_plone_instances__relstorage__db__password` as a layer of the kind `deployment`.
 * `__` is between keys.
 * Whole numbers, `true`, `false`, `null` and JSON text in quotes are taken as JSON; all else is text as it stands.
 *
 * @returns null where no such variable is set
 * @throws ConvergeError where a name has an empty part, or two variables contradict each other
 */
export function environmentLayer(environment: Readonly<Record<string, string | undefined>>): Layer | null {
  const value: Record<string, unknown> = {}
  const names = new Map<string, string>()
  const problems: ConvergeError[] = []
  for (const name of Object.keys(environment)
    .filter((key) => key.startsWith(prefix))
    .sort()) {
    const path = name.slice(prefix.length).split('__')
    const reason = path.includes('') ? 'a part of the name is empty' : setAtPath(value, path, environment[name] ?? '')
    if (reason === undefined) names.set(formatPath(path), name)
    else
      problems.push(
        new ConvergeError(`${name}: ${reason}`, {
          code: 'INVALID_ENVIRONMENT',
          source: { file: `environment ${name}` },
          hint: `write ${prefix}<key>__<key>, e.g. ${prefix}plone_instances__relstorage__db__password`,
          usage: true,
        }),
      )
  }
  throwProblems(problems, 'the environment cannot be read')
  if (names.size === 0) return null
  const locate = (path: KeyPath) => {
    for (let length = path.length; length > 0; length--) {
      const name = names.get(formatPath(path.slice(0, length)))
      if (name !== undefined) return { file: `environment ${name}` }
    }
    return { file: 'environment' }
  }
  return { kind: 'deployment', file: 'environment', value, patch: null, warnings: [], locate }
}

/** Puts a value at a path. @returns the reason if that is impossible */
function setAtPath(root: Record<string, unknown>, path: readonly string[], text: string): string | undefined {
  let parent = root
  for (const key of path.slice(0, -1)) {
    if (!Object.hasOwn(parent, key)) parent[key] = {}
    const next = parent[key]
    if (typeof next !== 'object' || next === null) return 'another variable sets a part of its path to a plain value'
    parent = next as Record<string, unknown>
  }
  const last = path.at(-1) ?? ''
  if (Object.hasOwn(parent, last)) return 'other variables set keys below it'
  parent[last] = scalarOf(text)
  return undefined
}

/** Converts unambiguous texts only: a password 1e5 or 0123 stays a text. */
function scalarOf(text: string): unknown {
  if (/^(true|false|null)$/.test(text)) return JSON.parse(text) as unknown
  if (/^-?\d{1,15}$/.test(text) && String(Number(text)) === text) return Number(text)
  if (!/^".*"$/s.test(text)) return text
  try {
    return JSON.parse(text) as unknown
  } catch {
    // Quotes that make no JSON text are part of the value.
    return text
  }
}
