/** Finds every mistake in the attributes and recipes of one host, once it is known that there are some. */
import { draftPlan } from '../compile/compile.ts'
import { isMissingProp } from '../compile/props.ts'
import type { Role } from '../compile/recipe.ts'
import { ConvergeError, problemsOf } from '../model/errors.ts'
import { Findings } from '../model/findings.ts'
import { givenKeys, located } from '../node/located.ts'
import { type Node, type NodeDraft, withoutAttributes } from '../node/node.ts'
import type { KeyPath } from '../node/path.ts'
import { draftFiles } from './render.ts'

export interface Suspect<N> {
  readonly draft: NodeDraft<unknown>
  readonly roles: readonly Role<N>[]
  /** Lists of events; each list is compiled as one run. */
  readonly runs: readonly (readonly string[])[]
  /** What the recipes see in such a run. */
  readonly node: (built: Node<unknown>, events: readonly string[]) => N
  readonly mask: (text: string) => string
  /** Whether an attribute may be set where it could not be read; undefined: any attribute. */
  readonly isLost: (attribute: string | undefined) => boolean
}

/**
 * Compiles the roles again and again, each time without the attributes that a recipe has refused, until nothing new is found:
 * a recipe ends at the first attribute that it refuses, and others further down may be wrong as well.
 */
export async function diagnose<N>(suspect: Suspect<N>): Promise<readonly ConvergeError[]> {
  const { draft, isLost } = suspect
  const findings = new Findings()
  findings.add(draft.problems)
  const refused: KeyPath[] = []
  for (;;) {
    const built = refused.length === 0 ? draft.node : withoutAttributes(draft.node, refused)
    const found = (await mistakesOf(suspect, built)).filter(
      (one) => !(isMissing(one, draft.node) && isLost(one.attribute)),
    )
    const further = findings.add(found).map(({ attribute = '' }) => givenKeys(draft.node, attribute))
    refused.push(...further.filter((path) => path !== null))
    if (further.every((path) => path === null)) return findings.problems
  }
}

/** What is wrong with the recipes of the runs for one node: of each event up to the first attribute that it refuses. */
export async function mistakesOf<N>(
  { roles, runs, node, mask }: Omit<Suspect<N>, 'draft' | 'isLost'>,
  built: Node<unknown>,
): Promise<ConvergeError[]> {
  const found: ConvergeError[] = []
  for (const events of runs)
    try {
      const { plan, problems } = draftPlan(roles, events, node(built, events), { mask })
      const files = await draftFiles(plan)
      // Where another run fails, its roles do not fit together in this one for the same reason.
      const own = found.length === 0 ? problems : problems.filter(({ code }) => !mismatches.includes(code))
      found.push(...own, ...files.problems)
    } catch (thrown) {
      // What is no mistake in the input depends on the host, such as a rollback without an earlier release.
      if (!(thrown instanceof ConvergeError)) throw thrown
      if (thrown.usage) found.push(...problemsOf(thrown))
    }
  return distinct(found.map((problem) => located(built, problem)))
}

const mismatches = ['DECLARED_TWICE', 'UNKNOWN_REFERENCE']

function distinct(problems: readonly ConvergeError[]): ConvergeError[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()]
}

/** Whether a mistake is, or may be, that an attribute is missing. */
function isMissing(problem: ConvergeError, node: Node<unknown>): boolean {
  const { attribute, cause } = problem
  if (attribute !== undefined) return givenKeys(node, attribute) === null
  return isMissingProp(problem) || cause instanceof TypeError
}
