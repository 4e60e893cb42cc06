/** Presents the changes of runs on many hosts: the same change is displayed once, with the names of all its hosts. */
import { describeChange, describeDiff, describeSources, isRemoval, type Paint } from '../../report/describe.ts'
import type { ResourceReport, RunReport } from '../../report/events.ts'
import { type Addresses, groupSimilar, withoutNumbers } from './group_similar.ts'
import { describeNames } from './host_name_list.ts'
import { many } from './text.ts'

export interface ChangeGroup {
  readonly hosts: readonly string[]
  /** As the first of the hosts reported them. */
  readonly resources: readonly ResourceReport[]
  /** Whether the other hosts reported them with different details. */
  readonly varies: boolean
}

export interface HostRun {
  readonly host: string
  readonly report: RunReport
}

/** Groups the changes by the set of hosts on which they are made. */
export function groupChanges(runs: readonly HostRun[], addresses: Addresses = {}): ChangeGroup[] {
  const changes = runs.flatMap(({ host, report }) =>
    report.resources.filter(isChange).map((resource) => ({ host, resource, text: textOf(resource) })),
  )
  const groups = new Map<string, { hosts: string[]; resources: ResourceReport[]; varies: boolean }>()
  for (const change of groupSimilar(changes, addresses, withoutNumbers).flatMap(evenly)) {
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

interface HostChange {
  readonly host: string
  readonly resource: ResourceReport
  readonly text: string
}

/** Separates hosts that make the same change a different number of times, so that each count stays right. */
function evenly(change: readonly HostChange[]): HostChange[][] {
  const byCount = new Map<number, HostChange[]>()
  for (const host of new Set(change.map((one) => one.host))) {
    const changesOfHost = change.filter((one) => one.host === host)
    byCount.set(changesOfHost.length, [...(byCount.get(changesOfHost.length) ?? []), ...changesOfHost])
  }
  return [...byCount.values()]
}

function isChange({ outcome }: ResourceReport): boolean {
  return outcome === 'changed' || outcome === 'planned' || outcome === 'unknown'
}

/** Returns the text to compare, without the outcome: one host may be done while another must wait. */
function textOf({ name, patch = [], words = '', reason = '', diff = [], sources = [] }: ResourceReport): string {
  return JSON.stringify([name, patch, words, reason, diff, sources])
}

export function describeChanges(groups: readonly ChangeGroup[], all: boolean, paint: Paint): string[] {
  return groups.flatMap(({ hosts, resources, varies }) => {
    const words = varies ? `, in the words of ${describeNames(hosts.slice(0, 1))}` : ''
    const count = hosts.length === 1 ? '' : paint.dim(` (${many(hosts.length, 'host')}${words})`)
    return [
      `${paint.bold(describeNames(hosts))}${count}`,
      ...resources.flatMap((resource) => [
        ...describeChange(resource, paint, all).map((row) => `  ${row}`),
        ...(isRemoval(resource) ? [] : describeDiff(resource.diff ?? [], all, paint).map((row) => `  ${row}`)),
        ...describeSources(resource, paint).map((row) => `  ${row}`),
      ]),
    ]
  })
}
