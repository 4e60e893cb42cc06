/** Defines the resource types of users: under names of their own, with functions that can only read unless they apply. */
import { callerOf } from '../core/compile/source.ts'
import type { HostReader } from '../core/host/types.ts'
import { ConvergeError, describeLocation, type SourceLocation } from '../core/model/errors.ts'
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
