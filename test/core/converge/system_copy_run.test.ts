/** Tests a run in a copy of the system, where systemd does not run. */
import t from 'tap'
import { compile } from '../../../core/compile/compile.ts'
import { role } from '../../../core/compile/role.ts'
import { converge } from '../../../core/converge/engine.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { directory } from '../../../resources/files/directory.ts'
import { service } from '../../../resources/services/service.ts'
import { service_restart } from '../../../resources/services/service_restart.ts'
import { systemd_unit } from '../../../resources/services/systemd_unit.ts'

const timer = { Timer: { OnCalendar: 'daily' }, Install: { WantedBy: 'timers.target' } }

const beat = role<object>('beat', {
  deploy(r) {
    const unit = systemd_unit(r, { name: 'beat.timer', content: timer, action: 'running', verify: false })
    service_restart(r, { services: [{ name: 'beat' }], provider: { kind: 'systemd' }, when: [unit] })
    service(r, { name: 'beat' })
    directory(r, { path: '/srv/beat' })
  },
})

const hostWithoutSystemd = () =>
  new VirtualHost({ commands: () => ({}) })
    .given('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n')
    .given('/etc/group', 'root:x:0:\n')
    .given('/etc/systemd/system', null)
    .given('/srv', null)

const run = async (host: VirtualHost, isCopy: boolean) => {
  const warnings: string[] = []
  const handlers = [{ warn: (text: string) => void warnings.push(text) }]
  const { outcome, counts, resources } = await converge(compile([beat], ['deploy'], {}), host, {
    id: '1',
    mode: 'run',
    isCopy,
    handlers,
  })
  return { outcome, counts, warnings, outcomes: resources.map((one) => `${one.name}: ${one.outcome}`) }
}

t.test('names what needs systemd, and converges the rest', async (t) => {
  const host = hostWithoutSystemd()
  const first = await run(host, true)
  t.strictSame(first.warnings, [
    'systemd_unit beat.timer: whether it runs is not verified, because systemd does not run in the copy',
    'service_restart beat: it is not verified, because systemd does not run in the copy',
    'service beat: it is not verified, because systemd does not run in the copy',
  ])
  t.strictSame(first.outcomes, [
    'systemd_unit beat.timer: changed',
    'service_restart beat: skipped',
    'service beat: skipped',
    'directory /srv/beat: changed',
  ])
  t.match(host.readText('/etc/systemd/system/beat.timer'), /OnCalendar=daily/)
  t.match(await run(host, true), { outcome: 'unchanged', counts: { changed: 0, failed: 0 } })
})

t.test('fails on a host, which is no copy', async (t) => {
  const host = hostWithoutSystemd()
  t.match(await run(host, false), { outcome: 'failed', outcomes: ['systemd_unit beat.timer: failed'] })
})
