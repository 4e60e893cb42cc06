/**
 * What this program has taken out of a balancer, and not brought back yet.
 *
 * It is recorded before the balancer is told: whoever finds the record later knows that it was this program and no operator,
 * and that the server is still to be brought back.
 */
import type { Host, HostReader } from '../../core/host/types.ts'
import { asConvergeError, type ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { type Balancer, BalancerReader, type BalancerServer, nameOf } from './runtime.ts'

/** What stands for a server that is out, until it is back. */
export function recordOf(balancer: Balancer, server: string): string {
  return `drained ${server} in ${nameOf(balancer)}`
}

/** Whether this program has taken the server out, and has not brought it back yet. */
export function isOurs(host: HostReader, balancer: Balancer, server: string): boolean {
  return (host.recorded(recordOf(balancer, server)) ?? '') !== ''
}

/** Where this program has taken the server out, and not brought it back. */
export function takenOut(host: HostReader, balancers: readonly Balancer[], server: string): string[] {
  return balancers.filter((balancer) => isOurs(host, balancer, server)).map(nameOf)
}

/**
 * The balancers that a server has to be brought back in. Only those with a record are asked; one that does not answer
 * balances nobody: it is told of, and looked at again in the next run.
 * @param which of those that know the server; default: all
 */
export async function leftOut(
  host: HostReader,
  balancers: readonly Balancer[],
  server: string,
  { warn }: Pick<Context, 'warn'>,
  which: (one: BalancerServer) => boolean = () => true,
): Promise<string[]> {
  const found: string[] = []
  for (const balancer of balancers) {
    if (!isOurs(host, balancer, server)) continue
    try {
      const ask = () => new BalancerReader(host, balancer).servers()
      const one = (await host.cached(`servers of ${nameOf(balancer)}`, ask)).find(({ name }) => name === server)
      if (one === undefined || which(one)) found.push(nameOf(balancer))
    } catch (error) {
      const { message, hint } = unreachable(error)
      const hinted = hint === undefined ? '' : ` (${hint})`
      warn(`${message}; the next run that reaches it sets the servers ready again${hinted}`)
    }
  }
  return found
}

/** For a dry run: the server is back in all of them. */
export function predictBack(host: Host, balancers: readonly Balancer[], server: string): void {
  for (const balancer of balancers) if (isOurs(host, balancer, server)) host.record(recordOf(balancer, server), '')
}

/** The error where it says that nobody answers; anything else is thrown. */
export function unreachable(thrown: unknown): ConvergeError {
  const error = asConvergeError(thrown)
  if (error.code === 'BALANCER_UNREACHABLE') return error
  throw thrown
}
