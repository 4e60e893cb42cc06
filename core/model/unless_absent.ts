/** Requires properties of a resource unless it is declared absent, in its schema and for the compiler. */
import type * as z from 'zod'
import type { Input, Properties } from './reference.ts'

declare const required: unique symbol

/**
 * The properties that authors write: all of `K`, or those of `L`, or `absent`, whose value may follow from the node. It is
 * one object type, because editors describe no property that several types of a union have.
 */
export type UnlessAbsent<I, K extends keyof I, L extends keyof I = never> = I & {
  /** Exists for the compiler only: what `Complete` checks. */
  readonly [required]?: Requirement<Present<I, K>, [L] extends [never] ? never : Present<I, L>>
}

interface Requirement<First, Second> {
  readonly first: First
  readonly second: Second
}

type Present<I, K extends keyof I> = { readonly [N in K]-?: Exclude<I[N], undefined> }

/** Whether authors must write some properties of `P` unless it is absent. */
export type HasRequired<P> = typeof required extends keyof P ? true : false

/**
 * Requires of a literal of type `T` what it lacks to be complete properties of `P`. The compiler's message names that. Where
 * the literal is unknown, as in the parameters of the function, this is a union of all that are complete.
 */
export type Complete<P, T> = P extends { readonly [required]?: Requirement<infer First, infer Second> }
  ? Lacking<T, Properties<First>, Properties<First> | Properties<Second> | { readonly absent: Input<boolean> }>
  : unknown

/** The branch for `never` lets the compiler infer `T` from the literal. */
type Lacking<T, First, Any> = unknown extends T ? Any : [T] extends [Any] ? unknown : [T] extends [never] ? T : First

/**
 * Requires properties that the schema has as optional.
 * @example requiredUnlessAbsent(z.strictObject({ target: z.string().optional(), absent: z.boolean().optional() }), 'target')
 */
export function requiredUnlessAbsent<S extends z.ZodObject, K extends string & keyof z.input<S>>(
  schema: S,
  ...names: readonly [K, ...K[]]
): z.ZodType<z.output<S>, UnlessAbsent<z.input<S>, K>> {
  const isComplete = (props: Readonly<Record<string, unknown>>) =>
    props.absent === true || names.every((name) => props[name] !== undefined)
  const error = `${names.join(' and ')} ${names.length > 1 ? 'are' : 'is'} required unless absent is true`
  return schema.refine(isComplete, { error, path: [names[0]] }) as never
}
