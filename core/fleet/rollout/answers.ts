/** What the commands that only look print on a host, as far as a rollout reads it. */
import type { LiveRelease } from '../types.ts'

export interface Revision {
  readonly app: string
  readonly revision: string
  /** Null where there is none to be told, as for a directory. */
  readonly commit: string | null
}

/** @param said by `converge revisions` */
export function revisionsIn(said: unknown): readonly Revision[] {
  return (Array.isArray(said) ? said : [said]) as Revision[]
}

interface ReleasesSaid {
  readonly apps: readonly {
    readonly name: string
    readonly releases: readonly { readonly id: string; readonly commit: string; readonly current: boolean }[]
  }[]
}

/** @param said by `converge releases` */
export function liveIn(said: unknown): readonly LiveRelease[] {
  return (said as ReleasesSaid).apps.map(({ name, releases }) => {
    const current = releases.find((release) => release.current)
    return { app: name, release: current?.id ?? null, commit: current?.commit ?? null }
  })
}
