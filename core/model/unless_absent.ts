/** Requires properties of a resource unless it is declared absent, in its schema and for the compiler. */
import type * as z from 'zod'

/** The properties that authors write: all of `K`, or `absent`, whose value may follow from the node. */
export type UnlessAbsent<I, K extends keyof I> = I &
  ({ readonly [N in K]-?: Exclude<I[N], undefined> } | { readonly absent: boolean })

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
