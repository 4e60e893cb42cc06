/** One kind of failure, with its cause and advice. */
export interface KnownFailure {
  /** Follows what failed and a colon. */
  readonly reason: string
  /** `<app>` stands for the name of the app, where the caller knows it. */
  readonly hint: string
}

export interface Pattern {
  /** Names the entry for tests. */
  readonly name: string
  /** Searched in up to 1 MiB: what repeats has a limit, so that the time is proportional to the text. */
  readonly pattern: RegExp
  /** @param groups what the pattern has captured, from 1 on */
  explain(...groups: readonly (string | undefined)[]): KnownFailure
}
