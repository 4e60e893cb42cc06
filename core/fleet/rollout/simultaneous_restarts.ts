/** Finds apps whose hosts restart at the same time, so that visitors notice. */
import type { RolloutHost, RolloutRequest } from './request.ts'

/** With more hosts, a message shows only their number. */
const maxNames = 5

/**
 * Builds a warning about simultaneous restarts.
 * @param batches of the rollout, one after the other
 * @param serving hosts of an app that visitors reach now
 * @returns a warning with an alternative; null where the batches leave each app a host that serves
 */
export function simultaneousRestartWarning(
  batches: readonly (readonly RolloutHost[])[],
  serving: ReadonlyMap<string, ReadonlySet<string>>,
  { strategy }: Pick<RolloutRequest, 'strategy'>,
): string | null {
  const found = [...serving].flatMap(([app, hosts]) =>
    batches.flatMap((batch) => {
      const names = batch.flatMap(({ name }) => (hosts.has(name) ? name : []))
      const isNoticed = names.length > 1 && (strategy === 'parallel' || names.length === hosts.size)
      return isNoticed ? [{ app, names }] : []
    }),
  )
  if (found.length === 0) return null
  const what = found.map(
    ({ app, names }) => `${app} on ${names.length > maxNames ? `${names.length} hosts` : names.join(', ')}`,
  )
  const [cause, instead] =
    strategy === 'parallel'
      ? ['--strategy parallel', '--strategy rolling restarts one batch after the other']
      : ['this --batch', 'a smaller --batch leaves hosts that answer']
  return `${cause} restarts ${what.join(', ')} at the same time: visitors get errors until the app answers again; ${instead}`
}
