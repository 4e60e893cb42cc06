/** Defines the patterns with which --only and --skip limit a run. */

/** Patterns as the command line gives them: TYPE, or TYPE/KEY with `*` and `?` in both. */
export interface Selection {
  readonly only: readonly string[]
  readonly skip: readonly string[]
}

/** @returns null if nothing is left out */
export function selectionOf({
  only = [],
  skip = [],
}: { readonly [K in keyof Selection]?: Selection[K] | undefined }): Selection | null {
  return only.length + skip.length === 0 ? null : { only, skip }
}

/** Names the options of a selection, for messages: `--only`, `--skip` or both. */
export function optionsOf({ only, skip }: Selection): string {
  return [...(only.length > 0 ? ['--only'] : []), ...(skip.length > 0 ? ['--skip'] : [])].join(' and ')
}
