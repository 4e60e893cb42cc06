/** Hard-links eggs that another app of the same account has built, to save time and disk space. */
import { posix } from 'node:path'
import type { Host, HostReader } from '../../core/host/types.ts'
import { type BuildArea, isBuilding } from './build_area.ts'

/** eggs/v5/cp311/NAME.egg, eggs/NAME.egg */
const eggDepth = 3

/**
 * Links the complete eggs that are missing. An egg never changes once it is complete: another version or Python has
 * another name. So a link is as good as a copy, even after the other app is removed.
 * @param others directories like `area.shared`; those with a running build are left out
 * @returns how many eggs were linked
 */
export async function linkEggs(host: Host, area: BuildArea, others: readonly string[]): Promise<number> {
  let linked = 0
  for (const other of others)
    if (mayLink(host, area, other))
      for (const [below, names] of missingEggs(host, area.shared, other)) {
        if (await link(host, area, { from: `${other}/${below}`, to: `${area.shared}/${below}`, names }))
          linked += names.length
      }
  return linked
}

/** Decides whether the eggs belong to the same account: another account may change its own at any time. */
function mayLink(host: HostReader, { shared }: BuildArea, other: string): boolean {
  const [own, its] = [host.stat(`${shared}/eggs`), host.stat(`${other}/eggs`)]
  return other !== shared && own !== null && its !== null && own.uid === its.uid && !isBuilding(host, other)
}

/** Returns the names of complete eggs, by their directory below `shared`. */
function missingEggs(host: HostReader, shared: string, other: string): Map<string, string[]> {
  const found = new Map<string, string[]>()
  const visit = (below: string, depth: number) => {
    const names = host.list(`${other}/${below}`)
    const eggs = names.filter((name) => name.endsWith('.egg') && host.lstat(`${shared}/${below}/${name}`) === null)
    if (eggs.length > 0) found.set(below, eggs)
    for (const name of names.filter((one) => !one.endsWith('.egg') && !one.startsWith('tmp')))
      if (depth > 1 && host.lstat(`${other}/${below}/${name}`)?.kind === 'directory')
        visit(`${below}/${name}`, depth - 1)
  }
  visit('eggs', eggDepth)
  return found
}

interface Links {
  readonly from: string
  readonly to: string
  readonly names: readonly string[]
}

/** Links eggs of one directory. The directories may be on different file systems: then buildout builds the eggs. */
async function link(host: Host, { user, group }: BuildArea, { from, to, names }: Links): Promise<boolean> {
  const run = (argv: readonly string[]) => host.run(argv, { user, group, accept: 'any' })
  if (host.lstat(to) === null) await run(['mkdir', '-p', to])
  const { status } = await run(['cp', '-al', '-t', to, '--', ...names.map((name) => `${from}/${name}`)])
  if (status === 0) return true
  await host.run(['xargs', '-0', 'rm', '-rf', '--'], {
    user,
    group,
    input: names.map((name) => posix.join(to, name)).join('\0'),
  })
  return false
}
