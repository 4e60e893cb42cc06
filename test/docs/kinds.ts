/** Defines the ways in which an example of the documentation is tested. */
import type { Test } from 'tap'
import type { Block } from './blocks.ts'
import type { Reader } from './reader.ts'

export type Proof =
  /** Attributes: the program accepts them without a warning, and each listed role renders its files with them. */
  | { readonly kind: 'attributes'; readonly roles?: readonly string[]; readonly below?: unknown }
  /** A script: it runs in the reader's directory, with dry runs instead of runs. */
  | { readonly kind: 'commands' }
  /**
   * TypeScript: it compiles against the published types; a module is loaded as well. `wrap` makes a module of a
   * fragment.
   */
  | { readonly kind: 'typescript'; readonly declares?: string; readonly wrap?: (text: string) => string }
  /** A custom comparison, mostly with the output of the program. */
  | { readonly kind: 'compared'; readonly compare: (t: Test, block: Block, reader: Reader) => Promise<void> | void }
  /** Another test reads this block from the page. */
  | { readonly kind: 'elsewhere'; readonly test: string }
  /** A block that cannot run in a test, with the reason. */
  | { readonly kind: 'cannot run'; readonly because: string }

export const attributes = (roles: readonly string[] = [], below?: unknown): Proof => ({
  kind: 'attributes',
  roles,
  below,
})
export const commands: Proof = { kind: 'commands' }
export const typescript = (declares = ''): Proof => ({ kind: 'typescript', declares })
export const wrapped = (wrap: (text: string) => string): Proof => ({ kind: 'typescript', wrap })
export const compared = (compare: (t: Test, block: Block, reader: Reader) => Promise<void> | void): Proof => ({
  kind: 'compared',
  compare,
})
export const elsewhere = (test: string): Proof => ({ kind: 'elsewhere', test })
export const cannotRun = (because: string): Proof => ({ kind: 'cannot run', because })
