/** Tests deploys in which one command fails, before or after its work: the run ends with a message, and the next one repairs. */
import t, { type Test } from 'tap'
import type { CommandOptions, CommandResult } from '../../core/host/types.ts'
import { giveWebServer } from '../support/app_web_server.ts'
import { FakeHost } from '../support/fake_host.ts'
import type { NodeJson } from '../support/golden.ts'
import { succeeded } from '../support/lifecycle.ts'

t.setTimeout(300_000)

type Commands = (argv: readonly string[], options: CommandOptions, host: unknown) => Partial<CommandResult> | null

/** Lets one command of the host fail, counted from 1; a number beyond all commands counts them. */
function failCommand(host: FakeHost, failing: number, when: 'before its work' | 'after its work') {
  const options = Reflect.get(host.machine, 'options') as { commands: Commands }
  const original = options.commands
  const seen = { count: 0, command: '' }
  options.commands = (argv, more, machine) => {
    if (++seen.count !== failing) return original(argv, more, machine)
    seen.command = argv.join(' ')
    if (when === 'after its work') original(argv, more, machine)
    return { status: 75, stdout: '', stderr: 'injected fault' }
  }
  return { seen, end: () => Object.assign(options, { commands: original }) }
}

const roles: Readonly<Record<string, NodeJson>> = {
  'zeo-client': {},
  'zeo-server': { plone_zeoserver: { app_name: 'zeo', enable_backup: true, enable_pack: true } },
  solr: {},
  celerybeat: { plone_instances: { app_name: 'site', instance_count: 1, enable_celery: true, broker: { host: 'r' } } },
  'port-app': { port_app: { app_name: 'site', command: '/usr/bin/node serve %{port}' } },
}

async function deployedHost(t: Test, role: string, attributes: NodeJson): Promise<FakeHost> {
  const host = new FakeHost({ roles: [role] })
  if (role === 'port-app') giveWebServer(host)
  const deploy = host.attributes.deploy as NodeJson
  host.attributes = { ...host.attributes, ...attributes, deploy: { ...deploy, solr: deploy.zeo } }
  succeeded(t, await host.run())
  host.remote.push({ VERSION: 'next\n' })
  return host
}

for (const [role, attributes] of Object.entries(roles))
  t.test(role, async (t) => {
    const base = await deployedHost(t, role, attributes)
    let [runs, failed] = [0, 0]
    for (const events of [['deploy'], ['setup', 'configure']])
      for (const when of ['before its work', 'after its work'] as const)
        for (let at = 1; ; at++) {
          const host = base.clone()
          const { seen, end } = failCommand(host, at, when)
          const report = await host.run(events)
          end()
          if (seen.count < at) break
          runs++
          const what = `${events}: ${seen.command.slice(0, 200)} fails ${when}`
          if (report.outcome === 'failed') {
            failed++
            if (!/"message":"[^"]{8,}/.test(JSON.stringify(report))) t.fail(`${what}: no message`)
          }
          const current = ['site', 'zeo', 'solr'].flatMap((app) => host.currentRelease(app) ?? [])
          if (current.length === 0) t.fail(`${what}: no current release`)
          if (current.some(({ complete }) => !complete)) t.fail(`${what}: the current release is incomplete`)
          const next = await host.run(['deploy'])
          if (next.outcome === 'failed')
            t.fail(`${what}: the next run fails`, { report: JSON.stringify(next).slice(0, 900) })
          const states = Object.values(host.processes()).map(({ state }) => state)
          // Of the two ports of a web application, one is stopped.
          const isUp = role === 'port-app' ? states.includes('RUNNING') : states.every((state) => state === 'RUNNING')
          if (!isUp) t.fail(`${what}: ${states}`)
        }
    t.ok(runs > 20 && failed > 5, `${runs} faults, ${failed} runs failed`)
    t.comment(`${runs} faults, ${failed} runs failed`)
  })
