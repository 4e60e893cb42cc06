/** Recreates a mirror in which git finds damaged or lost objects, such as after a power cut. */
import type { Host } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { ensureMirror, type Mirror } from './mirror.ts'

/** git's reports of objects that are unreadable or missing. */
const damaged = new RegExp(
  [
    'bad (object|pack|index file)|corrupt|inflate|does not match index|wrong (index|pack)|too (small|short)',
    '(could not|cannot|unable to) (parse|read|unpack|find)|invalid object|object file .* is empty|unknown object type',
    'missing (blob|tree|commit|tag|object)|not a tree|did not send all necessary objects',
  ].join('|'),
  'i',
)

/**
 * Calls `use` with a mirror that exists; calls it again with a new mirror if git reports damage.
 * @param mayFetch whether git may fetch from the remote: a new mirror is empty
 */
export async function withMirror<T>(
  host: Host,
  mirror: Mirror,
  { mayFetch }: { readonly mayFetch: boolean },
  context: Context,
  use: () => Promise<T>,
): Promise<T> {
  await ensureMirror(host, mirror, context)
  try {
    return await use()
  } catch (error) {
    const problem = damageMessage(error)
    if (problem === null || !mayFetch) throw error
    context.warn(`the mirror ${mirror.path} is damaged and is fetched again: ${problem} (check the disk of this host)`)
    host.remove(mirror.path)
    await ensureMirror(host, mirror, context)
    return use()
  }
}

/**
 * Returns the line of git's output that reports damage. Damage that the remote reports in its own repository does not
 * count.
 */
function damageMessage(error: unknown): string | null {
  if (!(error instanceof ConvergeError) || error.code !== 'GIT_FAILED') return null
  const lines = (error.output ?? '').split('\n').filter((line) => /^(fatal|error|warning):/.test(line))
  return lines.find((line) => damaged.test(line)) ?? null
}
