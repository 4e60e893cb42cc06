/**
 * Proves the hints of `converge doctor` about the host: triggers each finding, follows its remedy, and repeats the
 * check.
 */
import * as fs from 'node:fs'
import t from 'tap'
import { clockProblem } from '../../core/fleet/host_clock.ts'
import { LocalHost } from '../../core/host/local.ts'
import { VirtualHost, type VirtualOptions } from '../../core/host/virtual.ts'
import type { JsonObject } from '../../core/node/merge.ts'
import { diskCheck } from '../../recipes/checks/disk.ts'
import { hostChecks } from '../../recipes/checks/host.ts'
import { overrideCheck } from '../../recipes/checks/overrides.ts'
import { rightsCheck } from '../../recipes/checks/rights.ts'
import { dropInOverride, poolOverride } from '../../resources/services/overrides.ts'
import { HooksMachine } from '../support/hooks_machine.ts'
import { needs, scratch } from '../support/machine.ts'
import { findingOf, proveFindings } from '../support/resource_proofs.ts'
import { roleNode } from '../support/role_plans.ts'

t.test('the hints about disk space work', async (t) => {
  if (!needs(t, ['root', 'tmpfs'])) return
  const host = new LocalHost(scratch(t))
  const run = (...argv: string[]) => host.run(argv)
  const disk = async (options: string, name = 'disk') => {
    const at = `${fs.realpathSync(scratch(t))}/${name}`
    fs.mkdirSync(at)
    await run('mount', '-t', 'tmpfs', '-o', options, 'none', at)
    t.teardown(() => run('umount', at))
    return { at, check: () => diskCheck(host, [at]).run() }
  }
  const space = await disk('size=1030m')
  const inodes = await disk('size=1100m,nr_inodes=10050')
  const closed = await disk('size=1100m', 'a disk')
  const source = 'recipes/checks/disk.ts'
  proveFindings(t, [
    {
      source,
      hint: 'free some space; du -xm … | sort -n | tail lists the largest directories',
      broken() {
        fs.mkdirSync(`${space.at}/large`)
        fs.writeFileSync(`${space.at}/large/file`, Buffer.alloc(16 * 1024 * 1024))
        return space.check()
      },
      async repaired() {
        const { stdout } = await run('sh', '-c', `du -xm ${space.at} | sort -n | tail`)
        t.match(stdout, /^16\t.*\/large$/m)
        fs.rmSync(`${space.at}/large`, { recursive: true })
        return space.check()
      },
    },
    {
      source,
      hint: 'remove files; du --inodes -x … | sort -n | tail lists the directories with the most',
      broken() {
        fs.mkdirSync(`${inodes.at}/many`)
        for (let number = 0; number < 100; number++) fs.writeFileSync(`${inodes.at}/many/${number}`, '')
        return inodes.check()
      },
      async repaired() {
        const { stdout } = await run('sh', '-c', `du --inodes -x ${inodes.at} | sort -n | tail`)
        t.match(stdout, /^101\t.*\/many$/m)
        fs.rmSync(`${inodes.at}/many`, { recursive: true })
        return inodes.check()
      },
    },
    {
      source,
      hint: "check dmesg for errors of the disk, then run: mount -o remount,rw '…/a disk'",
      async broken() {
        await run('mount', '-o', 'remount,ro', closed.at)
        return closed.check()
      },
      async repaired() {
        await run('mount', '-o', 'remount,rw', closed.at)
        return closed.check()
      },
    },
  ])
})

t.test('the hint about a clock that differs from that of the operator works', async (t) => {
  let time = '2026-01-01T02:00:00Z'
  const now = Date.UTC(2026, 0, 1)
  const finding = async () => {
    const problem = clockProblem(time, { askedAt: now, answeredAt: now })
    return problem && { status: 'warning' as const, ...problem }
  }
  proveFindings(t, [
    {
      source: 'core/fleet/host_clock.ts',
      hint: 'synchronize the wrong one: run timedatectl set-ntp true, or install chrony',
      broken: finding,
      repaired() {
        time = new Date(now).toISOString()
        return finding()
      },
    },
  ])
})

t.test('the hints about clock and hooks work', async (t) => {
  const source = 'recipes/checks/host.ts'
  const clock = new VirtualHost()
  const clockFinding = async () => findingOf(await hostChecks(roleNode({}), clock, []), 'clock')
  const machine = new HooksMachine('systemd')
  const hookFinding = async () => findingOf(await hostChecks(roleNode({}), machine.host, []), 'lifecycle hooks')
  proveFindings(t, [
    {
      source,
      hint: 'synchronize the clock (timedatectl set-ntp true), or set it (date --set)',
      broken: clockFinding,
      repaired() {
        clock.clock = Date.UTC(2026, 0, 1) / 1000
        return clockFinding()
      },
    },
    {
      source,
      hint: 'run converge hooks install again, with the same options',
      async broken() {
        await machine.run('hooks_install')
        machine.host.remove('/etc/systemd/system/converge-shutdown.service')
        return hookFinding()
      },
      async repaired() {
        await machine.run('hooks_install')
        return hookFinding()
      },
    },
    {
      source,
      hint: 'run converge hooks install again, with the same options',
      broken() {
        machine.activeUnits.delete('converge-configure.timer')
        machine.host.forgetAnswers()
        return hookFinding()
      },
      async repaired() {
        await machine.run('hooks_install')
        return hookFinding()
      },
    },
    {
      source,
      hint: 'find the cause with converge status, correct it, then run: systemctl start converge-configure.service',
      broken() {
        machine.results.set('converge-configure.service', 'exit-code')
        machine.host.forgetAnswers()
        return hookFinding()
      },
      async repaired() {
        await machine.host.run(['systemctl', 'start', 'converge-configure.service'])
        return hookFinding()
      },
    },
  ])
})

t.test('the hints about files of others work', async (t) => {
  const source = 'resources/services/overrides.ts'
  const pools = '/etc/php/8.2/fpm/pool.d'
  const host = new VirtualHost().given(`${pools}/shop.conf`, '[shop]\n').given(`${pools}/zz.conf`, '[zz]\n[shop]\n')
  const unit = '/etc/systemd/system/varnish.service.d'
  const dropIn = (name: string, text: string) => host.given(`${unit}/${name}`, text)
  dropIn('converge.conf', '[Service]\nExecStart=\nExecStart=/x\n')
  dropIn('override.conf', '[Service]\nLimitNOFILE=9\nExecStart=\nExecStart=/y\n')
  const pool = () => overrideCheck('pool', () => poolOverride(host, `${pools}/shop.conf`, 'shop')).run()
  const varnish = () => overrideCheck('unit', () => dropInOverride(host, 'varnish.service', 'converge.conf')).run()
  proveFindings(t, [
    {
      source,
      hint: 'remove [shop] from /etc/php/8.2/fpm/pool.d/zz.conf: php-fpm merges both pools, and the last file wins',
      broken: pool,
      repaired() {
        host.given(`${pools}/zz.conf`, '[zz]\n')
        return pool()
      },
    },
    {
      source,
      hint: 'remove ExecStart from /etc/systemd/system/varnish.service.d/override.conf: systemd would run its command',
      broken: varnish,
      repaired() {
        dropIn('override.conf', '[Service]\nLimitNOFILE=9\n')
        return varnish()
      },
    },
  ])
})

t.test('the hints about rights work', async (t) => {
  const source = 'recipes/checks/rights.ts'
  const self = { name: 'ann', uid: 1000, gid: 1000, home: '/home/ann', shell: '/bin/sh' }
  const check = (options: VirtualOptions, json: JsonObject = {}, sudo = false) => {
    const host = new VirtualHost(options).given('/home/ann', null, '0755', 'ann')
    if (sudo) host.given('/usr/bin/sudo', '', '0755')
    return rightsCheck(roleNode(json), host, '/home/ann/site').run()
  }
  const prefix = { converge: { prefix: '/home/ann' } }
  proveFindings(t, [
    {
      source,
      hint: 'run as root, or give --prefix DIR',
      broken: () => check({ self }),
      repaired: () => check({}),
    },
    {
      source,
      hint: 'run as root (sudo converge ...), or give --prefix DIR',
      broken: () => check({ self }, {}, true),
      repaired: () => check({ self }, prefix, true),
    },
  ])
})
