/** Defines the commits between two releases, as a report lists them. */

export interface ListedCommit {
  readonly commit: string
  readonly author: string
  /** First line of the message. */
  readonly subject: string
}

export interface CommitRange {
  /** Commit of the current release. */
  readonly from: string
  /** Commit of the new release. */
  readonly to: string
  /** Number of commits that the new release has and the current one lacks. */
  readonly added: number
  /** Number of commits of the current release that the new one lacks. */
  readonly removed: number
  /** The newest of the added commits; of the removed ones, if none are added. */
  readonly newest: readonly ListedCommit[]
}

/**
 * Returns the same range for a report. Authors write subjects, so they may contain secrets that nobody knows here.
 * @param mask replaces what may be a secret
 */
export function maskCommits(range: CommitRange, mask: (text: string) => string): CommitRange {
  const newest = range.newest.map(({ commit, author, subject }) => ({
    commit,
    author: mask(author),
    subject: mask(subject),
  }))
  return { ...range, newest }
}

/** Commits that a report lists at most. */
export const maxListedCommits = 20
