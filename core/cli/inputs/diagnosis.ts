/** Finds every mistake in the attributes and recipes of one host, after a first mistake was found. */
import { draftPlan } from '../../compile/compile.ts'
import { isMissingProp } from '../../compile/props.ts'
import type { Role } from '../../compile/role.ts'
import { ConvergeError, problemsOf } from '../../model/errors.ts'
import { Findings } from '../../model/findings.ts'
import { keysIfSet, locateValues } from '../../node/located.ts'
import { type Node, type NodeDraft, withoutAttributes } from '../../node/node.ts'
import type { KeyPath } from '../../node/path.ts'
import { draftFiles } from './rendered_files.ts'

export interface Suspect<N> {
  readonly draft: NodeDraft<unknown>
  readonly roles: readonly Role<N>[]
  /** Lists of events; each list is compiled as one run. */
  readonly runs: readonly (readonly string[])[]
  /** Builds the node that the recipes get in such a run. */
  readonly node: (mergedNode: Node<unknown>, events: readonly string[]) => N
  readonly mask: (text: string) => string
  /** Whether an attribute may be set in a file or value that could not be read; undefined: any attribute. */
  readonly mayBeUnread: (attribute: string | undefined) => boolean
}

/**
 * Compiles the roles repeatedly, without the attributes that a recipe has refused, until it finds nothing new.
 * A recipe ends at the first attribute that it refuses, but later ones may be wrong as well.
 */
export async function diagnose<N>(suspect: Suspect<N>): Promise<readonly ConvergeError[]> {
  const { draft, mayBeUnread: isLost } = suspect
  const findings = new Findings()
  findings.add(draft.problems)
  const refused: KeyPath[] = []
  for (;;) {
    const mergedNode = refused.length === 0 ? draft.node : withoutAttributes(draft.node, refused)
    const mistakes = (await mistakesOf(suspect, mergedNode)).filter(
      (mistake) => !(isMissing(mistake, draft.node) && isLost(mistake.attribute)),
    )
    const refusedPaths = findings.add(mistakes).map(({ attribute = '' }) => keysIfSet(draft.node, attribute))
    refused.push(...refusedPaths.filter((path) => path !== null))
    if (refusedPaths.every((path) => path === null)) return findings.problems
  }
}

/** Finds the problems of the recipes for one node: for each event up to the first attribute that it refuses. */
export async function mistakesOf<N>(
  { roles, runs, node, mask }: Omit<Suspect<N>, 'draft' | 'mayBeUnread'>,
  mergedNode: Node<unknown>,
): Promise<ConvergeError[]> {
  const found: ConvergeError[] = []
  for (const events of runs)
    try {
      const { plan, problems } = draftPlan(roles, events, node(mergedNode, events), { mask })
      const files = await draftFiles(plan)
      // If another run has failed, roles that do not match in this one have the same cause: do not report it again.
      const newProblems = found.length === 0 ? problems : problems.filter(({ code }) => !mismatches.includes(code))
      found.push(...newProblems, ...files.problems)
    } catch (thrown) {
      // Other errors depend on the host, not on the input, such as a rollback without an earlier release.
      if (!(thrown instanceof ConvergeError)) throw thrown
      if (thrown.usage) found.push(...problemsOf(thrown))
    }
  return distinct(found.map((problem) => locateValues(mergedNode, problem)))
}

const mismatches = ['DECLARED_TWICE', 'UNKNOWN_REFERENCE']

function distinct(problems: readonly ConvergeError[]): ConvergeError[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()]
}

/** Decides whether the problem is, or may be, a missing attribute. */
function isMissing(problem: ConvergeError, node: Node<unknown>): boolean {
  const { attribute, cause } = problem
  if (attribute !== undefined) return keysIfSet(node, attribute) === null
  return isMissingProp(problem) || cause instanceof TypeError
}
