/** Checks the properties of a declared resource, and shows them in errors. */
import type { z } from 'zod'
import { ConvergeError } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import { EndlessValue, isPlainObject, isReference, references } from '../model/reference.ts'
import type { AnyDefinition } from '../model/resource.ts'
import { optionNames } from './options.ts'

/** Takes what must not be shown out of a text. */
export type Mask = (text: string) => string
export const unmasked: Mask = (text) => text
export const hidden: Mask = () => '********'

export type CheckedProps = { readonly hasReferences: boolean } & (
  | { readonly props: unknown }
  | { readonly problems: readonly ConvergeError[] }
)

/** Props parsed by the schema; where references stand only what surrounds them can be checked now. */
export function checkProps(definition: AnyDefinition, props: object, mask: Mask = unmasked): CheckedProps {
  let hasReferences = false
  try {
    hasReferences = references(props).length > 0
  } catch (error) {
    if (error instanceof EndlessValue) return { hasReferences, problems: [endlessProblem(definition.type, error)] }
    throw error
  }
  const result = definition.props.safeParse(props)
  if (result.success) {
    const path = brokenText(props)
    if (path === undefined) return { hasReferences, props: result.data }
    return { hasReferences, problems: [brokenTextProblem(definition.type, path)] }
  }
  const issues = hasReferences
    ? result.error.issues.filter((issue) => !waitsForReference(issue, valueAt(props, issue.path)))
    : result.error.issues
  if (issues.length === 0)
    return { hasReferences, props: Object.freeze({ ...props, ...defaultsOf(definition, props) }) }
  const wrong = issues.filter((issue) => !isMisspelt(issue, props, issues))
  return { hasReferences, problems: wrong.map((issue) => propProblem(definition, props, issue, mask)) }
}

/** Whether a property is missing that an unknown one is meant for. */
function isMisspelt({ path }: z.core.$ZodIssue, props: object, issues: readonly z.core.$ZodIssue[]): boolean {
  const [name] = path
  if (typeof name !== 'string' || path.length !== 1 || valueAt(props, path) !== undefined) return false
  return issues.some((issue) => issue.code === 'unrecognized_keys' && issue.keys.some((key) => nearest(key, [name])))
}

/** The defaults of what was not given: the references of other properties have nothing to do with them. */
function defaultsOf(definition: AnyDefinition, props: object): object {
  const shape = (definition.props as { shape?: Record<string, z.ZodType> }).shape ?? {}
  const values = new Map(Object.entries(props))
  const absent = Object.entries(shape).filter(([name]) => values.get(name) === undefined)
  const defaults = absent.map(([name, schema]) => [name, schema.safeParse(undefined).data] as const)
  return Object.fromEntries(defaults.filter(([, value]) => value !== undefined))
}

/** Whether an issue is about a reference, or about alternatives that cannot be decided while references are inside. */
function waitsForReference(issue: z.core.$ZodIssue, value: unknown): boolean {
  return isReference(value) || (issue.code === 'invalid_union' && references(value).length > 0)
}

function propProblem(definition: AnyDefinition, props: object, issue: z.core.$ZodIssue, mask: Mask): ConvergeError {
  const { shape = {} } = definition.props as { shape?: Record<string, z.ZodType> }
  const names = [...Object.keys(shape), ...optionNames]
  if (issue.code === 'unrecognized_keys' && issue.path.length === 0) {
    const unknown = issue.keys[0] ?? ''
    return new ConvergeError(`${definition.type} has no property ${issue.keys.join(', ')}`, {
      code: 'UNKNOWN_PROP',
      hint: hintForName(unknown) ?? nearest(unknown, names) ?? `it has: ${Object.keys(shape).join(', ')}`,
      usage: true,
    })
  }
  const [property] = issue.path
  const path = pathText(issue.path)
  const value = valueAt(props, issue.path)
  const isAbsent = issue.code === 'invalid_type' || issue.code === 'invalid_union'
  const missing = isAbsent ? `property ${path} is missing` : issue.message
  const wrong = `property ${path}: ${withoutZodPrefix(issue.message)} (got ${displayText(value, mask)})`
  return new ConvergeError(`${definition.type}: ${value === undefined ? missing : wrong}`, {
    code: 'INVALID_PROP',
    hint: hintOf(shape[String(property)]) ?? `converge resources ${definition.type} shows its properties`,
    usage: true,
  })
}

/** Words of Chef for what converge declares from the other side. */
function hintForName(name: string): string | undefined {
  if (name === 'notifies' || name === 'subscribes' || name === 'notify')
    return 'write when: [handle] in the resource that reacts, with the handle that the declaration of this one returns'
  if (name === 'not_if' || name === 'only_if') return `write ${name === 'not_if' ? 'notIf' : 'onlyIf'}`
  return undefined
}

/** The advice that the schema of a property has for a wrong value: `.meta({ hint })`. */
function hintOf(schema: z.ZodType | undefined): string | undefined {
  const hint = schema?.meta()?.hint
  return typeof hint === 'string' ? hint : undefined
}

/** Whether a problem is that a property has no value. */
export function isMissingProp({ code, message }: ConvergeError): boolean {
  return code === 'INVALID_PROP' && /: property \S+ is missing$/.test(message)
}

function withoutZodPrefix(message: string): string {
  return message.replace(/^Invalid input: /, '')
}

export function displayText(value: unknown, mask: Mask): string {
  const readable = typeof value === 'string' || isPlainObject(value) || Array.isArray(value)
  // Mask first: a quoted or truncated secret would not be recognized.
  const text = readable ? JSON.stringify(value, (_, one) => (typeof one === 'string' ? mask(one) : one)) : String(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at: unknown = value
  for (const key of path) {
    if (isReference(at)) return at
    at = typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined
  }
  return at
}

function pathText(path: readonly PropertyKey[]): string {
  return path.map(String).join('.')
}

/** Returns the path of a text, or of a key, with half of a surrogate pair: UTF-8 cannot hold it. */
function brokenText(value: unknown, path: readonly PropertyKey[] = []): readonly PropertyKey[] | undefined {
  if (typeof value === 'string') return loneSurrogate.test(value) ? path : undefined
  if (!isPlainObject(value) && !Array.isArray(value)) return undefined
  for (const [key, child] of Object.entries(value)) {
    const found = loneSurrogate.test(key) ? path : brokenText(child, [...path, key])
    if (found !== undefined) return found
  }
  return undefined
}

const loneSurrogate = /\p{Surrogate}/u

function brokenTextProblem(type: string, path: readonly PropertyKey[]): ConvergeError {
  return new ConvergeError(`${type}: property ${pathText(path)} contains half of a surrogate pair`, {
    code: 'INVALID_PROP',
    hint: 'write the character itself, without escapes',
    usage: true,
  })
}

/** A property that contains itself can be neither compared nor written down. */
function endlessProblem(type: string, { path, isCycle }: EndlessValue): ConvergeError {
  const what = isCycle ? 'contains itself' : 'is nested too deeply'
  return new ConvergeError(`${type}: property ${pathText(path)} ${what}`, {
    code: 'INVALID_PROP',
    hint: 'give plain data: texts, numbers, lists and objects',
    usage: true,
  })
}
