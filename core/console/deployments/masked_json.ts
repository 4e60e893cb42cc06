/** Masks the secrets of a custom JSON: the values of keys with secret names, and what looks like a secret in a text. */
import { hasSecretName } from '../../model/secret_names.ts'
import { mask, Secrets } from '../../model/secrets.ts'

export function maskedJson<T>(value: T): T {
  const secrets = new Secrets()
  const masked = (child: unknown, isSecret: boolean): unknown => {
    if (Array.isArray(child)) return child.map((one) => masked(one, isSecret))
    if (typeof child === 'object' && child !== null)
      return Object.fromEntries(
        Object.entries(child).map(([key, inner]) => [key, masked(inner, isSecret || hasSecretName(key))]),
      )
    if (child === null || typeof child === 'boolean') return child
    return isSecret ? mask : typeof child === 'string' ? secrets.maskForeign(child) : child
  }
  return masked(value, false) as T
}
