/** Computes the exit status of a rollout. */
import type { RolloutReport } from '../../fleet/types.ts'
import type { Arguments } from '../command_specs/types.ts'
import type { ExitStatus } from '../exit_status.ts'

export function exitStatusOf(report: RolloutReport, args: Arguments): ExitStatus {
  const { outcome, action, hosts } = report
  if (outcome === 'failed' && isReleaseUnknown(report, args)) return 2
  if (outcome === 'failed' || outcome === 'interrupted') return 1
  if (action === 'status' && hosts.some(({ outcome }) => outcome === 'skipped')) return 1
  return args.detailedExitCode && outcome !== 'unchanged' ? 3 : 0
}

const releaseUnknown = ['NO_SUCH_RELEASE', 'AMBIGUOUS_RELEASE', 'NOT_COMPLETE', 'NO_SUCH_APP']

/** Decides whether the only failure is that hosts lack the release of --to. That is wrong usage, as in a rollback of one host. */
function isReleaseUnknown({ action, hosts }: RolloutReport, { to }: Arguments): boolean {
  if (action !== 'rollback' || to === undefined) return false
  const isUntouched = hosts.every(({ outcome }) => ['failed', 'untouched', 'unchanged', 'skipped'].includes(outcome))
  return isUntouched && hosts.every(({ failure }) => failure === undefined || releaseUnknown.includes(failure.code))
}
