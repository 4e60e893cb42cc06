/** What tests of the roles' lifecycle ask of a host: whether all is as declared, and what tells one state from another. */
import { strict as assert } from 'node:assert'
import type { Test } from 'tap'
import type { RunReport } from '../../core/report/events.ts'
import type { Release } from '../../resources/releases.ts'
import { failureOf } from './contract.ts'
import type { FakeHost } from './fake_host.ts'

/** What of a test is used here, so that a property can be checked by throwing as well. */
export type Checks = Pick<Test, 'equal' | 'strictSame'>

/** Checks that throw. */
export const throwing: Checks = {
  equal<T>(found: unknown, wanted: T, ...[what]: readonly unknown[]): found is T {
    assert.equal(
      found,
      wanted,
      typeof what === 'string' ? `${what}: ${String(found)}, not ${String(wanted)}` : undefined,
    )
    return true
  },
  strictSame<T>(found: unknown, wanted: T): found is T {
    assert.deepEqual(found, wanted)
    return true
  },
}

/** How the host has to be after a run that succeeded. */
export interface Expected {
  readonly app?: string
  /** Names of the programs without the app's. */
  readonly programs: readonly string[]
  /** Default: the tip of the branch main. */
  readonly commit?: string
}

const clients = (count: number) => Array.from({ length: count }, (_, index) => `client${index + 1}`)

/** `settled` with that many clients. */
export function servedBy(t: Checks, host: FakeHost, count = 2, more: Partial<Expected> = {}): void {
  settled(t, host, { programs: clients(count), ...more })
  const live = host.live()?.path
  for (const index of clients(count).keys())
    t.equal(host.page(8081 + index), `/ of ${live}`, `client${index + 1} answers`)
}

/** A whole release is live, each program runs from it with its file as it is now, and no other program of the app runs. */
export function settled(t: Checks, host: FakeHost, { app = 'site', programs, commit }: Expected): void {
  const live = host.live(app)
  t.equal(live?.commit, commit ?? host.remote.tip(), `${app}: the commit`)
  t.equal(live?.complete, true, `${app}: the live release is complete`)
  const version = host.remote.files(live?.commit ?? '').VERSION
  t.equal(host.machine.readText(`${live?.path}/VERSION`), version, `${app}: its files are those of the commit`)
  const hidden = host.machine.list(`${host.root}/srv/www/${app}/releases`).filter((name) => name.startsWith('.0'))
  t.strictSame(hidden, [], `${app}: nothing is left half done`)
  const own = Object.entries(host.processes()).filter(([name]) => name === app || name.startsWith(`${app}-`))
  const confDir = `${host.root}/etc/supervisor/conf.d`
  const file = (name: string) => host.machine.readText(`${confDir}/${name}.conf`)
  const names = programs.map((name) => `${app}-${name}`)
  t.strictSame(
    host.machine.list(confDir).filter((name) => name.startsWith(`${app}-`)),
    names.map((name) => `${name}.conf`).sort(),
  )
  t.strictSame(
    Object.fromEntries(
      own.map(([name, { state, config, startedIn }]) => [
        name,
        [state, loadedFrom(host, name, startedIn, live), config],
      ]),
    ),
    Object.fromEntries(names.map((name) => [name, ['RUNNING', live?.path, file(name)]])),
    `${app}: each program runs, and from where it should`,
  )
}

/** The current release also where a ZEO server has loaded the same from another one, as long as that is there. */
function loadedFrom(host: FakeHost, name: string, startedIn: string | null, live: Release | undefined): string | null {
  const script = (release: string | null | undefined) => host.machine.readText(`${release}/bin/zeoserver`)
  const isSame = name.endsWith('-zeoserver') && script(startedIn) !== null && script(startedIn) === script(live?.path)
  return isSame ? (live?.path ?? null) : startedIn
}

/** The run did not fail. */
export function succeeded(t: Checks, report: RunReport, what = 'the run'): void {
  t.strictSame(failureOf(report), undefined, `${what} does not fail`)
}

/** One more run of these events changes nothing on the host. */
export async function nothingToDo(t: Checks, host: FakeHost, events?: readonly string[]): Promise<void> {
  const report = await host.run(events)
  succeeded(t, report, 'a further run')
  t.equal(report.outcome, 'unchanged', 'a further run has nothing to do')
  t.equal(host.events, 0, 'nor does it change anything')
}

/** Names of what a run changed, by type. */
export function changed(report: RunReport, type?: string): string[] {
  return report.resources.flatMap((one) =>
    one.outcome === 'changed' && (type ?? one.type) === one.type ? [one.name] : [],
  )
}

/** How often something has changed is a part of it, and so is the process that was restarted for it. */
const digest = /\b[0-9a-f]{64}(~[0-9a-f]{64})?( \d+ since [\d.]+)?/g
const time = /\d{4}-\d\d-\d\dT[\d:.]+Z/g

/**
 * All that is on the host, and all that runs on it: what an undisturbed run and one that was killed and run again have to
 * agree in. Times, names of runs, process numbers, how often something changed, and the mirror of the repository, which the next
 * fetch puts right, may differ.
 */
export function stateOf(host: FakeHost): Record<string, unknown> {
  const files = Object.entries(host.tree())
    .filter(([path]) => !/\/repo\.git\/.|^\/proc\/\d/.test(path))
    .map(([path, { content, ...entry }]) => [path, { ...entry, content: content.replace(time, 'TIME') }])
  const processes = Object.entries(host.processes()).map(([name, { pid: _, ...rest }]) => [`process ${name}`, rest])
  const records = [...host.machine.kept]
    .filter(([key]) => !key.startsWith('forced ') && !key.startsWith('changes of '))
    .map(([key, value]) => [`record ${key}`, value.replace(digest, 'DIGEST')])
  return Object.fromEntries([...files, ...processes, ...records.sort(([a = ''], [b = '']) => (a < b ? -1 : 1))])
}
