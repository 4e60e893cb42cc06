/** Checks how a recipe calls the function of a resource: esbuild removes the types without checking them. */
import { ConvergeError, type SourceLocation } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import type { Query } from '../model/query.ts'
import { isPlainObject, isReference, partsOf } from '../model/reference.ts'
import { displayText, type Mask } from './props.ts'

/**
 * Returns what is wrong with the arguments of a call.
 * @param args what the recipe passed after `r`
 * @returns null for one object of properties
 */
export function callProblem(type: string, args: readonly unknown[], mask: Mask): ConvergeError | null {
  const [props] = args
  if (!isPlainObject(props) || isReference(props))
    return invalidCall(
      `${type}: expected an object of properties, got ${kindOf(props, mask)}`,
      `write ${type}(r, { ... }); converge resources ${type} lists its properties`,
    )
  if (args.length === 1) return null
  return invalidCall(
    `${type}: expected r and one object, got ${args.length + 1} arguments`,
    `write options such as onlyIf beside the properties: ${type}(r, { ..., onlyIf: ... })`,
  )
}

function invalidCall(message: string, hint: string): ConvergeError {
  return new ConvergeError(message, { code: 'INVALID_CALL', hint, usage: true })
}

function kindOf(value: unknown, mask: Mask): string {
  if (typeof value === 'string') return `the text ${displayText(value, mask)}`
  if (value === null || value === undefined) return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  if (Array.isArray(value)) return 'a list'
  if (isReference(value)) {
    const { output, provider } = partsOf(value)
    return `the output ${output} of ${provider}`
  }
  if (value instanceof Promise) return 'a promise'
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name
  return typeof name === 'string' && name !== '' ? `an instance of ${name}` : 'an object of a class'
}

export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof Object(value).then === 'function'
}

/** Builds the error for a query whose value would come too late for the declarations that depend on it. */
export function asynchronousQuery({ name }: Query<unknown>): ConvergeError {
  return new ConvergeError(`the query "${name}" is asynchronous: its read returns a promise`, {
    code: 'ASYNC_QUERY',
    hint: 'remove async from read; host.readText, host.list and host.stat return their values at once',
    usage: true,
  })
}

export function invalidMessage(name: string, message: unknown): ConvergeError {
  return new ConvergeError(`${name}: expected a text, got ${message === null ? 'null' : typeof message}`, {
    code: 'INVALID_CALL',
    hint: `write r.${name}('...') with the message`,
    usage: true,
  })
}

/** Builds the error for a call after the recipes have returned. @param name of the function of `r`, or of the resource type */
export function lateCall(name: string): ConvergeError {
  return new ConvergeError(`${name}: called after the recipes have returned`, {
    code: 'LATE_CALL',
    hint: 'call it in the recipe itself: remove async, await and timers around it',
    usage: true,
  })
}

/** @param name of the function of `r` */
export function unknownType(name: string, type: unknown, types: readonly string[]): ConvergeError {
  return new ConvergeError(`${name}: there is no resource type ${JSON.stringify(type)}`, {
    code: 'UNKNOWN_TYPE',
    hint: nearest(String(type), types) ?? 'use a type that converge resources lists',
    usage: true,
  })
}

/** Builds the error for recipes that include each other. @param names such as `web::deploy`; the last one equals the first */
export function includeCircle(
  [first, ...others]: readonly string[],
  source: SourceLocation | undefined,
): ConvergeError {
  return new ConvergeError(`include: circle: ${first} includes ${others.join(', which includes ')}`, {
    code: 'INCLUDE_CIRCLE',
    source,
    hint: 'remove one of these includes, or move what both need to a function that both call',
    usage: true,
  })
}

export function withoutEvent(event: unknown): ConvergeError {
  return new ConvergeError(`include: expected the name of an event, got ${event === null ? 'null' : typeof event}`, {
    code: 'INVALID_CALL',
    hint: "name the event after the role: r.include(roles.frontend, 'setup')",
    usage: true,
  })
}

/** Builds the error for a function of given, before or unlessDeclared that returns a promise. */
export function asynchronousDeclare(): ConvergeError {
  return new ConvergeError('the function that declares is asynchronous', {
    code: 'ASYNC_RECIPE',
    hint: 'remove async: it only declares resources',
    usage: true,
  })
}

/** @param type of the resource that overrides of a role declares */
export function declaredInOverrides(type: string): ConvergeError {
  return new ConvergeError(`${type}: overrides of a role can only override`, {
    code: 'INVALID_CALL',
    hint: 'declare the resource in an event of the role',
    usage: true,
  })
}
