/** Imitates a host whose scheduler runs converge: a systemd that records which units were started, and a crontab. */
import type { Test } from 'tap'
import { attributeSchemas, foreignKeys } from '../../attributes/index.ts'
import type { HookOptions } from '../../core/cli/catalogue.ts'
import { compile } from '../../core/compile/compile.ts'
import { converge } from '../../core/converge/engine.ts'
import { type CommandHandler, VirtualHost } from '../../core/host/virtual.ts'
import { neutralFacts } from '../../core/node/facts.ts'
import { buildNode } from '../../core/node/node.ts'
import { catalogue } from '../../recipes/catalogue.ts'
import { recipeNode } from '../../recipes/node.ts'
import { failureOf } from './contract.ts'
import { changed } from './lifecycle.ts'

const words = ['--role', 'web', '--json', '/etc/converge/a "site"$x%.json']
export const hookOptions: HookOptions = {
  commands: {
    setup: ['/usr/bin/node', '/opt/start.cjs', 'apply', ...words],
    configure: ['/usr/bin/node', '/opt/start.cjs', 'configure', ...words],
    shutdown: ['/usr/bin/node', '/opt/start.cjs', 'shutdown', ...words],
  },
  interval: 300,
  jitter: 60,
  stamp: '/var/lib/converge/first-boot-done',
  prefixed: false,
}

export class HooksMachine {
  /** The units that systemd has started. */
  readonly activeUnits = new Set<string>()
  /** The commands to systemd, except queries: verb and units. */
  readonly systemctlCalls: string[] = []
  /** The result that systemd reports for the last run of each service. */
  readonly results = new Map<string, 'success' | 'exit-code'>()
  readonly host: VirtualHost

  constructor(
    public init: 'systemd' | 'other',
    readonly uid = 0,
  ) {
    const self = { name: 'jane', uid: 1000, gid: 1000, home: '/home/jane', shell: '/bin/sh' }
    const handler: CommandHandler = (argv, { input }) => this.command(argv, input)
    this.host = new VirtualHost({ commands: handler, ...(uid === 0 ? {} : { self }) })
    this.host.given('/usr/bin/crontab', '', '0755').given('/etc/cron.d', null).given('/var/lib/converge', null)
    this.host.given('/etc/systemd/system/multi-user.target.wants', null)
    if (init === 'systemd') this.host.given('/run/systemd/system', null)
  }

  private command(argv: readonly string[], input: string | undefined) {
    const [program, verb = '', ...rest] = argv
    if (program === 'crontab') {
      if (verb !== '-') return { stdout: this.host.readText('/crontab') ?? '' }
      this.host.given('/crontab', input ?? '')
      return {}
    }
    if (program !== 'systemctl') return null
    const unit = rest.at(-1) ?? ''
    const units = rest.slice(rest.indexOf('--') + 1)
    if (verb === 'show') return { stdout: units.map((one) => this.unitProperties(one)).join('\n') }
    this.systemctlCalls.push([verb, ...rest.filter((word) => !word.startsWith('-'))].join(' '))
    if (verb === 'start' || verb === 'restart') this.activeUnits.add(unit)
    if (verb === 'start' && this.results.has(unit)) this.results.set(unit, 'success')
    if (verb === 'stop') this.activeUnits.delete(unit)
    return {}
  }

  private unitProperties(unit: string): string {
    const exists = this.host.stat(`/etc/systemd/system/${unit}`) !== null
    if (!exists) return `Id=${unit}\nNames=${unit}\nLoadState=not-found\nActiveState=inactive\n`
    const state = this.activeUnits.has(unit) ? 'active' : 'inactive'
    const result = this.results.get(unit)
    const ended = result === undefined ? '' : 'ExecMainExitTimestamp=Mon 2026-01-05 10:00:00 UTC\n'
    return `Id=${unit}\nNames=${unit}\nLoadState=loaded\nActiveState=${state}\nUnitFileState=enabled\nResult=${result ?? 'success'}\n${ended}Type=oneshot\n`
  }

  async run(event: string, options: Partial<HookOptions> = {}, mode: 'run' | 'plan' = 'run') {
    const { role, show } = await catalogue.hooks({ ...hookOptions, ...options })
    const facts = { ...neutralFacts, init: this.init, uid: this.uid }
    const built = buildNode({ layers: [], facts, schemas: attributeSchemas, foreignKeys })
    const node = recipeNode(built, { id: '1', events: [event], by: 'tester', options: {} })
    if (event === 'show') return { report: null, notes: [], shown: await show(node, this.host) }
    const plan = compile([role], [event], node)
    const host = mode === 'plan' ? new VirtualHost({ base: this.host }) : this.host
    return { report: await converge(plan, host, { id: 'test', mode }), notes: plan.notes, shown: [] }
  }

  /** Runs an event, and fails the test unless the run succeeds. */
  async done(t: Test, event: string, options: Partial<HookOptions> = {}) {
    const { report, notes } = await this.run(event, options)
    t.strictSame(report && failureOf(report), undefined, event)
    return { changes: report === null ? [] : changed(report), warnings: report?.warnings ?? [], notes }
  }

  unit(name: string): string {
    return this.host.readText(`/etc/systemd/system/${name}`) ?? ''
  }
}
