/**
 * Tests each path below the directory of an app that a run or a report reads, with hostile objects in its place. The paths are
 * recorded, so that a new one is tested as well.
 */
import t, { type Test } from 'tap'
import type { Inspection } from '../../core/compile/inspection.ts'
import { asConvergeError, InvalidInput } from '../../core/model/errors.ts'
import type { RunReport } from '../../core/report/events.ts'
import { giveWebServer } from '../support/app_web_server.ts'
import { failureOf } from '../support/contract.ts'
import { FakeHost } from '../support/fake_host.ts'
import type { NodeJson } from '../support/golden.ts'
import { secret } from '../support/hostile.ts'
import { forgedText, plantVirtual, rootOnlyFile, virtualHostileKinds, watchReads } from '../support/hostile_reads.ts'

/** Each kind for each command that reads a path, instead of for one of them, and a third of the kinds for what is only looked at. */
const all = process.env.CONVERGE_TEST_HOSTILE === 'all'

t.setTimeout(all ? 7_200_000 : 480_000)

type Act = (host: FakeHost) => Promise<RunReport | Inspection>

function push(host: FakeHost): void {
  host.remote.push({ VERSION: 'next\n' })
}

const commands: Readonly<Record<string, Act>> = {
  'status, releases, doctor': (host) => host.inspect(),
  'setup, configure': (host) => host.run(['setup', 'configure']),
  'deploy of another commit': (host) => {
    push(host)
    return host.run(['deploy'])
  },
  'plan of a deploy': (host) => {
    push(host)
    return host.run(['deploy'], { mode: 'plan' })
  },
  'deploy of the same commit': (host) => host.run(['deploy']),
  rollback: (host) => host.run(['rollback']),
  restart: (host) => host.run(['restart']),
  undeploy: (host) => host.run(['undeploy']),
}

/** Failures that tell what is wrong, by their codes. */
const clear = new Set([
  ...['NOT_A_FILE', 'NOT_READABLE', 'FILE_TOO_LARGE', 'UNSAFE_PATH', 'IN_THE_WAY', 'ELOOP', 'NO_PROGRAM'],
  ...['NO_CURRENT', 'NO_SUCH_RELEASE', 'SERVICE_DOWN'],
  // Of programs whose files are hostile.
  ...['BUILDOUT_FAILED', 'UNKNOWN_REVISION', 'COMMAND_FAILED', 'NOT_CONVERGED'],
])

interface Situation {
  /** Default: the name of the situation. */
  readonly role?: string
  readonly attributes?: NodeJson
  /** A role with the same code: the paths of both are tested once. */
  readonly like?: string
  /** Failure of each run: the host in memory lacks something that the role requires. */
  readonly fails?: string
}

const clients = { app_name: 'site', instance_count: 1 }

const situations: Readonly<Record<string, Situation>> = {
  'zeo-client': {},
  'zeo-server': { like: 'zeo-client' },
  solr: { like: 'zeo-client' },
  'zeo-server with jobs': {
    role: 'zeo-server',
    like: 'zeo-client',
    attributes: { plone_zeoserver: { app_name: 'zeo', enable_backup: true, enable_pack: true } },
  },
  celerybeat: {
    like: 'zeo-client',
    attributes: { plone_instances: { ...clients, enable_celery: true, celerybeat: true, broker: { host: 'redis1' } } },
  },
  'relstorage-pack': {
    like: 'zeo-client',
    attributes: {
      plone_instances: {
        ...clients,
        enable_relstorage: true,
        relstorage: { db: { type: 'postgresql', dsn: 'dbname=d' }, enable_pack: true },
      },
    },
  },
  'port-app': { attributes: { port_app: { app_name: 'site', command: '/usr/bin/node serve %{port}' } } },
  'jetty-app': { like: 'port-app', attributes: { jetty_app: { app_name: 'site', war: { path: 'a.war' } } } },
  'php-app': { attributes: { php_app: { app_name: 'site' } }, fails: 'SERVICE_DOWN' },
}

/** Makes a host with two releases. */
async function deployedTwice(name: string, { role = name, attributes, fails = '' }: Situation): Promise<FakeHost> {
  const host = new FakeHost({ roles: [role] })
  if (fails !== '' || /^(?:port|jetty|php)-app$/.test(role)) giveWebServer(host)
  host.attributes = { ...host.attributes, ...attributes }
  const { zeo } = host.attributes.deploy as NodeJson
  host.attributes = { ...host.attributes, deploy: { ...(host.attributes.deploy as NodeJson), solr: zeo } }
  const hooks = ['before_migrate', 'before_symlink', 'before_restart', 'after_restart'].map((name) => `deploy/${name}`)
  host.remote.push({
    'a.war': 'a',
    'index.php': 'a',
    ...Object.fromEntries(hooks.map((name) => [name, '#!/bin/sh\n'])),
  })
  host.machine.given(rootOnlyFile, secret, '0600').given('/dev/zero', { other: true })
  for (const events of [undefined, ['deploy']]) {
    push(host)
    const { code, shown } = await outcome(() => host.run(events), host)
    if (code !== fails) throw new Error(`${name}: ${shown}`)
  }
  return host
}

const ofApp = /^\/srv\/www\/[^/]+\/./

interface Reader {
  readonly name: string
  readonly act: Act
}

/** A path, and the commands that read it. */
interface Target {
  readonly readers: Reader[]
  /** Whether a command reads its content, and not only what it is. */
  isRead: boolean
}

async function targetsOf(base: FakeHost, { fails }: Situation): Promise<ReadonlyMap<string, Target>> {
  const targets = new Map<string, Target>()
  for (const [name, act] of Object.entries(commands)) {
    const host = base.clone()
    const end = watchReads(host, (path, how) => {
      if (!ofApp.test(path)) return
      const target = targets.get(path) ?? { readers: [], isRead: false }
      targets.set(path, target)
      if (target.readers.at(-1)?.name !== name) target.readers.push({ name, act })
      target.isRead ||= how === 'readBytes'
    })
    const { code, shown } = await outcome(act, host)
    end()
    if (code !== '' && fails === undefined) throw new Error(`${name} fails without an attack: ${shown}`)
  }
  return targets
}

async function outcome(act: Act, host: FakeHost): Promise<{ readonly code: string; readonly shown: string }> {
  try {
    const result = await act(host)
    const failure = 'resources' in result ? (failureOf(result) as { code: string } | undefined) : undefined
    return { code: failure?.code ?? '', shown: JSON.stringify(result) }
  } catch (error) {
    const [failure = asConvergeError(error)] = error instanceof InvalidInput ? error.problems : []
    return { code: failure.code, shown: JSON.stringify(failure) }
  }
}

/** Paths, with the role in place of the app, and without the digests of releases. */
const tested = new Set<string>()

for (const [role, situation] of Object.entries(situations))
  t.test(role, async (t) => {
    const { like = role } = situation
    const base = await deployedTwice(role, situation)
    const targets = await targetsOf(base, situation)
    let [count, turn] = [0, 0]
    for (const [path, { readers, isRead }] of targets) {
      const key = path.replace(/^\/srv\/www\/[^/]+/, like).replace(/(\/\.?\d{6})-[0-9a-f]{8}/, '$1')
      if (!all && tested.has(key)) continue
      tested.add(key)
      turn++
      const kinds = virtualHostileKinds.filter(({ isJson }, at) => all || isRead || (!isJson && (at + turn) % 3 === 0))
      for (const [at, kind] of kinds.entries())
        for (const { name, act } of all ? readers : readers.slice(at % readers.length).slice(0, 1)) {
          count++
          await attack(t, { base, act, path, kind, what: `${name}: ${path} is ${kind.name}` })
        }
    }
    t.ok(targets.size > 30, `${targets.size} paths are read`)
    t.comment(`${count} attacks`)
  })

interface Attack {
  readonly base: FakeHost
  readonly act: Act
  readonly path: string
  readonly kind: (typeof virtualHostileKinds)[number]
  readonly what: string
}

async function attack(t: Test, { base, act, path, kind, what }: Attack): Promise<void> {
  const host = base.clone()
  plantVirtual(host, kind, path)
  const end = watchReads(host, () => undefined)
  const { code, shown } = await outcome(act, host)
  end()
  if (code !== '' && !clear.has(code)) t.fail(`${what}: ${code} ${shown.slice(0, 2000)}`)
  if (shown.includes(secret)) t.fail(`${what}: a file of root is shown`)
  for (const [path, { content }] of Object.entries(host.tree())) {
    if (path !== rootOnlyFile && content.includes(secret)) t.fail(`${what}: a file of root is copied to ${path}`)
    if (!/^\/(srv|shared)\//.test(path) && content.includes(forgedText))
      t.fail(`${what}: its text is copied to ${path}`)
  }
  if (host.machine.readText(rootOnlyFile) !== secret) t.fail(`${what}: a file of root is changed`)
}
