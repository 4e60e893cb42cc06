/**
 * Tests the state of a stack between deployments: one process writes at a time, no write is partial, and no other
 * process's change is lost.
 */
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { loadState, recordStackChanges, updateState } from '../../../../core/fleet/records/stack_state.ts'
import type { StackChanges } from '../../../../core/fleet/rollout/state/request.ts'
import { scratch } from '../../../support/machine.ts'

t.test('reads what it wrote', async (t) => {
  const directory = `${scratch(t)}/.converge/site`
  t.strictSame(loadState(directory), { hosts: {}, apps: {} })
  const app = { commit: 'c0ffee', revision: 'main', deployment: '000001' }
  await updateState(directory, (state) => ({
    ...state,
    hosts: { ...state.hosts, client1: { status: 'online', lastDeployment: '000001' } },
    apps: { site: app },
  }))
  await updateState(directory, (state) => ({
    ...state,
    hosts: { ...state.hosts, client2: { status: 'new', behind: '000001' } },
  }))
  t.strictSame(loadState(directory), {
    hosts: { client1: { status: 'online', lastDeployment: '000001' }, client2: { status: 'new', behind: '000001' } },
    apps: { site: app },
  })
  t.equal(fs.statSync(`${directory}/state.json`).mode & 0o777, 0o600)
  t.equal(fs.statSync(directory).mode & 0o777, 0o700)
  t.strictSame(
    fs.readdirSync(directory).filter((name) => name.endsWith('.new')),
    [],
  )
})

t.test('the apps that a host missed are recorded until it has them', async (t) => {
  const directory = scratch(t)
  const changes = { online: [], stopped: [], outdated: [], missedApps: {}, upToDate: [], receivedApps: {}, apps: {} }
  let id = 0
  const record = async (change: Partial<StackChanges>) => {
    await recordStackChanges(directory, String(++id), { ...changes, ...change })
    return loadState(directory).hosts.a
  }
  const miss = (...apps: string[]) => record({ outdated: ['a'], missedApps: { a: apps } })
  t.strictSame(await miss('site'), { status: 'new', behind: '1', missedApps: ['site'] })
  t.strictSame(await miss('shop', 'site'), { status: 'new', behind: '2', missedApps: ['site', 'shop'] })
  t.strictSame(await record({ receivedApps: { a: ['site', 'x'], b: ['site'] } }), {
    status: 'new',
    behind: '2',
    missedApps: ['shop'],
  })
  t.notOk(loadState(directory).hosts.b)
  t.strictSame(await record({ receivedApps: { a: ['shop'] }, upToDate: ['a'] }), { status: 'new' })
  await updateState(directory, (state) => ({ ...state, hosts: { a: { status: 'online', behind: '1' } } }))
  t.strictSame(await miss('site'), { status: 'online', behind: '5' }, 'an older record: all of its apps')
})

t.test('keeps what a later version has written', async (t) => {
  const directory = scratch(t)
  const later = { hosts: { a: { status: 'online', rack: 7 } }, apps: {}, version: 9, zones: ['x'] }
  fs.writeFileSync(`${directory}/state.json`, JSON.stringify(later))
  await updateState(directory, (state) => state)
  t.strictSame(JSON.parse(fs.readFileSync(`${directory}/state.json`, 'utf8')), later)
})

t.test('reports a damaged file, and leaves it unchanged', async (t) => {
  const directory = scratch(t)
  const path = `${directory}/state.json`
  for (const [text, problem] of [
    ['', /JSON/],
    ['{"hosts": {', /JSON/],
    ['[]', /the whole file: /],
    ['{"hosts": {"a": {"status": "asleep"}}, "apps": {"x": {}}}', /hosts\.a\.status: .*apps\.x\.commit: /],
  ] as const) {
    fs.writeFileSync(path, text)
    const error = { code: 'BROKEN_STACK_STATE', message: problem, source: { file: path }, hint: /repair it/ }
    t.throws(() => loadState(directory), error, text)
    await t.rejects(
      updateState(directory, (state) => state),
      error,
    )
    t.equal(fs.readFileSync(path, 'utf8'), text)
  }
})

t.test('a failed update releases the lock', async (t) => {
  const directory = scratch(t)
  await t.rejects(
    updateState(directory, () => {
      throw new Error('no')
    }),
    /no/,
  )
  await updateState(directory, (state) => ({ ...state, hosts: { a: { status: 'stopped' } } }))
  t.equal(loadState(directory).hosts.a?.status, 'stopped')
  await t.rejects(
    updateState('/proc/nothing', (state) => state),
    { code: 'NO_STACK_STATE', message: /cannot keep the records/ },
  )
})

t.test('two operators at the same time lose no update', async (t) => {
  const directory = scratch(t)
  const program = fileURLToPath(new URL('../../../support/recorder_process.ts', import.meta.url))
  await Promise.all(
    ['a', 'b'].map(
      (name) =>
        new Promise<void>((resolve, reject) => {
          const args = ['--import', 'tsx', program, directory, `state-${name}`]
          spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] }).on('close', (status) =>
            status === 0 ? resolve() : reject(new Error(`status ${status}`)),
          )
        }),
    ),
  )
  t.equal(Object.keys(loadState(directory).hosts).length, 40)
})
