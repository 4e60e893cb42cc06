/** Reports attributes whose values in a release differ from those of today: by their names, never by their values. */
import type { Recipe } from '../../core/compile/role.ts'
import type { Release } from '../../resources/releases/releases.ts'
import type { SiteNode } from '../node.ts'
import type { App } from './app.ts'

/** A difference between a release and the attributes. */
export interface Differences {
  /** Names of environment variables of the programs. */
  readonly variables: readonly string[]
  /** Other settings, as words of a message. */
  readonly settings: readonly string[]
}

type Environment = Readonly<Record<string, string>>

/** Returns the names of the variables whose values differ, or that only one of the two has. */
export function differingVariables(recorded: Environment, requested: Environment): string[] {
  const names = new Set([...Object.keys(recorded), ...Object.keys(requested)])
  return [...names].filter((name) => recorded[name] !== requested[name]).sort()
}

/** Warns at a rollback that the release restores values that the attributes have replaced, such as a password. */
export function warnOfRestoredValues(
  r: Recipe<SiteNode>,
  { name: app }: App,
  target: Release,
  differences: Differences,
): void {
  if (target.current || isEmpty(differences)) return
  r.warn(
    `${app} rolls back to ${target.id}, whose values differ from the attributes: ${namesOf(differences)} (deploy again to use the attributes)`,
  )
}

/** Warns that `configure` keeps the values of the release. */
export function warnOfKeptValues(r: Recipe<SiteNode>, { name: app }: App, differences: Differences): void {
  if (isEmpty(differences)) return
  r.warn(
    `${app} keeps the values of its release, which differ from the attributes: ${namesOf(differences)} (deploy again to apply the attributes)`,
  )
}

/** Reports why `configure` builds a release: a warning for changed variables, which only a deploy is expected to apply. */
export function reportRebuild(r: Recipe<SiteNode>, { name: app }: App, differences: Differences): void {
  if (isEmpty(differences)) return
  const message = `configure builds a release of ${app} from its current commit, because these differ from the attributes: ${namesOf(differences)}`
  if (differences.variables.length > 0) r.warn(`${message} (a plan shows such a change before it is made)`)
  else r.note(message)
}

function isEmpty({ variables, settings }: Differences): boolean {
  return variables.length === 0 && settings.length === 0
}

/** The number of names that a message lists. */
const longestList = 8

function namesOf({ variables, settings }: Differences): string {
  const names = [...variables.map((name) => `variable ${name}`), ...settings]
  const more = names.length - longestList
  return `${names.slice(0, longestList).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
