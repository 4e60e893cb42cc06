/** Loads the input of the `converge stack` commands: the stack file, its roles, its secrets. */
import { existsSync } from 'node:fs'
import type { Role } from '../../compile/role.ts'
import { openStackFile, type StackSource } from '../../fleet/stack/file.ts'
import { draftStack, type StackDraft } from '../../fleet/stack/load.ts'
import type { Stack } from '../../fleet/stack/stack.ts'
import { withOwnAttributes } from '../../load/own_attributes.ts'
import type { UserRecipes, UserRecipesDraft } from '../../load/recipes.ts'
import { ConvergeError, throwProblems } from '../../model/errors.ts'
import { withWarnings } from '../inputs/input_warnings.ts'
import { bundleOptions, draftRoles, userRecipes, warningText } from '../inputs/read_inputs.ts'
import { stackFileNames } from './completion.ts'
import { readDeploymentJson } from './deployment_json.ts'
import type { StackCommand } from './stack_command.ts'

export interface StackInputs<N> {
  readonly stack: Stack
  /** Roles of the stack's own recipes, and of --recipes. */
  readonly user: UserRecipes<N>
  /** Loads roles by name: built-in ones or the stack's own. */
  readonly roles: (names: readonly string[]) => Promise<readonly Role<N>[]>
  /** Names of all roles. */
  readonly roleNames: readonly string[]
  /** Packs the stack's own recipes for hosts; null if there are none. */
  readonly packed: () => Promise<ReadonlyMap<string, Uint8Array> | null>
}

/**
 * Loads the stack that --stack and --environment select, and learns its secrets.
 * @throws InvalidInput with all its problems
 */
export async function stackInputs<N>(call: StackCommand<N>): Promise<StackInputs<N>> {
  const { inputs, draft } = await draftInputs(call, await openStack(call), call.args.environment)
  await withWarnings(
    () => inputs.stack.warnings.map(warningText),
    () => throwProblems(draft.problems, `${inputs.stack.file} is not a valid stack`),
  )
  return inputs
}

export interface DraftInputs<N> {
  /** The inputs without the invalid parts of the stack file and the recipes. */
  readonly inputs: StackInputs<N>
  readonly draft: StackDraft
}

/** @throws ConvergeError if the stack file cannot be read */
export async function openStack<N>({ args, catalogue }: StackCommand<N>): Promise<StackSource> {
  return openStackFile(args.stack ?? (await fileInWorkingDirectory()), { loadModule: moduleLoader(catalogue) })
}

/** Loads the inputs of a stack that may have mistakes, and returns their problems. */
export async function draftInputs<N>(
  { args, catalogue, secrets }: StackCommand<N>,
  source: StackSource,
  environment: string | undefined,
): Promise<DraftInputs<N>> {
  const { file } = source
  let user: UserRecipesDraft<N> = { user: { roles: [], handlers: [] }, problems: [] }
  let recipePaths: readonly string[] = args.recipes ?? []
  const builtIn = await catalogue.schemas()
  const draft = await draftStack(source, {
    environment,
    // The recipes, which may define attributes, are loaded while the file is read.
    schemas: () => withOwnAttributes(builtIn),
    loadModule: moduleLoader(catalogue),
    allowCommands: async () => {
      if (args.stack === undefined) await trustCode(file, [file])
    },
    roles: async (recipes, problems) => {
      recipePaths = [...recipePaths, ...recipes]
      if (args.stack === undefined) await trustCode(file, recipes)
      user = await userRecipes({ ...args, recipes: recipePaths }, catalogue)
      problems.push(...user.problems)
      return [...Object.keys(catalogue.roles), ...user.user.roles.map(({ name }) => name)]
    },
  })
  const custom = await readDeploymentJson(args.json ?? [], withOwnAttributes(builtIn))
  const stack = {
    ...draft.stack,
    deploymentDocuments: custom.documents,
    warnings: [...draft.stack.warnings, ...custom.warnings],
  }
  for (const secret of [...stack.secrets, ...custom.secrets]) secrets.add(secret)
  if (args.stack === undefined && stack.health?.command !== undefined) await trustCode(file, [file])
  const { roles, handlers } = user.user
  const inputs: StackInputs<N> = {
    stack,
    user: user.user,
    roles: async (selected) => (await draftRoles(selected, user, catalogue)).roles,
    roleNames: [...Object.keys(catalogue.roles), ...roles.map(({ name }) => name)],
    packed: async () => {
      // Recipes that cannot be loaded cannot be packed either.
      if (user.problems.length > 0 || (roles.length === 0 && handlers.length === 0)) return null
      const { packRecipes } = await import('../../load/pack.ts')
      return (await packRecipes(recipePaths, args.config ?? null, () => bundleOptions(catalogue)))?.files ?? null
    },
  }
  return { inputs, draft: { ...draft, stack, problems: [...draft.problems, ...custom.problems] } }
}

function moduleLoader<N>(catalogue: StackCommand<N>['catalogue']) {
  return async (path: string) => (await import('../../load/bundle.ts')).loadModule(path, await bundleOptions(catalogue))
}

/** @throws if there is no stack file, or several */
export async function fileInWorkingDirectory(): Promise<string> {
  const [file, other] = stackFileNames.filter((name) => existsSync(name))
  const refuse = (message: string, hint: string) => new ConvergeError(message, { code: 'NO_FILE', hint, usage: true })
  if (file === undefined)
    throw refuse(
      `there is no stack file in the working directory, ${process.cwd()}`,
      `name one with --stack FILE; without it, the command reads ${stackFileNames.join(' or ')}`,
    )
  if (other !== undefined) throw refuse(`both ${file} and ${other} are here`, `name one of them: --stack ${file}`)
  if (file.endsWith('.ts')) await trustCode(file, [file], true)
  return file
}

/**
 * Refuses to run code of a stack file that the command line does not name, unless the file and its code belong to this
 * account or to root.
 * @param code files and directories
 * @param isExclusive for root: no other account may write to the code, or to any directory above
 */
async function trustCode(file: string, code: readonly string[], isExclusive = false): Promise<void> {
  if (code.length === 0) return
  const { reasonNotToTrust: distrust } = await import('../../load/trusted_files.ts')
  const uid = process.getuid?.() ?? 0
  for (const one of [file, ...code]) {
    const why = distrust(one, [0, uid, Number(process.env.SUDO_UID ?? 0)], isExclusive && uid === 0)
    if (why === null) continue
    throw new ConvergeError(`${file} is not run without being named: ${why}`, {
      code: 'NO_FILE',
      hint: `if you trust it: --stack ./${file}; else work in another directory`,
      usage: true,
    })
  }
}
