/** Formats, parses and follows key paths into attributes: `deploy.site.domains[0]`, `plone_instances.subsites["www.example.com"]`. */
import { ConvergeError } from '../model/errors.ts'

export type KeyPath = readonly (string | number)[]

export function formatPath(path: KeyPath): string {
  let text = ''
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`
    else if (/^[\w$<>*-]+$/.test(key)) text += text === '' ? key : `.${key}`
    else text += `[${JSON.stringify(key)}]`
  }
  return text
}

/**
 * Parses a path as a person writes it into keys; a number between dots is an index or a key, as the value there requires.
 * @throws ConvergeError `INVALID_KEY_PATH` where brackets or quotes do not match
 */
export function parsePath(text: string): string[] {
  const keys: string[] = []
  const part = /\.?([^.[\]"]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]/y
  while (part.lastIndex < text.length) {
    const at = part.lastIndex
    const found = part.exec(text)
    if (found === null)
      throw new ConvergeError(`${JSON.stringify(text)} is not a key path: unexpected text at character ${at + 1}`, {
        code: 'INVALID_KEY_PATH',
        hint: 'write it as plone_instances.zeo.address or plone_instances.subsites["www.example.com"]',
        usage: true,
      })
    keys.push(found[1] ?? found[2] ?? (JSON.parse(`"${found[3]}"`) as string))
  }
  return keys
}

/** Returns the keys of a JSON pointer (RFC 6901). */
export function pointerKeys(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** Returns the value of an own key; inherited keys such as `constructor` count as absent. */
export function childOf(value: unknown, key: string | number): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
  return (value as Record<string | number, unknown>)[key]
}

export function hasChild(value: unknown, key: string | number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Array.isArray(value) ? /^\d+$/.test(String(key)) && Object.hasOwn(value, key) : Object.hasOwn(value, key)
}

export function valueAt(value: unknown, path: KeyPath): unknown {
  let at = value
  for (const key of path) at = childOf(at, key)
  return at
}

export function hasPath(value: unknown, path: KeyPath): boolean {
  let at = value
  for (const key of path) {
    if (!hasChild(at, key)) return false
    at = childOf(at, key)
  }
  return true
}

/** Replaces the value at a path that exists. */
export function setAt(root: unknown, path: KeyPath, value: unknown): void {
  const parent = valueAt(root, path.slice(0, -1)) as Record<string | number, unknown>
  const last = path.at(-1)
  if (last !== undefined) parent[last] = value
}
