/**
 * Tests a systemd unit that somebody changed, loaded and restored manually: its process reveals it, while files left by
 * reloads do not.
 */
import t from 'tap'
import { VirtualHost } from '../../../../core/host/virtual.ts'
import { file } from '../../../../resources/files/file.ts'
import { declaredProcess, differsFromDeclared } from '../../../../resources/services/managers/unit_process.ts'
import { service_restart } from '../../../../resources/services/service_restart.ts'
import { failureOf, patchOf, planOf, run } from '../../../support/contract.ts'

const [unit, dropIn] = ['/lib/systemd/system/cache.service', '/etc/systemd/system/cache.service.d/own.conf']
const packaged = '[Unit]\nDescription=ExecStart=/no\n[Service]\nExecStart=/usr/sbin/cache -p 1\nEnvironment=A=1 B=2\n'

t.test('merges the files of a unit', (t) => {
  const declared = (...texts: string[]) => declaredProcess(texts)
  t.strictSame(declared(packaged), { words: ['/usr/sbin/cache', '-p', '1'], environment: ['A=1', 'B=2'] })
  const own = '[Service]\nExecStart=\nExecStart = -/usr/sbin/cache \\\n  # why\n  -p 2\nEnvironment=B=3\n'
  t.strictSame(declared(packaged, own), { words: ['/usr/sbin/cache', '-p', '2'], environment: ['A=1', 'B=3'] })
  t.strictSame(declared(packaged, '[Service]\nEnvironment=\n')?.environment, [])
  for (const more of ['EnvironmentFile=-/etc/default/cache', 'Environment="A=1 2"', 'PAMName=x'])
    t.strictSame(declared(packaged, `[Service]\n${more}\n`)?.environment, [], more)
  for (const command of ['cache -p 1', '@/usr/sbin/cache x', '/usr/sbin/cache $A', '/a "b c"', '/a %i', '/a ; /b', ''])
    t.equal(declared(`[Service]\nExecStart=${command}\n`), null, command)
  t.equal(declared(packaged, '[Service]\nExecStart=/usr/sbin/other\n'), null, 'several commands')
  t.end()
})

t.test('compares a process with its declaration', (t) => {
  const lacks = (cmdline: readonly string[], environ: readonly string[] | null = ['A=1', 'B=2', 'HOME=/']) => {
    const host = new VirtualHost()
    host.given('/proc/7/cmdline', cmdline.map((word) => `${word}\0`).join(''))
    if (environ !== null) host.given('/proc/7/environ', environ.map((one) => `${one}\0`).join(''))
    return differsFromDeclared(host, 7, { words: ['/usr/sbin/cache', '-p', '1'], environment: ['A=1', 'B=2'] })
  }
  t.notOk(lacks(['/usr/sbin/cache', '-p', '1']))
  t.ok(lacks(['/usr/sbin/cache', '-p', '2']))
  t.ok(lacks(['/usr/sbin/cache', '-p', '1'], ['A=1', 'B=3']))
  t.notOk(lacks(['/usr/sbin/cache', '-p', '1'], null), 'the variables of another account')
  t.notOk(lacks(['/usr/sbin/cache', '-sf', '12', '-p', '1']), 'HAProxy after its reload')
  t.notOk(lacks(['cache: master process'], []), 'another title')
  t.notOk(lacks(['/usr/bin/python3', '/usr/sbin/cache', '-p', '2'], []), 'a script')
  t.notOk(differsFromDeclared(new VirtualHost(), 7, { words: ['/a'], environment: [] }), 'it has ended')
  t.end()
})

t.test('restarts once; a restart by hand alone causes none', async (t) => {
  const text = (port: number) => `[Service]\nExecStart=\nExecStart=/usr/sbin/cache -p ${port}\n`
  const ran: string[] = []
  let pid = 7
  const host = new VirtualHost({
    commands: ([program, verb, name = ''], _, on) => {
      if (program !== 'systemctl') return {}
      if (verb !== 'show') ran.push(`${verb}`)
      if (verb === 'start') starts(on)
      if (verb === 'stop') stopped = true
      if (name.includes('DropInPaths'))
        return { stdout: `MainPID=${pid}\nFragmentPath=${unit}\nDropInPaths=${dropIn}\n` }
      return {
        stdout: `Id=cache.service\nNames=cache.service\nLoadState=loaded\nActiveState=${stopped ? 'inactive' : 'active'}\nSubState=running\nMainPID=${pid}\nInvocationID=${pid}\nResult=success\nType=notify\n`,
      }
    },
  })
  let stopped = false
  const starts = (on: VirtualHost) => {
    pid++
    const port = /-p (\d)/.exec(on.readText(dropIn) ?? '')?.[1]
    on.given(`/proc/${pid}/cmdline`, `/usr/sbin/cache\0-p\0${port}\0`)
    stopped = false
  }
  host.given('/run/systemd/system', null).given(unit, packaged).given('/etc/systemd/system/cache.service.d', null)
  host.given('/proc/7/cmdline', '/usr/sbin/cache\0-p\x001\0')
  const plan = planOf((r) => {
    const own = file(r, { path: dropIn, content: text(5) })
    service_restart(r, { services: [{ name: 'cache', configuration: 'x' }], when: [own] })
  })
  const converged = async () => {
    ran.length = 0
    const report = await run(plan, host)
    t.strictSame(failureOf(report), undefined)
    t.strictSame(patchOf(await run(plan, host)), [])
    return ran
  }
  const commandLine = () => host.readText(`/proc/${pid}/cmdline`)
  await converged()
  t.match(commandLine(), '-p\x005')
  starts(host)
  t.strictSame(await converged(), [], 'restarted by hand')
  host.writeFile(dropIn, text(6))
  starts(host)
  t.match(commandLine(), '-p\x006')
  host.writeFile(dropIn, text(5))
  t.match(await run(plan, new VirtualHost({ base: host }), 'plan'), { outcome: 'planned' })
  t.match((await converged()).join(), /daemon-reload.*start/)
  t.match(commandLine(), '-p\x005')
  t.strictSame(await converged(), [])
})
