/** Runs `converge apply FILE`: makes the changes of a saved plan. */
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import type { Secrets } from '../../model/secrets.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { author, stateDirectory } from '../inputs/read_inputs.ts'
import { planOptionNames, readPlan } from '../saved_plan/plan_file.ts'
import { usage } from '../usage.ts'
import { runCommand } from './run.ts'
import { PlanApplication } from './saved_plan.ts'

/** @param path of the saved plan */
export async function applyPlan<N>(
  path: string,
  args: Arguments,
  catalogue: Catalogue<N>,
  secrets: Secrets,
  endProcess: () => void,
): Promise<ExitStatus> {
  const conflicting = [...planOptionNames, 'event' as const, 'by' as const].find((name) => args[name] !== undefined)
  if (conflicting !== undefined) {
    const option = `--${conflicting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    throw usage(
      `apply ${path} takes no ${option}: the plan has its own options`,
      `leave out ${option}, or save another plan`,
    )
  }
  const saved = readPlan(path)
  const originalDirectory = process.cwd()
  try {
    process.chdir(saved.directory)
  } catch (error) {
    throw new ConvergeError(`${path} was saved in ${saved.directory}: ${asConvergeError(error).message}`, {
      code: 'NO_FILE',
      hint: 'save the plan again',
      usage: true,
    })
  }
  try {
    const options: Arguments = { ...args, ...saved.options, by: saved.by }
    const application = new PlanApplication(path, saved, catalogue.version, stateDirectory(options), author())
    return await runCommand(
      options,
      saved.events,
      args.dryRun === true,
      catalogue,
      secrets,
      endProcess,
      undefined,
      application,
    )
  } finally {
    process.chdir(originalDirectory)
  }
}
