/** What a command of the stack is given. */
import type { Secrets } from '../../model/secrets.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../options.ts'

export interface StackCall<N> {
  readonly args: Arguments
  readonly catalogue: Catalogue<N>
  /** Gets what must not be shown. */
  readonly secrets: Secrets
  /** Called where something that could not be ended would keep the process going. */
  readonly endProcess: () => void
}
