/** Names the file with the metrics of the last run, and what they tell of releases. */

/** Outside of the state directory, which other accounts cannot enter. */
export const metricsDirectory = '/var/lib/converge-metrics'
export const metricsFile = `${metricsDirectory}/converge.prom`

/** The release that an app of the host runs. */
export interface RunningRelease {
  readonly app: string
  readonly release: string
  /** Full commit, or the digest of a copied directory; null if another tool made the release. */
  readonly commit: string | null
}
