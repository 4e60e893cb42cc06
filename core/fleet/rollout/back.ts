/** What a rollback means for hosts whose releases have numbers of their own: one commit for all, as with a deploy. */
import type { AppReleases } from './answers.ts'

/** The app whose release is meant, where a host has but one of those that are asked for; a host has one --to for all its apps. */
export function onlyApp(apps: readonly AppReleases[], means: (app: string) => boolean): AppReleases | null {
  const meant = apps.filter(({ name, releases }) => means(name) && releases.some(({ current }) => current))
  return meant.length === 1 ? (meant[0] ?? null) : null
}

/**
 * The commit that most hosts were on before the one they are on; of several the one of the first host. A host that had a release
 * of its own in between, such as one that was tried there alone, goes to where the others go.
 * @param hosts each the releases of one app, oldest first
 */
export function commitBefore(hosts: readonly AppReleases[]): string | null {
  const counts = new Map<string, number>()
  for (const { releases } of hosts) {
    const before = releases.slice(0, currentOf(releases)).findLast(({ complete }) => complete)
    if (before) counts.set(before.commit, (counts.get(before.commit) ?? 0) + 1)
  }
  const most = Math.max(0, ...counts.values())
  return [...counts].find(([, count]) => count === most)?.[0] ?? null
}

/**
 * The release of a host that is meant, by its id or its commit, or the beginning of one of them; of several of one commit the newest
 * before the one that is live, else the newest.
 * @returns null where the host has none
 */
export function releaseOf({ releases }: AppReleases, wanted: string): string | null {
  const fits = releases.filter(
    ({ id, commit, complete, current }) => complete && !current && (id.startsWith(wanted) || commit.startsWith(wanted)),
  )
  const live = currentOf(releases)
  return (fits.findLast((one) => releases.indexOf(one) < live) ?? fits.at(-1))?.id ?? null
}

function currentOf(releases: AppReleases['releases']): number {
  return releases.findIndex(({ current }) => current)
}
