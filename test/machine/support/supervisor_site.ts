/** Runs a supervisord for a test, with three small servers. */
import { mkdirSync, writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { compile, type Plan } from '../../../core/compile/compile.ts'
import { type Recipe, role } from '../../../core/compile/role.ts'
import { converge } from '../../../core/converge/engine.ts'
import { LocalHost } from '../../../core/host/local.ts'
import { seconds } from '../../../core/model/units.ts'
import type { RunReport } from '../../../core/report/events.ts'
import { file } from '../../../resources/files/file.ts'
import { service_restart } from '../../../resources/services/service_restart.ts'
import { Supervisor } from '../../../resources/supervisor/client.ts'
import { supervisor_program } from '../../../resources/supervisor/supervisor_program.ts'
import { supervisord } from '../../../resources/supervisor/supervisord.ts'
import { failureOf } from '../../support/contract.ts'
import { freePort, scratch } from '../../support/machine.ts'

/** Set CONVERGE_TEST_SUPERVISORD to test another version. */
export const program = process.env.CONVERGE_TEST_SUPERVISORD ?? '/usr/bin/supervisord'
/** Skips tests that do not depend on the account in the run as an ordinary user. */
export const brief = { skip: process.env.CONVERGE_TEST_BRIEF !== undefined }

/** Answers HTTP with its start parameters; its environment makes it slow, exit, or keep its port after the stop. */
const server = `
import http.server, os, signal, sys, time
print('starting', os.environ['NAME'], os.environ.get('GREETING'), flush=True)
if os.environ.get('DIES'):
    time.sleep(float(os.environ['DIES']))
    print('dying:', 'no database', flush=True)
    sys.exit(3)
def stop(*_):
    print('stopping', flush=True)
    time.sleep(float(os.environ.get('STOPS_IN', '0')))
    if os.environ.get('CLINGS') and os.fork() == 0:
        os.setsid()
        time.sleep(float(os.environ['CLINGS']))
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
time.sleep(float(os.environ.get('STARTS_IN', '0')))
began = time.time()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(float(os.environ.get('TAKES', '0')))
        with open(os.environ['SEEN'], 'a') as seen: seen.write(os.environ['NAME'] + ' ' + self.path + '\\n')
        bad = time.time() - began < float(os.environ.get('BAD_FOR', '0'))
        self.send_response(500 if bad else int(os.environ.get('STATUS', '200')))
        self.end_headers()
        self.wfile.write((os.environ['NAME'] + ' ' + os.environ.get('GREETING', '') + ' ' + str(os.getpid())).encode())
    def log_message(self, *_): pass
class Server(http.server.HTTPServer):
    allow_reuse_address = True
Server(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
`

export interface Site {
  readonly directory: string
  readonly socket: string
  readonly confDir: string
  readonly config: string
  readonly ports: readonly number[]
  readonly host: LocalHost
  readonly supervisor: Supervisor
}

export const names = ['c1', 'c2', 'c3']

export async function siteOf(t: Test): Promise<Site> {
  const directory = scratch(t)
  const [socket, confDir, config] = [`${directory}/s.sock`, `${directory}/conf`, `${directory}/supervisord.conf`]
  mkdirSync(confDir)
  mkdirSync(`${directory}/log`)
  writeFileSync(`${directory}/server.py`, server)
  writeFileSync(
    config,
    `[unix_http_server]\nfile=${socket}\n[supervisord]\nlogfile=${directory}/log/supervisord.log\npidfile=${directory}/s.pid\nchildlogdir=${directory}/log\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n[include]\nfiles=${confDir}/*.conf\n`,
  )
  const host = new LocalHost(`${directory}/state`)
  const ports = [await freePort(), await freePort(), await freePort()]
  const site = { directory, socket, confDir, config, ports, host, supervisor: new Supervisor(host, socket) }
  const declareSupervisord = (action: 'running' | 'stopped') =>
    run(site, (r) => supervisord(r, { config, socket, program, action }))
  t.teardown(async () => void (await declareSupervisord('stopped')))
  t.strictSame(failureOf(await declareSupervisord('running')), undefined, 'supervisord starts')
  return site
}

export function planOf(declare: (r: Recipe<unknown>) => unknown): Plan {
  return compile([role<unknown>('test', { deploy: (r) => void declare(r) })], ['deploy'], {})
}

export function run(
  site: Pick<Site, 'host'>,
  declare: (r: Recipe<unknown>) => unknown,
  reported: string[] = [],
): Promise<RunReport> {
  return converge(planOf(declare), site.host, {
    id: 't',
    mode: 'run',
    handlers: [{ progress: (_, line) => void reported.push(line) }],
  })
}

export type Environments = Readonly<Record<string, Readonly<Record<string, string>>>>

/** Declares three servers, and their restart for `cause`. */
export function servers(
  site: Site,
  environments: Environments = {},
  cause = 'one',
  options: { readonly startSeconds?: number; readonly backend?: string; readonly [name: string]: unknown } = {},
) {
  const { startSeconds = 0, backend, ...more } = options
  const { directory, confDir, socket, ports } = site
  return (r: Recipe<unknown>) => {
    const release = file(r, { path: `${directory}/release`, content: cause })
    const declared = names.map((name, index) => {
      const environment = { NAME: name, PORT: `${ports[index]}`, SEEN: `${directory}/seen`, ...environments[name] }
      const common = { name, environment, directory, confDir, socket, logDir: `${directory}/log` }
      const one = supervisor_program(r, {
        ...common,
        command: `/usr/bin/python3 ${directory}/server.py`,
        stopWait: seconds(20),
        startSeconds,
      })
      const server = backend === undefined ? {} : { server: `${backend}/${name}` }
      return { name, configuration: one.digest, ready: { port: ports[index] ?? 0, warmPaths: ['/warm'] }, ...server }
    })
    service_restart(r, {
      provider: { kind: 'supervisor', socket },
      services: declared,
      when: [release],
      deadline: seconds(20),
      ...more,
    })
  }
}

let commands = 0

/** Restarts one server in a run without the other ones, as on a separate host. */
export function restartOnItsHost(
  site: Site,
  name: string,
  { backend, balancers }: { readonly backend: string; readonly balancers: readonly { readonly socket: string }[] },
): Promise<RunReport> {
  const port = site.ports[names.indexOf(name)] ?? 0
  const declare = (r: Recipe<unknown>) =>
    service_restart(r, {
      provider: { kind: 'supervisor', socket: site.socket },
      services: [{ name, ready: { port }, server: `${backend}/${name}` }],
      balancers,
      force: `command ${++commands}`,
      deadline: seconds(30),
    })
  return run({ ...site, host: new LocalHost(`${site.directory}/state-${name}`) }, declare)
}

export async function answers(site: Site): Promise<string[]> {
  return Promise.all(site.ports.map(async (port) => (await site.host.request({ port })).body))
}
