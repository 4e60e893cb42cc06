/** Defines what a checkout requires: the commit, its mirror and the directory. */
import type { Mirror } from './mirror.ts'

export interface CheckoutOptions {
  /** An empty directory that exists. */
  readonly directory: string
  readonly mirror: Mirror
  readonly commit: string
  /** Whether submodules are checked out too, at any depth. */
  readonly submodules: boolean
  /** Whether the checkout may fetch objects that a mirror lacks. */
  readonly fetch: boolean
  /** Lines for `.git/info/exclude`: files that do not belong to the repository. */
  readonly exclude: readonly string[]
}
