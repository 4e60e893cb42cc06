/** Defines the input of every `converge stack` command. */
import type { Secrets } from '../../model/secrets.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'

export interface StackCommand<N> {
  readonly args: Arguments
  readonly catalogue: Catalogue<N>
  /** Receives the values that must be masked. */
  readonly secrets: Secrets
  /** Called if work that cannot be ended would keep the process running. */
  readonly endProcess: () => void
}
