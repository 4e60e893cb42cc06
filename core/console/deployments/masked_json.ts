/** Masks the secrets of a custom JSON, as far as the console knows which values are secret. */
import { hasSecretName } from '../../model/secret_names.ts'
import { mask, Secrets } from '../../model/secrets.ts'
import type { SecretMarks } from '../stack/stack_reader.ts'

/**
 * Masks secret attributes, the values of secret names, and what looks like a secret in a text.
 * @param marks the secrets of the stack; null if they are unknown: then every value is masked
 */
export function maskedJson<T>(value: T, marks: SecretMarks | null): T {
  const own = { secret: [...(marks?.secretNames ?? []), ...namesIn(value)], open: [] }
  const secrets = new Secrets()
  secrets.useNames(own)
  const masked = (child: unknown, path: readonly string[], isSecret: boolean): unknown => {
    if (Array.isArray(child)) return child.map((one, index) => masked(one, [...path, `${index}`], isSecretAt(index)))
    if (typeof child === 'object' && child !== null)
      return Object.fromEntries(
        Object.entries(child).map(([key, inner]) => [key, masked(inner, [...path, key], isSecretAt(key))]),
      )
    if (child === null || typeof child === 'boolean') return child
    return isSecret ? mask : typeof child === 'string' ? secrets.maskForeign(child) : child

    function isSecretAt(key: string | number): boolean {
      const name = String(key)
      if (isSecret || (typeof key === 'string' && hasSecretName(name, own))) return true
      return marks?.secretAttributes.some((pattern) => matches(pattern, [...path, name])) ?? false
    }
  }
  return masked(value, [], marks === null) as T
}

/** Returns the names that the custom JSON itself declares as secret. */
function namesIn(value: unknown): string[] {
  const names = (value as { readonly converge?: { readonly secret_names?: unknown } | null } | null)?.converge
    ?.secret_names
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []
}

/** @param pattern keys; `*` stands for any key or index */
function matches(pattern: readonly string[], path: readonly string[]): boolean {
  return pattern.length === path.length && pattern.every((key, at) => key === '*' || key === path[at])
}
