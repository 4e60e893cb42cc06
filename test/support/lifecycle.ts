/** Checks a host after lifecycle runs: whether its state is as declared, and how two states differ. */
import { strict as assert } from 'node:assert'
import type { Test } from 'tap'
import type { RunReport } from '../../core/report/events.ts'
import type { Release } from '../../resources/releases/releases.ts'
import { failureOf } from './contract.ts'
import type { FakeHost } from './fake_host.ts'

/** The part of a test that is used here, so that a property can also pass checks that throw. */
export type Checks = Pick<Test, 'equal' | 'strictSame'>

/** Checks that throw. */
export const throwing: Checks = {
  equal<T>(found: unknown, expected: T, ...[what]: readonly unknown[]): found is T {
    assert.equal(
      found,
      expected,
      typeof what === 'string' ? `${what}: ${String(found)}, not ${String(expected)}` : undefined,
    )
    return true
  },
  strictSame<T>(found: unknown, expected: T): found is T {
    assert.deepEqual(found, expected)
    return true
  },
}

/** The expected state of the host after a successful run. */
export interface Expected {
  readonly app?: string
  /** Names of the programs, without the prefix of the app. */
  readonly programs: readonly string[]
  /** The expected commit; default: the tip of the branch main. */
  readonly commit?: string
}

const clients = (count: number) => Array.from({ length: count }, (_, index) => `client${index + 1}`)

/** Checks `settled` with that number of clients. */
export function servedBy(t: Checks, host: FakeHost, count = 2, more: Partial<Expected> = {}): void {
  settled(t, host, { programs: clients(count), ...more })
  const current = host.currentRelease()?.path
  for (const index of clients(count).keys())
    t.equal(host.page(8081 + index), `/ of ${current}`, `client${index + 1} answers`)
}

/**
 * Checks that a complete release is current, that each program runs from it with its present configuration file, and
 * that no other program of the app runs.
 */
export function settled(t: Checks, host: FakeHost, { app = 'site', programs, commit }: Expected): void {
  const current = host.currentRelease(app)
  t.equal(current?.commit, commit ?? host.remote.tip(), `${app}: the commit`)
  t.equal(current?.complete, true, `${app}: the current release is complete`)
  const version = host.remote.files(current?.commit ?? '').VERSION
  t.equal(host.machine.readText(`${current?.path}/VERSION`), version, `${app}: its files are those of the commit`)
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
        [state, loadedFrom(host, name, startedIn, current), config],
      ]),
    ),
    Object.fromEntries(names.map((name) => [name, ['RUNNING', current?.path, file(name)]])),
    `${app}: each program runs from the current release`,
  )
}

/** Returns the release that a program runs. An earlier release with the same ZEO server counts as the current one while it exists. */
function loadedFrom(
  host: FakeHost,
  name: string,
  startedIn: string | null,
  current: Release | undefined,
): string | null {
  const script = (release: string | null | undefined) => host.machine.readText(`${release}/bin/zeoserver`)
  const isSame =
    name.endsWith('-zeoserver') && script(startedIn) !== null && script(startedIn) === script(current?.path)
  return isSame ? (current?.path ?? null) : startedIn
}

/** Checks that the run did not fail. */
export function succeeded(t: Checks, report: RunReport, what = 'the run'): void {
  t.strictSame(failureOf(report), undefined, `${what} does not fail`)
}

/** Checks that another run of these events changes nothing on the host. */
export async function nothingToDo(t: Checks, host: FakeHost, events?: readonly string[]): Promise<void> {
  const report = await host.run(events)
  succeeded(t, report, 'a further run')
  t.equal(report.outcome, 'unchanged', 'a further run has nothing to do')
  t.equal(host.events, 0, 'a further run changes nothing')
}

/** Returns the names of the resources that a run changed, by type. */
export function changed(report: RunReport, type?: string): string[] {
  return report.resources.flatMap((one) =>
    one.outcome === 'changed' && (type ?? one.type) === one.type ? [one.name] : [],
  )
}

/** A digest covers how often something changed, and which process was restarted for it. */
const digest = /\b[0-9a-f]{64}(~[0-9a-f]{64})?( \d+ since [\d.]+)?/g
const time = /\d{4}-\d\d-\d\dT[\d:.]+Z/g

/**
 * Returns all files and processes of the host, which must be equal after an undisturbed run and after a killed and
 * repeated run. Times, names of runs, process numbers, change counts and the mirror of the repository, which the next
 * fetch repairs, may differ and are left out.
 */
export function stateOf(host: FakeHost): Record<string, unknown> {
  const files = Object.entries(host.tree())
    .filter(([path]) => !/\/repo\.git\/.|^\/proc\/\d/.test(path))
    .map(([path, { content, ...entry }]) => [path, { ...entry, content: content.replace(time, 'TIME') }])
  const processes = Object.entries(host.processes()).map(([name, { pid: _, ...rest }]) => [`process ${name}`, rest])
  const records = [...host.machine.lastingRecords]
    .filter(([key]) => !key.startsWith('forced ') && !key.startsWith('changes of '))
    .map(([key, value]) => [`record ${key}`, value.replace(digest, 'DIGEST')])
  return Object.fromEntries([...files, ...processes, ...records.sort(([a = ''], [b = '']) => (a < b ? -1 : 1))])
}
