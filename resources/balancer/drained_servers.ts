/**
 * Records which servers this program has drained at a balancer and not yet set ready.
 *
 * The record is written before the command to the balancer. So a later run knows that this program, and no operator,
 * drained the server, and that it must set the server ready.
 */
import type { Host, HostReader } from '../../core/host/types.ts'
import { asConvergeError, type ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { type Balancer, BalancerReader, type BalancerServer, balancerName } from './haproxy_runtime.ts'

/** Returns the name of the record that exists while a server is drained. */
export function drainRecordName(balancer: Balancer, server: string): string {
  return `drained ${server} in ${balancerName(balancer)}`
}

/** Decides whether this program has drained the server and not yet set it ready. */
export function isDrainedByUs(host: HostReader, balancer: Balancer, server: string): boolean {
  return (host.recorded(drainRecordName(balancer, server)) ?? '') !== ''
}

/** Returns the names of the balancers where this program has drained the server and not yet set it ready. */
export function balancersWithDrainRecord(host: HostReader, balancers: readonly Balancer[], server: string): string[] {
  return balancers.filter((balancer) => isDrainedByUs(host, balancer, server)).map(balancerName)
}

/**
 * Finds the balancers where a server must be set ready. It queries only balancers with a record. One that does not
 * answer balances no visitors: this reports a warning, and the next run asks it again.
 * @param isIncluded decides about a server that the balancer knows; default: all
 */
export async function balancersStillDraining(
  host: HostReader,
  balancers: readonly Balancer[],
  server: string,
  { warn }: Pick<Context, 'warn'>,
  isIncluded: (server: BalancerServer) => boolean = () => true,
): Promise<string[]> {
  const names: string[] = []
  for (const balancer of balancers) {
    if (!isDrainedByUs(host, balancer, server)) continue
    try {
      const ask = () => new BalancerReader(host, balancer).servers()
      const one = (await host.cached(`servers of ${balancerName(balancer)}`, ask)).find(({ name }) => name === server)
      if (one === undefined || isIncluded(one)) names.push(balancerName(balancer))
    } catch (error) {
      const { message, hint } = requireUnreachable(error)
      const hinted = hint === undefined ? '' : ` (${hint})`
      warn(`${message}; the next run that reaches it sets the servers ready again${hinted}`)
    }
  }
  return names
}

/** Predicts for a dry run that the server is ready at all balancers. */
export function predictReady(host: Host, balancers: readonly Balancer[], server: string): void {
  for (const balancer of balancers)
    if (isDrainedByUs(host, balancer, server)) host.record(drainRecordName(balancer, server), '')
}

/** Returns the error if the balancer does not answer; throws any other error. */
export function requireUnreachable(thrown: unknown): ConvergeError {
  const error = asConvergeError(thrown)
  if (error.code === 'BALANCER_UNREACHABLE') return error
  throw thrown
}
