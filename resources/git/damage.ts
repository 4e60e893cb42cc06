/** Remakes a mirror in which git finds damaged or lost objects, such as after a power cut. */
import type { Host } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { ensureMirror, type Mirror } from './mirror.ts'

/** What git reports of objects that it has and cannot read, or should have and does not. */
const damaged = new RegExp(
  [
    'bad (object|pack|index file)|corrupt|inflate|does not match index|wrong (index|pack)|too (small|short)',
    '(could not|cannot|unable to) (parse|read|unpack|find)|invalid object|object file .* is empty|unknown object type',
    'missing (blob|tree|commit|tag|object)|not a tree|did not send all necessary objects',
  ].join('|'),
  'i',
)

/**
 * Calls `use` with a mirror that exists; once more with a new one if git reports damage in it.
 * @param mayFetch whether the remote may be asked: a new mirror is empty
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
    const problem = damageIn(error)
    if (problem === null || !mayFetch) throw error
    context.warn(`the mirror ${mirror.path} is damaged and is fetched again: ${problem} (check the disk of this host)`)
    host.remove(mirror.path)
    await ensureMirror(host, mirror, context)
    return use()
  }
}

/** The line of git's output that reports damage; what the other side reports of its own repository does not count. */
function damageIn(error: unknown): string | null {
  if (!(error instanceof ConvergeError) || error.code !== 'GIT_FAILED') return null
  const lines = (error.output ?? '').split('\n').filter((line) => /^(fatal|error|warning):/.test(line))
  return lines.find((line) => damaged.test(line)) ?? null
}
