/** Records what a plan consists of, and compares a saved plan with the present one. */
import * as fs from 'node:fs'
import { basename, join } from 'node:path'
import type { Plan } from '../../compile/compile.ts'
import { withNames } from '../../compile/declarations.ts'
import { isObject } from '../../model/json.ts'
import type { PlannedResource } from '../../model/resource.ts'
import type { Secrets } from '../../model/secrets.ts'
import type { Handlers } from '../../report/events.ts'
import type { PlanContent, PlannedChange } from './plan_file.ts'
import type { PlanKey } from './plan_key.ts'

/** The part of a plan that is compared before it is applied. */
export type Comparable = Pick<PlanContent, 'revisions' | 'changes' | 'attributes' | 'recipes' | 'declared'>

/** Collects the changes of a dry run. */
export class ChangeRecorder {
  readonly changes: PlannedChange[] = []
  private readonly digests = new Map<string, string>()

  constructor(
    readonly key: PlanKey,
    private readonly secrets: Secrets,
  ) {}

  /** Receives from the engine the states before and after a change, which contain secrets. */
  readonly onChange = (
    { name }: PlannedResource,
    change: { readonly now: unknown; readonly desired: unknown },
  ): void => {
    this.digests.set(this.secrets.mask(name), this.key.digest([change.now, change.desired]))
  }

  readonly handlers: Handlers = {
    unchanged: false,
    resource: ({ name, role, event, outcome, words, patch, reason }) => {
      const digest = this.digests.get(name) ?? this.key.digest(reason ?? null)
      const shown = { ...(words === undefined ? {} : { words }), ...(patch === undefined ? {} : { patch: [...patch] }) }
      this.changes.push(JSON.parse(JSON.stringify({ name, role, event, outcome, ...shown, digest })) as PlannedChange)
    },
  }
}

/** Digests of the attributes, by path; lists count as one value. */
export function attributeDigests(attributes: object, key: PlanKey): Record<string, string> {
  const digests: Record<string, string> = {}
  const visit = (value: unknown, path: string) => {
    if (isObject(value) && Object.keys(value).length > 0)
      for (const [name, child] of Object.entries(value)) visit(child, path === '' ? name : `${path}.${name}`)
    else digests[path] = key.digest(value)
  }
  visit(attributes, '')
  return digests
}

/** Digests of the declared properties and options, by name of the resource. */
export function declaredDigests({ resources }: Plan, key: PlanKey, secrets: Secrets): Record<string, string> {
  const entries = resources.map(({ name, props, options: { onlyIf, notIf, ...options } }) => {
    const guards = [onlyIf, notIf].map((guard) => (typeof guard === 'object' ? guard.description : guard))
    return [secrets.mask(name), key.digest([name, props, withNames(options), guards])] as const
  })
  return Object.fromEntries(entries)
}

/** Files of recipes. A directory with more of them has files of other programs, which are not compared. */
const maxFiles = 10_000

/** Digests of all files in the directories of recipes, such as templates, and of the configuration. */
export function recipeDigests(directories: readonly string[], key: PlanKey): Record<string, string> {
  const digests: Record<string, string> = {}
  const visit = (path: string) => {
    if (['node_modules', '.git'].includes(basename(path)) || Object.keys(digests).length >= maxFiles) return
    const stat = fs.statSync(path, { throwIfNoEntry: false })
    if (stat?.isDirectory()) for (const name of fs.readdirSync(path).sort()) visit(join(path, name))
    else if (stat?.isFile()) digests[path] = key.digest(fs.readFileSync(path, 'base64'))
  }
  for (const directory of directories) visit(directory)
  return digests
}

/** Returns a line for each difference between a saved plan and the present one; none if the saved plan is still valid. */
export function differencesBetween(saved: Comparable, present: Comparable): readonly string[] {
  return [
    ...saved.revisions.flatMap(({ app, revision, commit }) => {
      const other = present.revisions.find((one) => one.app === app)?.commit ?? null
      const names = `${revision ?? 'the directory'} of ${app}`
      return other === commit
        ? []
        : [`${names} is now commit ${other?.slice(0, 12)}, and ${commit?.slice(0, 12)} in the plan`]
    }),
    ...digestDifferences(saved.attributes, present.attributes, (path) => `attribute ${path}`),
    ...digestDifferences(saved.recipes, present.recipes, (path) => `recipe file ${path}`),
    ...digestDifferences(saved.declared, present.declared, (name) => `declaration of ${name}`),
    ...changeDifferences(saved.changes, present.changes),
  ]
}

function digestDifferences(
  saved: Readonly<Record<string, string>>,
  present: Readonly<Record<string, string>>,
  describe: (name: string) => string,
): string[] {
  return [...new Set([...Object.keys(saved), ...Object.keys(present)])].flatMap((name) => {
    const [before, after] = [saved[name], present[name]]
    if (before === after) return []
    return `${describe(name)} ${before === undefined ? 'is new' : after === undefined ? 'is gone' : 'differs'}`
  })
}

function changeDifferences(saved: readonly PlannedChange[], present: readonly PlannedChange[]): string[] {
  const presentByName = new Map(present.map((one) => [one.name, one]))
  const savedNames = new Map(saved.map((one) => [one.name, one]))
  return [
    ...saved.flatMap(({ name, outcome, digest }) => {
      const presentChange = presentByName.get(name)
      if (presentChange === undefined) return [`${name}: the plan changes it, and the host has it as declared`]
      return presentChange.outcome === outcome && presentChange.digest === digest
        ? []
        : [`${name}: its state on the host has changed`]
    }),
    ...present.flatMap(({ name }) => (savedNames.has(name) ? [] : [`${name}: would change, and is not in the plan`])),
  ]
}
