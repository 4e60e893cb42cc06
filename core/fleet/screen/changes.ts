/** What a run or a dry run does to many hosts: the same change is shown once, under the names of all that it is made on. */
import { describeChange, describeDiff, type Paint, removes } from '../../report/describe.ts'
import type { ResourceReport, RunReport } from '../../report/events.ts'
import { type Addresses, alike } from './alike.ts'
import { describeNames } from './names.ts'
import { many } from './text.ts'

export interface ChangeGroup {
  readonly hosts: readonly string[]
  /** As the first of the hosts has told them. */
  readonly resources: readonly ResourceReport[]
}

export interface HostRun {
  readonly host: string
  readonly report: RunReport
}

/** Changes that are made on the very same hosts stand together. */
export function groupChanges(runs: readonly HostRun[], addresses: Addresses = {}): ChangeGroup[] {
  const said = runs.flatMap(({ host, report }) =>
    report.resources.filter(isChange).map((resource) => ({ host, resource, text: textOf(resource) })),
  )
  const groups = new Map<string, { hosts: string[]; resources: ResourceReport[] }>()
  for (const change of alike(said, addresses)) {
    const hosts = [...new Set(change.map(({ host }) => host))]
    const key = JSON.stringify([...hosts].sort())
    const group = groups.get(key) ?? { hosts, resources: [] }
    groups.set(key, group)
    // Two resources of one host that do the same are two.
    const [first] = change
    group.resources.push(...change.filter(({ host }) => host === first?.host).map(({ resource }) => resource))
  }
  return [...groups.values()]
}

function isChange({ outcome }: ResourceReport): boolean {
  return outcome === 'changed' || outcome === 'planned' || outcome === 'unknown'
}

/** The outcome is no part of it: where one host is done, another may have to wait. */
function textOf({ name, patch = [], words = '', reason = '', diff = [] }: ResourceReport): string {
  return JSON.stringify([name, patch, words, reason, diff])
}

export function describeChanges(groups: readonly ChangeGroup[], all: boolean, paint: Paint): string[] {
  return groups.flatMap(({ hosts, resources }) => {
    const count = hosts.length === 1 ? '' : paint.dim(` (${many(hosts.length, 'host')})`)
    return [
      `${paint.bold(describeNames(hosts))}${count}`,
      ...resources.flatMap((resource) => [
        `  ${describeChange(resource, paint)}`,
        ...(removes(resource) ? [] : describeDiff(resource.diff ?? [], all, paint).map((row) => `  ${row}`)),
      ]),
    ]
  })
}
