/** Runs the command that checks a configuration before a service loads it. */
import type { Host } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import type { Duration } from '../../core/model/units.ts'
import { lastLines } from './managers/types.ts'
import { wordsProp } from './reload_props.ts'

const logLines = 25

export const checkProps = {
  check: wordsProp
    .optional()
    .describe(
      'Program and arguments that must succeed first; if they fail, the service stays as it is, and the run fails',
    ),
}

interface CheckOptions {
  readonly check?: readonly string[] | undefined
  readonly deadline: Duration
}

/**
 * Checks the configuration, also before a service that is down is started.
 * @param unchanged the consequence of a failure, such as `nginx is not reloaded`
 * @throws CHECK_FAILED with the output of the command
 */
export async function checkConfiguration(
  host: Host,
  { check, deadline }: CheckOptions,
  unchanged: string,
  context: Context,
): Promise<void> {
  if (check === undefined) return
  const { status, stdout, stderr } = await host.query(check, { accept: 'any', timeout: deadline })
  if (status === 0) return
  throw new ConvergeError(`${unchanged}: its check ended with exit status ${status}`, {
    code: 'CHECK_FAILED',
    output: context.sensitive ? undefined : lastLines(`${stdout}\n${stderr}`.trim(), logLines),
    hint: 'correct its configuration, then run again; it still runs with its current one',
  })
}
