/** Saves a plan for `converge plan --out`, and checks a saved plan for `converge apply FILE`. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Plan } from '../../compile/compile.ts'
import type { StateDirectory } from '../../host/state_directory.ts'
import type { HostReader } from '../../host/types.ts'
import { configNames, recipeDirectoriesOf } from '../../load/recipes.ts'
import { ConvergeError } from '../../model/errors.ts'
import type { Secrets } from '../../model/secrets.ts'
import type { RunReport } from '../../report/events.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import { author, bundleOptions } from '../inputs/read_inputs.ts'
import type { RunInputs } from '../inputs/run_inputs.ts'
import {
  attributeDigests,
  ChangeRecorder,
  type Comparable,
  declaredDigests,
  differencesBetween,
  recipeDigests,
} from '../saved_plan/plan_content.ts'
import { isIntact, planOptionNames, type SavedPlan, writePlan } from '../saved_plan/plan_file.ts'
import { PlanKey } from '../saved_plan/plan_key.ts'
import { usage } from '../usage.ts'

/** The objects of a run from which its plan is saved or checked. */
export interface PlannedRun<N> {
  readonly args: Arguments
  readonly catalogue: Catalogue<N>
  readonly inputs: RunInputs<N>
  readonly secrets: Secrets
  readonly host: HostReader
  /** Bound to the host. */
  readonly plan: Plan
}

/** Saves the plan of a dry run in a file. */
export class PlanSaving {
  readonly id = randomUUID()
  private readonly by = author()

  constructor(
    readonly path: string,
    private readonly args: Arguments,
    private readonly events: readonly string[],
  ) {
    if ([args.json, args.nodeJson].flat().includes('-'))
      throw usage('--out cannot save a plan of standard input: apply reads the input again', 'give a file instead of -')
  }

  /** @param state gets the key of this host at the first plan */
  recorder(state: StateDirectory, secrets: Secrets): ChangeRecorder {
    state.prepare()
    return new ChangeRecorder(PlanKey.in(state.path), secrets)
  }

  async save<N>(run: PlannedRun<N>, recorder: ChangeRecorder): Promise<void> {
    const { args } = this
    const options = Object.fromEntries(
      planOptionNames.flatMap((name) => (args[name] === undefined ? [] : [[name, args[name]]])),
    )
    writePlan(
      this.path,
      {
        converge: run.catalogue.version,
        id: this.id,
        host: hostname(),
        account: process.getuid?.() ?? 0,
        created: new Date().toISOString(),
        by: args.by ?? this.by,
        directory: process.cwd(),
        events: [...this.events],
        options,
        ...(await comparablePlan(run, recorder)),
      },
      recorder.key,
    )
  }
}

/** Checks a saved plan that this process applies: whether it is intact, and whether a run would still do the same. */
export class PlanApplication {
  private readonly key: PlanKey

  /** @throws ConvergeError OTHER_HOST, OTHER_ACCOUNT, OTHER_VERSION, EDITED_PLAN */
  constructor(
    readonly path: string,
    readonly saved: SavedPlan,
    version: string,
    directory: string,
    /** The account that applies it, for the deploy lock. */
    readonly by: string,
  ) {
    const refuse = (message: string, code: string, hint: string) =>
      new ConvergeError(`${path} ${message}`, { code, hint, usage: true })
    const account = process.getuid?.() ?? 0
    if (saved.host !== hostname())
      throw refuse(
        `is a plan for ${saved.host}, and this host is ${hostname()}`,
        'OTHER_HOST',
        `apply it on ${saved.host}, or make a plan here`,
      )
    if (saved.account !== account)
      throw refuse(
        `was saved by the account ${saved.account}, and this is ${account}`,
        'OTHER_ACCOUNT',
        'plan and apply with the same account',
      )
    if (saved.converge !== version)
      throw refuse(
        `was saved by converge ${saved.converge}, and this is ${version}`,
        'OTHER_VERSION',
        'save the plan again with this version',
      )
    const key = PlanKey.readExisting(directory)
    if (key === null || !isIntact(saved, key))
      throw refuse(
        'was edited, or saved on another host: its signature does not match',
        'EDITED_PLAN',
        'save the plan again on this host, and leave the file as it is',
      )
    this.key = key
  }

  recorder(secrets: Secrets): ChangeRecorder {
    return new ChangeRecorder(this.key, secrets)
  }

  /** @throws ConvergeError PLAN_OUTDATED, PLAN_APPLIED, where a run of this plan would do something else */
  async check<N>(run: PlannedRun<N>, recorder: ChangeRecorder, report: RunReport): Promise<void> {
    const appliedBy = run.host.recorded(this.recordKey)
    if (appliedBy !== null && report.outcome === 'unchanged') return
    if (appliedBy !== null)
      throw new ConvergeError(`${this.path} was applied by run ${appliedBy}, and a plan is applied once`, {
        code: 'PLAN_APPLIED',
        hint: 'make a new plan for what is left to do',
        usage: true,
      })
    const differences = differencesBetween(this.saved, await comparablePlan(run, recorder))
    if (differences.length === 0) return
    const [first = '', ...more] = differences
    throw new ConvergeError(
      `${this.path} no longer holds, so nothing was changed: ${first}${more.length > 0 ? `, and ${more.length} more` : ''}`,
      {
        code: 'PLAN_OUTDATED',
        hint: 'save a new plan, and review it again',
        output: more.length > 0 ? differences.slice(0, 40).join('\n') : undefined,
        usage: true,
      },
    )
  }

  /** The name of the record that the plan was applied. */
  get recordKey(): string {
    return `applied plan ${this.saved.id}`
  }
}

async function comparablePlan<N>(
  { args, catalogue, inputs, secrets, host, plan }: PlannedRun<N>,
  { changes, key }: ChangeRecorder,
): Promise<Comparable> {
  const context = { warn: () => undefined, secret: (value: string) => secrets.add(value) }
  const revisions = plan.resources.some(({ type }) => type === 'git_release')
    ? await catalogue.revisions(plan.resources, host, context)
    : []
  return {
    revisions: revisions.map(({ app, revision, commit }) => ({
      app,
      revision: revision === null ? null : secrets.mask(revision),
      commit,
    })),
    changes,
    attributes: attributeDigests(inputs.mergedNode.attributes as object, key),
    recipes: recipeDigests(await recipeDirectories(args, catalogue), key),
    declared: declaredDigests(plan, key, secrets),
  }
}

/** Lists the files and directories of the recipes, and the configuration. */
async function recipeDirectories<N>(args: Arguments, catalogue: Catalogue<N>): Promise<readonly string[]> {
  const { recipes = [], config = null } = args
  if (recipes.length === 0 && config === null && !configNames.some((name) => existsSync(name))) return []
  const { configuration, recipeDirectories } = await recipeDirectoriesOf(recipes, config, () =>
    bundleOptions(catalogue),
  )
  return [...recipeDirectories.map(({ path }) => path), ...(configuration === null ? [] : [configuration.file])]
}
