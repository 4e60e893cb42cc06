/** Checks the environments of a stack file, and leaves out problems that the file has without an environment. */
import { describeNames } from '../../fleet/screen/host_name_list.ts'
import type { StackSource } from '../../fleet/stack/file.ts'
import type { Concern } from '../../fleet/stack/services.ts'
import { ConvergeError, describeLocation } from '../../model/errors.ts'
import { Findings } from '../../model/findings.ts'
import { draftHosts } from './compile_stack.ts'
import { draftInputs } from './inputs.ts'
import type { StackCommand } from './stack_command.ts'

interface CheckedEnvironments {
  /** Each problem once, with the names of its environments. */
  readonly problems: readonly ConvergeError[]
  /** One for each environment whose secrets are not on this computer. */
  readonly skipped: readonly Concern[]
}

/**
 * Checks each environment of a stack file.
 * @param known problems of the stack file without an environment, which are not reported again
 */
export async function checkEnvironments<N>(
  call: StackCommand<N>,
  source: StackSource,
  known: readonly ConvergeError[],
): Promise<CheckedEnvironments> {
  const found = new Map<string, { problem: ConvergeError; environments: string[] }>()
  const skipped: Concern[] = []
  for (const environment of source.environments) {
    const { inputs, draft } = await draftInputs(call, source, environment)
    const [absent] = newProblems(draft.absent, known)
    if (absent !== undefined) {
      skipped.push(skippedFor(environment, absent))
      continue
    }
    const hosts = await draftHosts(call, inputs, draft)
    for (const problem of newProblems([...draft.problems, ...hosts.problems], known)) {
      const { environments } = found.get(identityOf(problem)) ?? { environments: [] }
      found.set(identityOf(problem), { problem, environments: [...environments, environment] })
    }
  }
  return {
    problems: [...found.values()].map(({ problem, environments }) => inEnvironments(problem, environments)),
    skipped,
  }
}

function newProblems(problems: readonly ConvergeError[], known: readonly ConvergeError[]): readonly ConvergeError[] {
  const reported = new Set(known.map(identityOf))
  return new Findings(known).add(problems.filter((problem) => !reported.has(identityOf(problem))))
}

/** Identifies a problem without its hosts: an environment may have fewer hosts with the same mistake. */
function identityOf({ message, source }: ConvergeError): string {
  return `${source === undefined ? '' : describeLocation(source)} ${message.replace(/ \([^()]*\)$/, '')}`
}

function inEnvironments({ message, code, source, hint, resource, output }: ConvergeError, names: readonly string[]) {
  const where = names.length === 1 ? 'in the environment' : 'in the environments'
  return new ConvergeError(`${message} (${where} ${describeNames(names)})`, {
    code,
    source,
    hint,
    resource,
    output,
    usage: true,
  })
}

function skippedFor(environment: string, { message, source, hint }: ConvergeError): Concern {
  return { message: `the environment ${environment} is not checked: ${message}`, hosts: [], source, hint }
}
