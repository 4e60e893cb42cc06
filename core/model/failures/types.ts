/** Defines the types of the tables of known failures, which recognize the cause of a failure in the output of a command. */

/** The cause of a failure, and how to repair it. */
export interface KnownFailure {
  /** The cause, as it follows the name of what failed and a colon. */
  readonly reason: string
  /** How to repair it; `<app>` stands for the name of the app if the caller knows it. */
  readonly hint: string
}

export interface Pattern {
  /** Names the entry for tests. */
  readonly name: string
  /** It is applied to up to 1 MiB: every repetition in it has a limit, so that the time is proportional to the text. */
  readonly pattern: RegExp
  /** @param groups what the pattern has captured, from 1 on */
  explain(...groups: readonly (string | undefined)[]): KnownFailure
}
