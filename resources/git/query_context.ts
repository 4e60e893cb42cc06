/** Builds the context for queries about a repository outside a run, by `revisions`, `plan` and `doctor`. */
import type { Context } from '../../core/model/resource.ts'

/**
 * Returns a context for queries.
 * @param context the functions and values of the caller; the defaults report nothing
 */
export function queryContext(context: Pick<Context, 'warn'> & Partial<Context>): Context {
  return {
    cause: null,
    causes: [],
    counted: false,
    listedPaths: [],
    sensitive: false,
    name: '',
    progress: () => undefined,
    note: () => undefined,
    secret: () => undefined,
    ...context,
  }
}
