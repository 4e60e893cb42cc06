/** Builds objects for types whose optional properties must be absent instead of undefined. */

type PossiblyUndefined<T> = { [K in keyof T]: undefined extends T[K] ? K : never }[keyof T]

/** `T` without `undefined`: what could be undefined is optional. */
export type OmitUndefined<T> = Omit<T, PossiblyUndefined<T>> & {
  [K in PossiblyUndefined<T>]?: Exclude<T[K], undefined>
}

/** Returns a copy of an object without the properties that are undefined, e.g. for `{ name, ...omitUndefined({ user }) }`. */
export function omitUndefined<T extends object>(values: T): OmitUndefined<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as OmitUndefined<T>
}
