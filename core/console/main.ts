/** The entry of the console's own bundle: what the command line calls. */
export { backupDatabase, inviteAdministrator } from './administration.ts'
export { readSettings } from './settings.ts'
export { readStacks } from './stack/stack_reader.ts'
export { type RunningConsole, startConsole } from './start.ts'
