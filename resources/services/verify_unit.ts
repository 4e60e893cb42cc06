/** Checks a unit file with systemd-analyze before systemd reads it. */
import type { Host } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { minutes } from '../../core/model/units.ts'

/** The check requires a file with the name of the unit. systemd reads no hidden directories. */
const directory = '/etc/systemd/system/.converge-check'

/** Messages for lines that systemd does not use. Others are advice, such as on obsolete settings. */
const unused = /ignoring|Refusing|has a bad unit file|Failed to parse|Invalid |Missing '='/

/**
 * Checks the content of a unit. Programs and other units that are missing are no errors: a later step may add them.
 * @throws CHECK_FAILED with the lines that systemd would not use
 */
export async function verifyUnit(host: Host, name: string, content: string, context: Context): Promise<void> {
  if (host.which('systemd-analyze') === null) return
  const path = `${directory}/${name}`
  host.remove(directory)
  try {
    host.makeDirectory(directory, { mode: '0700' })
    host.writeFile(path, content, { mode: '0600' })
    const command = ['systemd-analyze', 'verify', '--man=no', path]
    const { stdout, stderr } = await host.query(command, { accept: 'any', timeout: minutes(1) })
    const problems = `${stdout}\n${stderr}`.split('\n').flatMap((line) => {
      if (line.startsWith(`${path}:`)) return [`${name}${line.slice(path.length)}`]
      return line.startsWith(`${name}: `) || line.startsWith(`Unit ${name} `) ? [line] : []
    })
    const refused = problems.filter((line) => unused.test(line))
    if (refused.length > 0)
      throw new ConvergeError(`systemd would not use all lines of ${name}`, {
        code: 'CHECK_FAILED',
        output: context.sensitive ? '(the lines are not shown: the content is sensitive)' : refused.join('\n'),
        hint: 'correct the lines; if only a later version of systemd knows them, set verify to false',
      })
    const advice = problems.filter((line) => line.startsWith(`${name}:`) && /^:\d+: /.test(line.slice(name.length)))
    for (const line of context.sensitive ? [] : advice) context.warn(`systemd warns of ${line}`)
  } finally {
    host.remove(directory)
  }
}
