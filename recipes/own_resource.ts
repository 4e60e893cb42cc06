/** Defines the resource types of users: under names of their own, with functions that can only read unless they apply. */
import * as z from 'zod'
import { callerOf } from '../core/compile/source.ts'
import type { HostReader } from '../core/host/types.ts'
import { ConvergeError, describeLocation, type SourceLocation, throwProblems } from '../core/model/errors.ts'
import { nearest } from '../core/model/nearest.ts'
import { readOnly } from '../core/model/read_only.ts'
import {
  type Declare,
  defineResource as defineType,
  type ResourceDescription,
  type ResourceImplementation,
} from '../core/model/resource.ts'
import * as builtInTypes from '../resources/index.ts'

/** By type. Loading a recipe file fills it, because files define types at their top level. */
const defined = new Map<string, SourceLocation | undefined>()

/** The functions that get a host and must not change it. */
const readers = ['precheck', 'isBroken', 'read', 'replaces', 'commits'] as const

/**
 * Defines a resource type. The result is the function recipes call: `symlink(r, { path, target })`.
 * A property named like a common option (`timeout`) replaces the option.
 * @throws TYPE_TAKEN if the type is built in, or defined elsewhere
 */
export function defineResource<P, I, S, O extends object = Record<never, never>>(
  description: ResourceDescription<P, I, S>,
  implementation: ResourceImplementation<NoInfer<P>, S, O>,
): Declare<I, O> {
  const { type } = description
  const source = callerOf(new Error().stack)
  const refuse = (message: string) =>
    new ConvergeError(message, { code: 'TYPE_TAKEN', hint: 'give it another name', usage: true, source })
  throwProblems(definitionProblems(description, implementation, source), `the resource type ${type}`)
  const isBuiltIn = Object.values(builtInTypes).some((one) => 'definition' in one && one.definition.type === type)
  if (isBuiltIn) throw refuse(`the resource type ${type} is built in: converge resources ${type} describes it`)
  const first = defined.get(type)
  // Each file of recipes is a bundle, so that several contain the same definition.
  if (first !== undefined && source !== undefined && describeLocation(first) !== describeLocation(source))
    throw refuse(`the resource type ${type} is defined twice: first in ${describeLocation(first)}`)
  defined.set(type, source)
  const wrapped: Record<string, unknown> = {}
  for (const name of readers) {
    const reader = implementation[name] as ((host: HostReader, ...rest: unknown[]) => unknown) | undefined
    const caller = `${name} of the resource type ${type}`
    if (typeof reader === 'function')
      wrapped[name] = (host: HostReader, ...rest: unknown[]) =>
        reader.call(implementation, readOnly(host, caller, callerOf), ...rest)
  }
  return defineType(description, Object.assign(Object.create(implementation), wrapped))
}

type Parts<T> = { readonly [K in keyof T]-?: boolean }

/** The parts of a description; true for those that each type has. */
const descriptionParts: Parts<ResourceDescription<unknown, unknown, unknown>> = {
  type: true,
  key: true,
  props: true,
  state: true,
  doc: false,
  examples: false,
  functionName: false,
  mirrors: false,
  readsAhead: false,
  when: false,
  constant: false,
  isBuiltInSteps: false,
  reach: false,
}

const implementationParts: Parts<ResourceImplementation<unknown, unknown, object>> = {
  read: true,
  desired: true,
  apply: true,
  prepare: false,
  check: false,
  precheck: false,
  isBroken: false,
  makeReadable: false,
  settle: false,
  predict: false,
  previous: false,
  paths: false,
  words: false,
  replaces: false,
  commits: false,
  outputs: false,
  fingerprint: false,
  files: false,
  recovery: false,
  withoutSystemd: false,
  placeholders: false,
}

/** Finds what would be ignored, or fail later: the compiler of recipes does not check types. */
function definitionProblems(
  description: object,
  implementation: object,
  source: SourceLocation | undefined,
): ConvergeError[] {
  const { type, key, props, state, examples } = description as Readonly<Record<string, unknown>>
  const refuse = (message: string, hint: string) =>
    new ConvergeError(message, { code: 'INVALID_DEFINITION', hint, usage: true, source })
  if (typeof type !== 'string' || !/^[a-z][a-z0-9_]*$/.test(type))
    return [
      refuse(
        `${JSON.stringify(type)} is not a name for a resource type: expected lower-case letters, digits and "_"`,
        "write a name such as host_alias: defineResource({ type: 'host_alias', ... }, { ... })",
      ),
    ]
  const title = `the resource type ${type}`
  const problems = [
    ...partProblems(title, description, descriptionParts, refuse),
    ...partProblems(title, implementation, implementationParts, refuse),
  ]
  if (problems.length > 0) return problems
  for (const name of Object.keys(implementationParts)) {
    const part = (implementation as Readonly<Record<string, unknown>>)[name]
    if (part !== undefined && typeof part !== 'function')
      problems.push(
        refuse(`${title}: ${name} is not a function`, `write it as a function: ${name}(host, props) { ... }`),
      )
  }
  if (typeof key !== 'function')
    problems.push(refuse(`${title}: key is not a function`, 'write a function that returns a text: ({ name }) => name'))
  for (const [name, schema] of Object.entries({ props, state }))
    if (!(schema instanceof z.ZodType))
      problems.push(
        refuse(
          `${title}: ${name} is not a zod schema`,
          `import z from converge-engine, and write ${name}: z.strictObject({ ... })`,
        ),
      )
  if (problems.length > 0 || !Array.isArray(examples)) return problems
  for (const [index, example] of examples.entries()) {
    const [issue] = (props as z.ZodType).safeParse(example).error?.issues ?? []
    if (issue === undefined) continue
    const path = issue.path.length === 0 ? '' : `${issue.path.map(String).join('.')}: `
    problems.push(
      refuse(
        `${title}: its schema refuses example ${index + 1}: ${path}${issue.message}`,
        'correct the example, or the schema',
      ),
    )
  }
  return problems
}

function partProblems(
  title: string,
  given: object,
  parts: Readonly<Record<string, boolean>>,
  refuse: (message: string, hint: string) => ConvergeError,
): ConvergeError[] {
  const names = Object.keys(parts)
  const missing = names.filter((name) => parts[name] && Object(given)[name] === undefined)
  return [
    ...Object.keys(Object(given))
      .filter((name) => !names.includes(name))
      .map((name) =>
        refuse(
          `${title} has the unknown part "${name}"`,
          nearest(name, names) ?? `remove it, or use one of: ${names.join(', ')}`,
        ),
      ),
    ...missing.map((name) => refuse(`${title} has no ${name}`, `add ${name} to its definition`)),
  ]
}
