/** Lists the commands and options as data, from which parsing, help, completion and the reference pages are made. */
import { agentCommands } from './agents.ts'
import { consoleCommands } from './console.ts'
import { consoleClientCommands } from './console_client.ts'
import { convergeCommands } from './converge.ts'
import { helpCommands } from './help.ts'
import { hookCommands, hooksFamily } from './hooks.ts'
import { inspectCommands } from './inspect.ts'
import { operateCommands } from './operate.ts'
import { newFamily, recipeCommands } from './recipes.ts'
import { recordCommands } from './records.ts'
import { releaseCommands } from './releases.ts'
import { rolloutCommands } from './rollouts.ts'
import { secretsCommands, secretsFamily } from './secrets.ts'
import { serviceCommands } from './services.ts'
import { stackCommands, stackFamily } from './stack.ts'
import type { CommandFamily, CommandSpec, OptionSpec } from './types.ts'

export type { Arguments, CommandFamily, CommandSpec, OptionSpec } from './types.ts'

export const commands: readonly CommandSpec[] = [
  ...convergeCommands,
  ...releaseCommands,
  ...serviceCommands,
  ...hookCommands,
  ...inspectCommands,
  ...recipeCommands,
  ...stackCommands,
  ...rolloutCommands,
  ...operateCommands,
  ...recordCommands,
  ...secretsCommands,
  ...consoleCommands,
  ...consoleClientCommands,
  ...agentCommands,
  ...helpCommands,
]

/** The families of commands whose names have two words. */
export const families: readonly CommandFamily[] = [hooksFamily, newFamily, stackFamily, secretsFamily]

/** Every option of any command, by name. Of two options with one name, the one with a value counts: `--explain KEY`. */
export const allOptions: ReadonlyMap<string, OptionSpec> = new Map(
  commands
    .flatMap(({ options }): [string, OptionSpec][] => Object.entries(options))
    .sort(([, { type }], [, other]) => Number(type !== 'boolean') - Number(other.type !== 'boolean')),
)
