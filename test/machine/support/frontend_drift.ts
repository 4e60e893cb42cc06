/**
 * Tests drift that was loaded manually into nginx, HAProxy or Varnish: after a run, each uses the declared
 * configuration.
 */
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { Supervisor } from '../../../resources/supervisor/client.ts'
import { failureOf, patchOf } from '../../support/contract.ts'
import { until } from '../../support/wait_until.ts'
import type { FrontendSite } from './frontend_site.ts'
import { ask } from './visitor_request.ts'

interface Drift {
  readonly name: string
  readonly path: string
  /** Edits the file's text. */
  readonly edit: (text: string) => string
  /** Loads the file into the service manually. */
  readonly load: () => Promise<void>
  /** Checks whether the service uses the declared configuration. */
  readonly usesDeclared: () => Promise<boolean>
  /** Whether the service rejects the edited file, and keeps the loaded one. */
  readonly refused?: boolean
  /** Whether the processes of the service show what they have loaded. Then a file that was only touched causes no reload. */
  readonly processesShowLoads?: boolean
  readonly events?: readonly string[]
}

export async function repairsLoadedDrift(t: Test, site: FrontendSite): Promise<void> {
  const supervisor = new Supervisor(site.host, `${site.prefix}/var/run/supervisor.sock`)
  for (const one of driftsOf(site, supervisor)) {
    const before = readFileSync(one.path, 'utf8')
    const convergeAndCheck = async (changes: number | null, what: string) => {
      const planned = await site.converge({}, one.events, 'plan')
      const report = await site.converge({}, one.events)
      const named = (some: typeof report) => some.resources.map(({ name }) => name).join()
      t.strictSame(failureOf(report), undefined, what)
      t.equal(named(planned), named(report), `${what}: as planned`)
      if (changes !== null) t.equal(report.resources.length, changes, `${what}: ${named(report)}`)
      t.equal(readFileSync(one.path, 'utf8'), before, what)
      await until(one.usesDeclared, `${what}: it runs with what is declared`)
      t.strictSame(patchOf(await site.converge({}, one.events)), [], `${what}: a second run changes nothing`)
    }
    writeFileSync(one.path, one.edit(before))
    await one.load()
    if (!one.refused) await until(async () => !(await one.usesDeclared()), `${one.name}: loaded`)
    await convergeAndCheck(null, one.name)

    if (one.refused) continue
    writeFileSync(one.path, one.edit(before))
    await one.load()
    await until(async () => !(await one.usesDeclared()), `${one.name}: loaded again`)
    writeFileSync(one.path, before)
    await convergeAndCheck(1, `${one.name}, put back by hand`)

    // A hard link, as backup programs make it.
    linkSync(one.path, `${one.path}.backup`)
    rmSync(`${one.path}.backup`)
    if (one.processesShowLoads)
      t.strictSame(patchOf(await site.converge({}, one.events)), [], `${one.name}: a backup is no change`)
  }
}

function driftsOf(site: FrontendSite, supervisor: Supervisor): readonly Drift[] {
  const { prefix, ports, host } = site
  const answer = (port: number) => ask(port, '/drift').catch(() => null)
  const signal = (name: string, word: string) => supervisor.signalProcess(name, word)
  const nginx = { load: () => signal('nginx', 'HUP'), tells: true }
  const haproxy = {
    path: `${prefix}/etc/haproxy/haproxy.cfg`,
    load: () => signal('frontend-haproxy', 'USR2'),
    usesDeclared: async () => (await answer(ports.balancer))?.status === 200,
  }
  const byHand = { count: 0 }
  const varnish = {
    path: `${prefix}/etc/varnish/default.vcl`,
    async load() {
      const name = `by_hand_${++byHand.count}`
      const tool = ['varnishadm', '-n', `${prefix}/var/lib/varnish/frontend`]
      const file = `${prefix}/etc/varnish/default.vcl`
      const { status, stderr } = await host.query([...tool, 'vcl.load', name, file], { accept: 'any' })
      if (status === 0) await host.query([...tool, 'vcl.use', name])
      else if (readFileSync(file, 'utf8') !== '') throw new Error(`varnishadm vcl.load failed: ${stderr}`)
    },
    usesDeclared: async () => (await answer(ports.cache))?.status === 200,
  }
  const isServed = async () => (await answer(ports.http))?.status === 200
  const program = `${prefix}/etc/supervisor/conf.d/nginx.conf`
  return [
    {
      ...nginx,
      name: 'the emptied site',
      path: `${prefix}/etc/nginx/sites-available/instances`,
      edit: () => '',
      usesDeclared: isServed,
    },
    {
      ...nginx,
      name: 'nginx.conf',
      path: `${prefix}/etc/nginx/nginx.conf`,
      edit: (text) => text.replace('server_tokens off', 'server_tokens on'),
      usesDeclared: async () => (await answer(ports.http))?.headers.server === 'nginx',
    },
    {
      name: 'the program of nginx',
      path: program,
      edit: (text) => text.replace(/^command=.*$/m, "$& -g 'worker_priority 1;'"),
      async load() {
        await supervisor.reloadConfig()
        await supervisor.stopProcess('nginx')
        await until(async () => (await pidOf(supervisor)) === 0, 'nginx is stopped')
        await supervisor.removeProcessGroup('nginx')
        await supervisor.addProcessGroup('nginx')
        await until(async () => (await isServed()) && (await pidOf(supervisor)) !== 0, 'nginx is started')
      },
      usesDeclared: async () =>
        !readFileSync(`/proc/${await pidOf(supervisor)}/cmdline`, 'utf8').includes('worker_priority'),
    },
    { ...haproxy, name: 'the emptied haproxy.cfg', edit: () => '', refused: true },
    {
      ...haproxy,
      name: 'haproxy.cfg',
      edit: (text) => text.replace(/^ {2}bind .*$/m, '$&\n  http-request return status 418'),
      processesShowLoads: true,
    },
    { ...varnish, name: 'the emptied VCL', edit: () => '', refused: true },
    {
      ...varnish,
      name: 'the VCL',
      edit: (text) => text.replace(/^sub vcl_recv \{$/m, '$&\n    return (synth(418));'),
    },
  ]
}

async function pidOf(supervisor: Supervisor): Promise<number> {
  return (await supervisor.fetchAllProcessInfo()).find(({ group }) => group === 'nginx')?.pid ?? 0
}
