/** What a run or a dry run does to many hosts: the same change is shown once, under the names of all that it is made on. */
import { describeChange, describeDiff, type Paint, removes } from '../../report/describe.ts'
import type { ResourceReport, RunReport } from '../../report/events.ts'
import { type Addresses, alike, withoutNumbers } from './alike.ts'
import { describeNames } from './names.ts'
import { many } from './text.ts'

export interface ChangeGroup {
  readonly hosts: readonly string[]
  /** As the first of the hosts has told them. */
  readonly resources: readonly ResourceReport[]
  /** The others have told them in words of their own. */
  readonly varies: boolean
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
  const groups = new Map<string, { hosts: string[]; resources: ResourceReport[]; varies: boolean }>()
  for (const change of alike(said, addresses, withoutNumbers).flatMap(evenly)) {
    const [first] = change
    const hosts = [...new Set(change.map(({ host }) => host))]
    const key = JSON.stringify([...hosts].sort())
    const group = groups.get(key) ?? { hosts, resources: [], varies: false }
    groups.set(key, group)
    group.resources.push(...change.filter(({ host }) => host === first?.host).map(({ resource }) => resource))
    group.varies ||= change.some(({ text }) => text !== first?.text)
  }
  return [...groups.values()]
}

interface SaidChange {
  readonly host: string
  readonly resource: ResourceReport
  readonly text: string
}

/** Where one host has two that are alike and another has one, what is shown of the first would be wrong of the second. */
function evenly(change: readonly SaidChange[]): SaidChange[][] {
  const byCount = new Map<number, SaidChange[]>()
  for (const host of new Set(change.map((one) => one.host))) {
    const own = change.filter((one) => one.host === host)
    byCount.set(own.length, [...(byCount.get(own.length) ?? []), ...own])
  }
  return [...byCount.values()]
}

function isChange({ outcome }: ResourceReport): boolean {
  return outcome === 'changed' || outcome === 'planned' || outcome === 'unknown'
}

/** The outcome is no part of it: where one host is done, another may have to wait. */
function textOf({ name, patch = [], words = '', reason = '', diff = [] }: ResourceReport): string {
  return JSON.stringify([name, patch, words, reason, diff])
}

export function describeChanges(groups: readonly ChangeGroup[], all: boolean, paint: Paint): string[] {
  return groups.flatMap(({ hosts, resources, varies }) => {
    const words = varies ? `, in the words of ${describeNames(hosts.slice(0, 1))}` : ''
    const count = hosts.length === 1 ? '' : paint.dim(` (${many(hosts.length, 'host')}${words})`)
    return [
      `${paint.bold(describeNames(hosts))}${count}`,
      ...resources.flatMap((resource) => [
        `  ${describeChange(resource, paint)}`,
        ...(removes(resource) ? [] : describeDiff(resource.diff ?? [], all, paint).map((row) => `  ${row}`)),
      ]),
    ]
  })
}
