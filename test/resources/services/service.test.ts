/** Tests service: starting and stopping services of systemd, supervisor and init scripts. */
import t from 'tap'
import type { CommandHandler } from '../../../core/host/virtual.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { ConvergeError } from '../../../core/model/errors.ts'
import { minutes, seconds } from '../../../core/model/units.ts'
import { file } from '../../../resources/files/file.ts'
import { symlink } from '../../../resources/files/symlink.ts'
import { service } from '../../../resources/services/service.ts'
import { service_restart } from '../../../resources/services/service_restart.ts'
import { contract, failureOf, planOf, run } from '../../support/contract.ts'
import { FakeSupervisor } from '../../support/fake_supervisor.ts'

interface Unit {
  active: string
  sub?: string
  enabled: string
  /** The state after a start; default active. */
  starts?: string
  loaded?: boolean
  pid?: number
  type?: string
  masked?: boolean
  /** Its socket starts it as soon as it has stopped. */
  hasSocket?: boolean
  /** Number of its last start; a stopped unit keeps it. */
  invocation?: number
  /** Seconds from its start until it is up, or exits. */
  takes?: number
  lasts?: number
  since?: number
}

const elapsedSeconds = (host: VirtualHost) => host.clock - new VirtualHost().clock

/** A systemd for the in-memory host, with units by name. */
function systemd(units: Readonly<Record<string, Unit>>, calls: string[][] = []): CommandHandler {
  const worlds = new WeakMap<VirtualHost, Record<string, Unit>>()
  const show = (world: Record<string, Unit>, name: string, clock: number) => {
    const unit = world[name] ?? { active: 'inactive', enabled: '' }
    const passed = clock - (unit.since ?? Number.NEGATIVE_INFINITY)
    if (unit.since !== undefined && passed >= (unit.lasts ?? Number.POSITIVE_INFINITY)) unit.active = 'failed'
    const queued = unit.active === 'active' && passed < (unit.takes ?? 0)
    const load = world[name] === undefined ? 'not-found' : unit.masked ? 'masked' : 'loaded'
    const id = name.endsWith('.timer') ? name : `${name}.service`
    return `Id=${id}\nNames=${id} ${name}-alias.service\nLoadState=${load}\nActiveState=${queued ? 'inactive' : unit.active}\nSubState=${unit.sub ?? 'dead'}\nUnitFileState=${unit.enabled}\nMainPID=${unit.pid ?? 0}\nInvocationID=${unit.invocation ?? ''}\nResult=${unit.active === 'failed' ? 'exit-code' : 'success'}\nType=${unit.type ?? 'notify'}\nJob=${queued ? 7 : ''}\n`
  }
  let entries = 0
  return ([program, verb = '', ...rest], _, host) => {
    if (program === 'journalctl')
      return { stdout: `${JSON.stringify({ __CURSOR: `s=${entries++}`, MESSAGE: `journal of ${rest[0]}` })}\n` }
    if (program !== 'systemctl') return null
    calls.push([verb, ...rest])
    const world = worlds.get(host) ?? structuredClone(units)
    worlds.set(host, world)
    const name = rest.at(-1)?.replace(/\.service$/, '') ?? ''
    const unit = world[name]
    if (verb === 'show') {
      const names = name === '*' ? Object.keys(world).filter((one) => world[one]?.loaded !== false) : [name]
      return { stdout: names.map((one) => show(world, one, host.clock)).join('\n') }
    }
    if (verb === 'daemon-reload') return {}
    if (unit === undefined) return { status: 5, stderr: `Unit ${name}.service not found.` }
    if (verb === 'enable' || verb === 'disable') unit.enabled = `${verb}d`
    if (verb === 'stop' && unit.hasSocket)
      Object.assign(unit, { pid: (unit.pid ?? 0) + 1, invocation: (unit.invocation ?? 0) + 1 })
    else if (verb === 'stop') Object.assign(unit, { active: 'inactive', sub: 'dead', pid: 0 })
    if (verb === 'start' && unit.masked)
      return { status: 1, stderr: `Failed to start ${name}.service: Unit ${name}.service is masked.\n` }
    if (verb === 'start') {
      const pid = (unit.pid ?? 0) + 1
      const invocation = (unit.invocation ?? 0) + 1
      Object.assign(unit, { active: unit.starts ?? 'active', sub: 'running', pid, invocation, since: host.clock })
    }
    return {}
  }
}

const booted = (host: VirtualHost) => void host.given('/run/systemd/system', null)
const units = {
  up: { active: 'active', enabled: 'enabled', pid: 3, invocation: 1 },
  down: { active: 'inactive', enabled: 'disabled', loaded: false },
  broken: { active: 'failed', enabled: 'enabled', starts: 'failed' },
  looping: { active: 'activating', sub: 'auto-restart', enabled: 'enabled', starts: 'active' },
  fixed: { active: 'inactive', enabled: 'static' },
  simple: { active: 'inactive', enabled: 'enabled', type: 'simple' },
  brief: { active: 'inactive', enabled: 'enabled', type: 'simple', lasts: 0.5 },
  slow: { active: 'inactive', enabled: 'enabled', takes: 20 },
  endless: { active: 'inactive', enabled: 'enabled', takes: 1e6 },
  masked: { active: 'inactive', enabled: 'masked', masked: true },
  'nightly.timer': { active: 'inactive', enabled: 'disabled', loaded: false, type: '' },
  syslog: { active: 'active', enabled: 'enabled', pid: 3, invocation: 1, hasSocket: true },
  'until-boot': { active: 'active', enabled: 'enabled-runtime' },
}
const host = { commands: systemd(units) }

contract(t, service, [
  {
    name: 'systemd: leaves a running unit alone',
    props: { name: 'up', enabled: true },
    host,
    given: booted,
    changes: [],
  },
  { name: 'systemd: finds a unit by an alias', props: { name: 'up-alias' }, host, given: booted, changes: [] },
  {
    name: 'systemd: starts and enables a unit',
    props: { name: 'down', enabled: true },
    host,
    given: booted,
    changes: ['replace /enabled = true', 'replace /state = "running"'],
  },
  {
    name: 'systemd: leaves enabled unchanged if it is not declared',
    props: { name: 'down' },
    host,
    given: booted,
    changes: ['replace /state = "running"'],
  },
  {
    name: 'systemd: stopped, and started again by its socket',
    props: { name: 'syslog', action: 'stopped' },
    host,
    given: booted,
    then: (t, host) => t.ok(elapsedSeconds(host) < 5, 'reported at once'),
    fails: /syslog was stopped, and something started it again at once.*list-dependencies --reverse syslog/s,
  },
  {
    name: 'systemd: stops and disables a unit',
    props: { name: 'up', action: 'stopped', enabled: false },
    host,
    given: booted,
    changes: ['replace /enabled = false', 'replace /state = "stopped"'],
  },
  {
    name: 'systemd: counts a failed unit as stopped',
    props: { name: 'broken', action: 'stopped' },
    host,
    given: booted,
    changes: [],
  },
  {
    name: 'systemd: counts a missing unit as stopped',
    props: { name: 'none', action: 'stopped', enabled: false },
    host,
    given: booted,
    changes: [],
  },
  {
    name: 'systemd: ends a loop of restarts',
    props: { name: 'looping', action: 'stopped' },
    host,
    given: booted,
    changes: ['replace /state = "stopped"'],
  },
  {
    name: 'systemd: leaves a static unit unchanged',
    props: { name: 'fixed', enabled: true },
    host,
    given: booted,
    changes: ['replace /state = "running"'],
  },
  {
    name: 'systemd: fails if the unit fails',
    props: { name: 'broken' },
    host,
    given: booted,
    fails: /broken did not come up: it ended right after its start \(exit-code\).*journal of/s,
  },
  {
    name: 'systemd: fails if the unit does not exist',
    props: { name: 'none' },
    host,
    given: booted,
    fails: /none did not come up: there is no service none on this host.*declare its package/s,
  },
  {
    name: 'systemd: fails if the unit is masked, in the plan too',
    props: { name: 'masked' },
    host,
    given: (host) => {
      booted(host)
      host.given('/etc/systemd/system/masked.service', { link: '/dev/null' })
    },
    fails: /systemd refuses to start it: masked.service is masked.*systemctl unmask/s,
  },
  {
    name: 'systemd: leaves a masked unit stopped',
    props: { name: 'masked', action: 'stopped' },
    host,
    given: (host) => {
      booted(host)
      host.given('/etc/systemd/system/masked.service', { link: '/dev/null' })
    },
    changes: [],
  },
  {
    name: 'systemd: watches a unit that counts as running at once for a second',
    props: { name: 'simple' },
    host,
    given: booted,
    changes: ['replace /state = "running"'],
    then: (t, host) => t.ok(elapsedSeconds(host) >= 1),
  },
  {
    name: 'systemd: fails if the unit ends half a second after its start',
    props: { name: 'brief' },
    host,
    given: booted,
    fails: /brief did not come up: it ended right after its start \(exit-code\).*journal of/s,
  },
  {
    name: 'systemd: waits for a unit whose start is still queued',
    props: { name: 'slow' },
    host,
    given: booted,
    changes: ['replace /state = "running"'],
    then: (t, host) => t.ok(elapsedSeconds(host) >= 20),
  },
  {
    name: 'systemd: fails if the unit exceeds its start limit',
    props: { name: 'endless', deadline: seconds(9) },
    host,
    given: booted,
    fails: /endless did not come up: it was not ready within 9 s.*journal of/s,
  },
  {
    name: 'systemd: starts a timer',
    props: { name: 'nightly.timer', enabled: true },
    host,
    given: booted,
    changes: ['replace /enabled = true', 'replace /state = "running"'],
  },
  {
    name: 'systemd: enables a unit that is enabled until the next boot',
    props: { name: 'until-boot', enabled: true },
    host,
    given: booted,
    changes: ['replace /enabled = true'],
  },
  {
    name: 'supervisor: starts a program',
    props: { name: 'a', provider: { kind: 'supervisor' } },
    host: { requests: new FakeSupervisor({ stopped: ['a'], programs: { a: { startsecs: 5 } } }).requests },
    changes: ['replace /state = "running"'],
  },
  {
    name: 'supervisor: starts, and waits until it answers',
    props: { name: 'a', provider: { kind: 'supervisor' }, ready: { port: 8081 } },
    host: {
      requests: new FakeSupervisor({ stopped: ['a'], programs: { a: { port: 8081, readyAfter: 20 } } }).requests,
    },
    changes: ['replace /state = "running"'],
    then: (t, host) => t.ok(elapsedSeconds(host) >= 20),
  },
  {
    name: 'supervisor: fails if a started program never answers',
    props: { name: 'a', provider: { kind: 'supervisor' }, ready: { port: 8081 }, deadline: seconds(9) },
    host: {
      requests: new FakeSupervisor({ stopped: ['a'], programs: { a: { port: 8081, readyAfter: 1e6 } } }).requests,
    },
    fails: /a did not come up: it was not ready within 9 s/,
  },
  {
    name: 'supervisor: stops a program',
    props: { name: 'a', action: 'stopped', provider: { kind: 'supervisor' } },
    host: { requests: new FakeSupervisor({ running: ['a'], programs: { a: { stopAfter: 5 } } }).requests },
    changes: ['replace /state = "stopped"'],
  },
  {
    name: 'supervisor: counts an unknown program as stopped',
    props: { name: 'a', action: 'stopped', provider: { kind: 'supervisor' } },
    host: { requests: new FakeSupervisor({}).requests },
    changes: [],
  },
  {
    name: 'supervisor: counts a program as stopped without supervisord',
    props: { name: 'a', action: 'stopped', provider: { kind: 'supervisor' } },
    host: { requests: new FakeSupervisor({ up: false }).requests },
    changes: [],
  },
  {
    name: 'supervisor: fails if a program does not stop in time',
    props: { name: 'a', action: 'stopped', provider: { kind: 'supervisor' }, deadline: seconds(9) },
    host: { requests: new FakeSupervisor({ running: ['a'], programs: { a: { stopAfter: 1e6 } } }).requests },
    fails: 'a did not stop within 9 s',
  },
  {
    name: 'init script: starts a service',
    props: { name: 'web' },
    ...initScripts({ web: false }),
    changes: ['replace /state = "running"'],
  },
  {
    name: 'init script: stops a service',
    props: { name: 'web', action: 'stopped' },
    ...initScripts({ web: true }),
    changes: ['replace /state = "stopped"'],
  },
  {
    name: 'init script: leaves a running service alone, and enabled unchanged',
    props: { name: 'web', enabled: true },
    ...initScripts({ web: true }),
    changes: [],
  },
  {
    name: 'init script: fails if the script waits without end for its process to stop',
    props: { name: 'stuck', action: 'stopped', deadline: seconds(9) },
    host: {
      commands: ([program, , verb], { timeout = minutes(10) }, host) => {
        if (program !== 'service') return null
        if (verb === 'status') return {}
        host.clock += timeout.ms / 1000
        throw new ConvergeError(`service stuck stop did not end within ${timeout}`, { code: 'COMMAND_TIMEOUT' })
      },
    },
    given: (host) => void host.given('/etc/init.d/stuck', ''),
    then: (t, host) => t.ok(elapsedSeconds(host) < 20, 'the declared limit applies'),
    fails: 'stuck did not stop within 9 s',
  },
  {
    name: 'init script: fails if the script does not exist',
    props: { name: 'none' },
    ...initScripts({}),
    fails: /there is no service none on this host.*declare its package/s,
  },
])

/** Init scripts for the in-memory host; a service is up one second after its script returns. */
function initScripts(services: Readonly<Record<string, boolean>>) {
  const worlds = new WeakMap<VirtualHost, Map<string, number>>()
  const commands: CommandHandler = ([program, name = '', verb], _, host) => {
    if (program !== 'service') return null
    const world =
      worlds.get(host) ??
      new Map(
        Object.keys(services)
          .filter((one) => services[one])
          .map((one) => [one, 0]),
      )
    worlds.set(host, world)
    if (verb === 'start') world.set(name, host.clock + 1)
    if (verb === 'stop') world.delete(name)
    if (verb === 'status') return { status: host.clock >= (world.get(name) ?? Number.POSITIVE_INFINITY) ? 0 : 3 }
    return {}
  }
  return { host: { commands }, given: (host: VirtualHost) => void host.given('/etc/init.d/web', '#!/bin/sh\n', '0755') }
}

t.test('queries systemd once for all units', async (t) => {
  const calls: string[][] = []
  const virtual = new VirtualHost({
    commands: systemd(
      { a: { active: 'active', enabled: 'enabled' }, b: { active: 'active', enabled: 'enabled' } },
      calls,
    ),
  })
  booted(virtual)
  const report = await run(
    planOf((r) => {
      service(r, { name: 'a' })
      service(r, { name: 'b', enabled: true })
    }),
    virtual,
  )
  t.equal(report.outcome, 'unchanged')
  t.equal(calls.length, 1)
})

t.test('service_restart through systemd', async (t) => {
  const calls: string[][] = []
  const virtual = new VirtualHost({ commands: systemd({ a: { active: 'active', enabled: 'enabled', pid: 1 } }, calls) })
  booted(virtual)
  const plan = planOf((r) => void service_restart(r, { services: [{ name: 'a' }], provider: { kind: 'systemd' } }))
  t.strictSame(failureOf(await run(plan, virtual)), undefined)
  t.strictSame(
    calls.map(([verb]) => verb).filter((verb) => verb !== 'show'),
    ['daemon-reload', 'stop', 'start'],
  )
  t.equal((await run(plan, virtual)).outcome, 'unchanged')
})

t.test('refuses enabled for a program of supervisor', async (t) => {
  const virtual = new VirtualHost({ requests: new FakeSupervisor({ running: ['a'] }).requests })
  t.equal(
    (
      await run(
        planOf((r) => void service(r, { name: 'a', enabled: true, provider: { kind: 'supervisor' } })),
        virtual,
      )
    ).outcome,
    'unchanged',
  )
})

t.test('refuses a masked unit in the plan as in the run, unless it is unmasked before', async (t) => {
  const path = '/etc/systemd/system/web.service'
  for (const [state, verb] of [
    ['active', 'restart'],
    ['inactive', 'start'],
  ] as const)
    for (const unmasks of [false, true]) {
      const plan = planOf((r) => {
        if (unmasks) symlink(r, { path, absent: true })
        const changed = file(r, { path: '/srv/changed', content: '1' })
        service_restart(r, { services: [{ name: 'web' }], when: [changed] })
      })
      const host = new VirtualHost({ commands: systemd({ web: { active: state, enabled: 'masked', masked: true } }) })
      booted(host)
      host.given('/srv', null).given(path, { link: '/dev/null' })
      const message = unmasks ? undefined : `systemd refuses to ${verb} it: web.service is masked`
      const messageOf = async (mode: 'run' | 'plan', on: VirtualHost) =>
        (failureOf(await run(plan, on, mode)) as Error | undefined)?.message
      t.equal(await messageOf('plan', new VirtualHost({ base: host })), message)
      if (!unmasks) t.equal(await messageOf('run', host), message)
    }
})

contract(t, service_restart, [
  {
    name: 'systemd: restarts a service that its socket starts again',
    props: { services: [{ name: 'syslog' }, { name: 'up' }], provider: { kind: 'systemd' } },
    host,
    given: booted,
    changes: ['replace /up/restartedFor', 'replace /syslog/restartedFor'],
  },
])
