/** Proves the hints of the types for mounts, swap, settings of the kernel, the time zone and locales. */
import t from 'tap'
import type { CommandHandler } from '../../core/host/virtual.ts'
import { directory } from '../../resources/files/directory.ts'
import { mount } from '../../resources/files/mount.ts'
import { swap } from '../../resources/files/swap.ts'
import { locale } from '../../resources/system/locale.ts'
import { sysctl } from '../../resources/system/sysctl.ts'
import { timezone } from '../../resources/system/timezone.ts'
import { type Declare, proveResources as prove } from '../support/resource_proofs.ts'

const table = '/proc/self/mounts'
const programs: CommandHandler = ([program], _, host) => {
  if (program === 'umount' && host.stat('/srv/busy')) return { status: 32, stderr: 'target is busy' }
  if (program === 'umount') host.given(table, '')
  if (program === 'locale-gen') host.given('/var/generated', 'de_CH.utf8\n')
  if (program === 'locale') return { stdout: host.readText('/var/generated') ?? '' }
  if (program === 'sysctl') host.given('/proc/sys/vm/swappiness', '10\n')
  return {}
}
const area = `${'\0'.repeat(4086)}SWAPSPACE2`.padEnd(1024 * 1024, '\0')
const swapPrograms: CommandHandler = ([program, ...words], _, host) => {
  const path = words.at(-1) ?? ''
  if (program === 'mkswap') host.given(path, area, '0600')
  if (program === 'swapoff' && host.stat('/srv/memory-is-full'))
    return { status: 255, stderr: 'Cannot allocate memory' }
  if (program === 'swapoff') host.given('/proc/swaps', '')
  if (program === 'swapon' && path.startsWith('/srv')) return { status: 255, stderr: 'Invalid argument' }
  if (program === 'swapon' && host.stat('/run/container')) return { status: 255, stderr: 'Operation not permitted' }
  if (program === 'swapon') host.given('/proc/swaps', `Filename\n${path} file 1024 0 -2\n`)
  return {}
}
const usesSwap: Declare = (r) => swap(r, { path: '/swap', size: '1M' })

const setting: Declare = (r) => sysctl(r, { key: 'vm.swappiness', value: 10 })

t.test('settings of the system', async (t) => {
  prove(t, [
    {
      source: 'resources/files/mount.ts',
      hint: 'remove all lines for /srv/d except one from /etc/fstab',
      commands: programs,
      given: (host) =>
        host.given('/etc/fstab', 'a /srv/d ext4\nb /srv/d ext4\n').given(table, 'a /srv/d ext4 rw 0 0\n'),
      broken: (r) => mount(r, { path: '/srv/d', device: 'a', type: 'ext4' }),
      repair: (host) => host.writeFile('/etc/fstab', 'a /srv/d ext4\n'),
    },
    {
      source: 'resources/files/mount.ts',
      hint: 'stop the programs that use it, which this shows: fuser -vm /srv/d',
      commands: programs,
      given: (host) => host.given('/srv/busy', '').given(table, 'a /srv/d ext4 rw 0 0\n'),
      broken: (r) => mount(r, { path: '/srv/d', absent: true }),
      repair: (host) => host.remove('/srv/busy'),
    },
    {
      source: 'resources/files/swap.ts',
      hint: 'remove all lines for /swap except one from /etc/fstab',
      commands: swapPrograms,
      given: (host) => host.given('/etc/fstab', '/swap none swap sw\n/swap none swap sw\n'),
      broken: usesSwap,
      repair: (host) => host.writeFile('/etc/fstab', '/swap none swap sw\n'),
    },
    {
      source: 'core/model/file_errors.ts',
      hint: 'check whether it is still needed, then move it away: mv /swap /swap.old',
      commands: swapPrograms,
      given: (host) => host.given('/swap', null),
      broken: usesSwap,
      repair: (host) => host.rename('/swap', '/swap.old'),
    },
    {
      source: 'resources/files/swap.ts',
      hint: 'declare it with directory() before this',
      commands: swapPrograms,
      broken: (r) => swap(r, { path: '/data/swap', size: '1M' }),
      repaired: (r) => {
        directory(r, { path: '/data' })
        swap(r, { path: '/data/swap', size: '1M' })
      },
    },
    {
      source: 'resources/files/swap.ts',
      hint: 'free memory until the content of the swap file fits there: free -m shows both',
      commands: swapPrograms,
      given: (host) =>
        host
          .given('/srv/memory-is-full', '')
          .given('/swap', area, '0600')
          .given('/proc/swaps', 'Filename\n/swap file 1 0 -2\n'),
      broken: (r) => swap(r, { path: '/swap', absent: true }),
      repair: (host) => host.remove('/srv/memory-is-full'),
    },
    {
      source: 'resources/files/swap.ts',
      hint: 'declare no swap for a container: the host of the container decides',
      commands: swapPrograms,
      given: (host) => host.given('/run/container', ''),
      broken: usesSwap,
      repaired: (r) => directory(r, { path: '/data' }),
    },
    {
      source: 'resources/files/swap.ts',
      hint: 'choose a path on ext4 or xfs: findmnt --target /srv shows the file system',
      commands: swapPrograms,
      broken: (r) => swap(r, { path: '/srv/swap', size: '1M' }),
      repaired: usesSwap,
    },
    {
      source: 'resources/system/sysctl.ts',
      hint: 'remove the line with vm.swappiness from /etc/sysctl.d/zz.conf, or declare the value 5',
      commands: programs,
      given: (host) =>
        host.given('/proc/sys/vm/swappiness', '60\n').given('/etc/sysctl.d/zz.conf', 'vm.swappiness = 5\n'),
      broken: setting,
      repair: (host) => host.writeFile('/etc/sysctl.d/zz.conf', ''),
    },
    {
      source: 'resources/system/sysctl.ts',
      hint: 'correct the key, or load the kernel module that has it before this: ls /proc/sys/vm/swapiness',
      commands: programs,
      given: (host) => host.given('/etc/sysctl.d', null).given('/proc/sys/vm/swappiness', '60\n'),
      broken: (r) => sysctl(r, { key: 'vm.swapiness', value: 10 }),
      repaired: setting,
    },
    {
      source: 'resources/system/locale.ts',
      hint: "declare it before this: packages(r, { names: ['locales'] })",
      commands: programs,
      broken: (r) => locale(r, { generate: ['de_CH.UTF-8'] }),
      repair: (host) => host.given('/usr/share/i18n/SUPPORTED', 'de_CH.UTF-8 UTF-8\n'),
    },
    {
      source: 'resources/system/locale.ts',
      hint: 'correct its name: /usr/share/i18n/SUPPORTED lists the locales of this host',
      commands: programs,
      given: (host) => host.given('/usr/share/i18n/SUPPORTED', 'de_CH.UTF-8 UTF-8\n'),
      broken: (r) => locale(r, { generate: ['de_XX.UTF-8'] }),
      repaired: (r) => locale(r, { generate: ['de_CH.UTF-8'] }),
    },
    {
      source: 'resources/system/timezone.ts',
      hint: "correct its name, or declare the zones before this: packages(r, { names: ['tzdata'] })",
      broken: (r) => timezone(r, { zone: 'Etc/UTC' }),
      repair: (host) => host.given('/usr/share/zoneinfo/Etc/UTC', 'TZif'),
    },
  ])
})
