/** Lists the commands and options as data, from which parsing, help, completion and the reference pages are made. */
import { convergeCommands } from './options/converge.ts'
import { helpCommands } from './options/help.ts'
import { hookCommands, hooksFamily } from './options/hooks.ts'
import { lookCommands } from './options/look.ts'
import { operateCommands } from './options/operate.ts'
import { recordCommands } from './options/records.ts'
import { releaseCommands } from './options/releases.ts'
import { rolloutCommands } from './options/rollouts.ts'
import { serviceCommands } from './options/services.ts'
import { stackCommands, stackFamily } from './options/stack.ts'
import type { CommandFamily, CommandSpec, OptionSpec } from './options/types.ts'

export type { Arguments, CommandFamily, CommandSpec, OptionSpec } from './options/types.ts'

export const commands: readonly CommandSpec[] = [
  ...convergeCommands,
  ...releaseCommands,
  ...serviceCommands,
  ...hookCommands,
  ...lookCommands,
  ...stackCommands,
  ...rolloutCommands,
  ...operateCommands,
  ...recordCommands,
  ...helpCommands,
]

/** The families of commands whose names have two words. */
export const families: readonly CommandFamily[] = [hooksFamily, stackFamily]

/** Every option of any command, by name. */
export const allOptions: ReadonlyMap<string, OptionSpec> = new Map(
  commands.flatMap(({ options }) => Object.entries(options)),
)
