/** Puts the commands of a rollout into words for the command line of `converge` on a host. */
import type { HostCommand, HostQuery, RollbackTo } from '../host_client.ts'

/** Events with a command of the same name, which takes options that `plan` and `apply` do not. */
const eventCommands = 'setup configure build deploy undeploy shutdown rollback rebuild start stop restart'.split(' ')

/**
 * Returns the name of the command, with `--dry-run` where the command requires that for a dry run.
 * @param planOptions that only `plan` takes, such as `--explain`
 */
export function commandWords(command: HostCommand, dry: boolean, planOptions: readonly string[] = []): string[] {
  const dryRun = dry ? ['--dry-run'] : []
  if (command.kind === 'rollback') return ['rollback', ...dryRun]
  if (command.kind === 'hooks') return ['hooks', command.action, ...dryRun]
  if (dry && planOptions.length > 0) return ['plan', '--event', command.events.join(','), ...planOptions]
  const [only] = command.events
  if (command.events.length === 1 && only !== undefined && eventCommands.includes(only)) return [only, ...dryRun]
  return [dry ? 'plan' : 'apply', '--event', command.events.join(',')]
}

/**
 * Returns the options of the command.
 * @param program the command that hooks call
 */
export function commandOptions(command: HostCommand, program: string): string[] {
  switch (command.kind) {
    case 'rollback':
      return rollbackWords(command.to)
    case 'hooks':
      return [
        ...(command.interval === undefined ? [] : ['--interval', command.interval]),
        ...(command.jitter === undefined ? [] : ['--jitter', command.jitter]),
        ...(command.action === 'install' ? ['--program', program, '--bare'] : []),
      ]
    case 'events':
      return [
        ...(command.purge === true ? ['--purge'] : []),
        ...(command.migrate === undefined ? [] : [command.migrate ? '--migrate' : '--no-migrate']),
        ...(command.retryFailed === true ? ['--retry-failed'] : []),
      ]
  }
}

function rollbackWords(to: RollbackTo): string[] {
  if (to === null) return []
  return ['--to', typeof to === 'string' ? to : [...to].map(([app, release]) => `${app}=${release}`).join(',')]
}

export function queryWords(query: HostQuery): string[] {
  return query === 'hooks' ? ['hooks', 'show'] : [query]
}
