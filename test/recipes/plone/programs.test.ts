/** Tests the programs of each role beyond the golden cases: names, order, celery, event listeners, rejected values. */
import t from 'tap'
import { programs } from '../../../recipes/plone/programs.ts'
import type { NodeJson } from '../../support/golden.ts'
import { app, layer, online, site, stack } from '../../support/plone_stack.ts'

const client = (...json: NodeJson[]) => programs(stack(...json), 'zeo-client')
const names = (list: ReturnType<typeof programs>) => list.map(({ name }) => name)
const init = (...buildout_init_commands: unknown[]) => app({ buildout_init_commands })

t.test('declares the clients', async (t) => {
  t.strictSame(
    client(site({ instance_count: 2, restart_delay: 30 }), app({ environment: { B: 1, RUBYOPT: 'x' } })).map(
      ({ delay, ...rest }) => ({ ...rest, delay: delay.ms }),
    ),
    [8081, 8082].map((port, index) => ({
      name: `plone_instances-client${index + 1}`,
      type: 'program',
      events: [],
      command: `/srv/www/plone_instances/current/bin/client${index + 1} console`,
      directory: '/srv/www/plone_instances/current',
      environment: { B: '1', PYTHON_EGG_CACHE: '/srv/www/plone_instances/shared/eggs' },
      delay: 30_000,
      port,
    })),
  )
  t.strictSame(names(client({ opsworks: { instance: { backends: 0 } } })).length, 4, 'as many as in deploy.cfg')
  const moved = programs(stack(), 'zeo-client', { deployTo: '/home/me/srv/plone' })
  t.equal(moved[0]?.command, '/home/me/srv/plone/current/bin/client1 console')
  t.equal(moved[0]?.directory, '/home/me/srv/plone/current')
  t.strictSame(moved[0]?.environment, { PYTHON_EGG_CACHE: '/home/me/srv/plone/shared/eggs' })
})

t.test('Celery comes last', async (t) => {
  const on = site({
    enable_celery: true,
    celerybeat: true,
    celery_args: '-c 2',
    beat_args: '-l INFO',
    instance_count: 1,
  })
  const list = client(on, layer('celery_broker', online('r1')))
  t.strictSame(names(list), ['plone_instances-client1', 'plone_instances-celery', 'plone_instances-celerybeat'])
  t.equal(list[1]?.command, '/srv/www/plone_instances/current/bin/celery worker -c 2')
  t.equal(list[2]?.command, '/srv/www/plone_instances/current/bin/celery beat -l INFO')
  t.equal(list[1]?.delay.ms, 0)
  t.notOk(list[1] && 'port' in list[1])
  t.strictSame(names(client(on)), ['plone_instances-client1'], 'without a broker nothing')
  const bare = client(site({ enable_celery: true, celery_args: '', broker: { host: 'b' }, instance_count: 1 }))
  t.equal(bare[1]?.command, '/srv/www/plone_instances/current/bin/celery worker')
  t.equal(bare.length, 2, 'no beat unless asked for')
})

t.test('of the hosts of celerybeat_layer, the first one that is online runs the scheduler', async (t) => {
  const scheduling = site({ enable_celery: true, celerybeat: true, celerybeat_layer: 'workers', broker: { host: 'r' } })
  const runsOn = (hostname: string, instances: NodeJson) => {
    const opsworks = { instance: { hostname }, layers: { workers: { instances } } }
    return names(client({ opsworks }, scheduling)).includes('plone_instances-celerybeat')
  }
  const [online, stopped] = [{ status: 'online' }, { status: 'stopped' }]
  const hosts = ['one', 'two', 'three']
  const hostsThatRun = (instances: NodeJson) => hosts.filter((name) => name in instances && runsOn(name, instances))
  t.strictSame(hostsThatRun({ one: online, two: online }), ['one'])
  const others = hosts.filter((name) => name !== 'one')
  t.strictSame(
    others.filter((name) => runsOn(name, { one: stopped, two: online, three: online })),
    ['two'],
  )
  t.strictSame(hostsThatRun({ two: online, three: online }), ['two'], 'the first host is removed')
  t.notOk(runsOn('elsewhere', { one: online }), 'a host of another layer')
})

t.test('declares the commands of the user', async (t) => {
  const one = site({ instance_count: 1 })
  const list = client(
    one,
    init(
      { cmd: 'bin/nameless' },
      { name: 'worker', cmd: 'bin/worker', args: '-v', delay: 5 },
      { name: 'plone_instances', cmd: '/bin/main' },
      { name: 'client1', cmd: 'bin/other' },
    ),
  )
  t.strictSame(
    list.map(({ name, command, delay }) => [name, command, delay.ms]),
    [
      ['plone_instances-0', '/srv/www/plone_instances/current/bin/nameless', 0],
      ['plone_instances-worker', '/srv/www/plone_instances/current/bin/worker -v', 5000],
      ['plone_instances', '/srv/www/plone_instances/current/bin/main', 0],
      ['plone_instances-client1', '/srv/www/plone_instances/current/bin/client1 console', 0],
    ],
    'before the clients, and never in the place of one',
  )
  const deploy = { zeoserver: { buildout_init_commands: [{ name: 'zeoserver', cmd: 'bin/x' }, { cmd: 'bin/y' }] } }
  t.strictSame(
    programs(stack({ deploy }), 'zeo-server').map(({ name, command }) => [name, command]),
    [
      ['zeoserver', '/srv/www/zeoserver/current/bin/zeoserver fg'],
      ['zeoserver-1', '/srv/www/zeoserver/current/bin/y'],
    ],
  )
  const renamed = stack({ plone_solr: { app_name: 'search' }, deploy: { search: {} } })
  t.strictSame(
    programs(renamed, 'solr').map(({ name, command }) => [name, command]),
    [['search-solr', '/srv/www/search/current/bin/solr-instance fg']],
  )
})

t.test('declares event listeners', async (t) => {
  const kinds: [string, NodeJson, string, string[]][] = [
    [
      'by type',
      { type: 'eventlistener', events: ['TICK_60', 'PROCESS_STATE'] },
      'eventlistener',
      ['TICK_60', 'PROCESS_STATE'],
    ],
    ['by flag', { eventlistener: true, events: 'TICK_60, TICK_5' }, 'eventlistener', ['TICK_60', 'TICK_5']],
    ['by events', { events: ['TICK_60'] }, 'eventlistener', ['TICK_60']],
    [
      'as the cookbook documents it',
      { eventlistener: true, eventlistener_events: ['TICK_60', 'PROCESS_STATE'] },
      'eventlistener',
      ['TICK_60', 'PROCESS_STATE'],
    ],
    [
      'with a list in one text',
      { eventlistener: true, eventlistener_events: 'TICK_5,TICK_60' },
      'eventlistener',
      ['TICK_5', 'TICK_60'],
    ],
    [
      'in both spellings',
      { eventlistener_events: ['TICK_5'], events: ['TICK_5', 'TICK_60'] },
      'eventlistener',
      ['TICK_5', 'TICK_60'],
    ],
    [
      'a program with events, which the cookbook ignores',
      { eventlistener: false, eventlistener_events: ['TICK_5'] },
      'program',
      [],
    ],
    ['a program', { type: 'program' }, 'program', []],
    ['a program by default', { eventlistener: false, events: [] }, 'program', []],
  ]
  for (const [what, more, type, events] of kinds) {
    const [listener] = client(init({ name: 'httpok', cmd: 'bin/httpok', args: '-p x', ...more }))
    t.strictSame([listener?.type, listener?.events], [type, events], what)
    t.equal(listener?.user, type === 'eventlistener' ? 'root' : undefined, `${what}: its account`)
    const [given] = client(init({ name: 'httpok', cmd: 'bin/httpok', user: 'jane', ...more }))
    t.equal(given?.user, 'jane', `${what}: its account as given`)
  }
})

t.test('a command may have an environment of its own', async (t) => {
  const environment = { B: 'own', A: 1, RUBYOPT: 'x' }
  const [first, second] = client(init({ cmd: 'bin/x', environment }), app({ environment: { B: 'app', C: 'c' } }))
  const egg = ['PYTHON_EGG_CACHE', '/srv/www/plone_instances/shared/eggs']
  t.strictSame(Object.entries(first?.environment ?? {}), [['A', '1'], ['B', 'own'], ['C', 'c'], egg])
  t.strictSame(Object.entries(second?.environment ?? {}), [['B', 'app'], ['C', 'c'], egg])
  t.throws(() => client(init({ cmd: 'bin/x', environment: { A: 'x\ry' } })), {
    message: /buildout_init_commands\[0\]\.environment\.A cannot be written: supervisor cannot hold a carriage/,
  })
})

t.test('refuses commands that are not programs', async (t) => {
  const key = 'deploy.plone_instances.buildout_init_commands'
  const bad: [NodeJson | NodeJson[], string][] = [
    [{ name: 'a' }, `${key}[0].cmd: expected text, there is none`],
    [{ name: 'a', cmd: '/' }, `${key}[0].cmd: expected a command`],
    [{ name: 'a', cmd: ' ' }, `${key}[0].cmd: expected a command`],
    [{ name: 'a b', cmd: 'x' }, `${key}[0].name is not a valid program name`],
    [{ name: 'a]\n[x', cmd: 'x' }, `${key}[0].name: expected text on one line`],
    [{ name: 'a', cmd: 'x\ny' }, `${key}[0].cmd: expected a command on one line`],
    [{ name: 'a', cmd: 'x', args: 'y\n[program:evil]' }, `${key}[0].args: expected text on one line`],
    [{ name: 'a', cmd: 'x', delay: -1 }, `${key}[0].delay: expected a number from 0 up`],
    [{ name: 'a', cmd: 'x', delay: 'soon' }, `${key}[0].delay: expected a number of seconds`],
    [{ name: 'a', cmd: 'x', type: 'group' }, `${key}[0].type: expected one of "program", "eventlistener"`],
    [{ name: 'a', cmd: 'x', type: 'eventlistener' }, `${key}[0].events is missing`],
    [{ name: 'a', cmd: 'x', type: 'program', events: ['TICK_5'] }, `${key}[0].events is for event listeners`],
    [{ name: 'a', cmd: 'x', events: 5 }, `${key}[0].events: expected a list`],
    [
      [
        { name: 'a', cmd: 'x' },
        { name: 'a', cmd: 'y' },
      ],
      `${key} makes plone_instances-a twice`,
    ],
  ]
  for (const [command, message] of bad)
    t.match(
      t.throws(() => client(init(...[command].flat()))),
      { message, usage: true },
      message,
    )
  t.throws(() => client(site({ restart_delay: 'x' })), {
    message: /^plone_instances.restart_delay: expected a number/,
  })
  t.throws(() => client(site({ enable_celery: true, celery_args: 'x\ny', broker: { host: 'b' } })), {
    message: /^plone_instances.celery_args: expected text on one line/,
  })
  t.throws(
    () => client(init({ cmd: 'a', name: 'x y' }, { cmd: 'a', ready: 'tcp' }), app({ environment: { A: 'x\ry' } })),
    {
      code: 'INVALID_INPUT',
      problems: { length: 3 },
    },
  )
})
