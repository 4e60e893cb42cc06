/** The context of questions about a repository that are asked outside a run: by `revisions`, `plan` and `doctor`. */
import type { Context } from '../../core/model/resource.ts'

/** @param given what is known of who asks; what is left out stays silent */
export function queryContext(given: Pick<Context, 'warn'> & Partial<Context>): Context {
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
    ...given,
  }
}
