/** Checks the common options of resources, because esbuild removes the types of a recipe without checking them. */
import { ConvergeError } from '../model/errors.ts'
import type { AnyDefinition, CommonOptions } from '../model/resource.ts'
import { Duration } from '../model/units.ts'

const isHandle = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false
  const { resource } = value as { resource?: { type?: unknown; key?: unknown } }
  return typeof resource?.type === 'string' && typeof resource.key === 'string'
}

const isGuard = (value: unknown): boolean => {
  if (typeof value === 'boolean') return true
  if (typeof value !== 'object' || value === null) return false
  const { check, description, ...unknown } = value as { check?: unknown; description?: unknown }
  return typeof check === 'function' && typeof description === 'string' && Object.keys(unknown).length === 0
}

interface Rule {
  readonly fits: (value: unknown) => boolean
  readonly expectation: string
}

const flag: Rule = { fits: (value) => typeof value === 'boolean', expectation: 'true or false' }
const time: Rule = { fits: (value) => value instanceof Duration, expectation: 'a duration, such as seconds(60)' }
const guard: Rule = {
  fits: isGuard,
  expectation: "true or false, or a check: { description: 'words', check: (host) => true or false }",
}

const rules: { readonly [K in keyof CommonOptions]-?: Rule } = {
  when: {
    fits: (value) => Array.isArray(value) && value.length > 0 && value.every(isHandle),
    expectation: 'at least one resource, as its declaration returns it: when: [config]',
  },
  after: {
    fits: (value) => (Array.isArray(value) ? value.every(isHandle) : isHandle(value)),
    expectation: 'a resource, as its declaration returns it, or a list of resources',
  },
  onlyIf: guard,
  notIf: guard,
  retries: { fits: (value) => Number.isInteger(value) && Number(value) >= 0, expectation: 'a whole number from 0 up' },
  retryDelay: time,
  timeout: time,
  ignoreFailure: flag,
  sensitive: flag,
}

export const optionNames: readonly string[] = Object.keys(rules)
const noOptions: CommonOptions = Object.freeze({})

/** Separates the options from the properties of the type. A property with the name of an option is the type's own. */
export function withoutOptions(
  { props }: AnyDefinition,
  declaration: Readonly<Record<string, unknown>>,
): { props: object; options: CommonOptions } {
  const shape = (props as { shape?: object }).shape ?? {}
  const reserved = optionNames.filter((name) => name in declaration && !(name in shape))
  if (reserved.length === 0) return { props: declaration, options: noOptions }
  const rest: Record<string, unknown> = { ...declaration }
  const options: Record<string, unknown> = {}
  for (const name of reserved) {
    if (rest[name] !== undefined) options[name] = rest[name]
    delete rest[name]
  }
  return { props: rest, options }
}

/** One problem for each option that is not what it should be. */
export function optionProblems(type: string, options: CommonOptions): ConvergeError[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const rule = rules[name as keyof CommonOptions]
    if (rule.fits(value)) return []
    return new ConvergeError(`${type}: ${name}: expected ${rule.expectation}`, {
      code: 'INVALID_OPTION',
      hint:
        Array.isArray(value) && value.includes(undefined)
          ? 'leave out what is undefined: this run does not declare that resource'
          : undefined,
      usage: true,
    })
  })
}
