/** Tests swap: swap areas in files. */
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { swap } from '../../../resources/files/swap.ts'
import { contract, planOf } from '../../support/contract.ts'

const [table, fstab, path] = ['/proc/swaps', '/etc/fstab', '/swapfile']
const header = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n'
const megabyte = 1024 * 1024
const area = (megabytes: number) => `${'\0'.repeat(4086)}SWAPSPACE2`.padEnd(megabytes * megabyte, '\0')
const entry = (priority: number) => `${path} file 1024 0 ${priority}\n`

/** `dd` allocates, `mkswap` writes the signature, and `swapon` and `swapoff` change what the kernel uses. */
const commands: CommandHandler = ([program, ...words], _, host) => {
  const target = words.at(-1) ?? ''
  const count = words.find((word) => word.startsWith('count='))?.slice('count='.length)
  const output = words.find((word) => word.startsWith('of='))?.slice('of='.length) ?? ''
  if (program === 'dd') host.given(output, '\0'.repeat(Number(count) * megabyte), '0600')
  else if (program === 'mkswap') host.given(target, area((host.stat(target)?.size ?? 0) / megabyte), '0600')
  else if (program === 'swapoff') host.given(table, header)
  else if (program !== 'swapon') return null
  else if (host.stat(target)?.mode !== '0600') return { status: 255, stderr: 'insecure permissions' }
  else host.given(table, `${header}${entry(words[0] === '--priority' ? Number(words[1]) : -2)}`)
  return {}
}
const host = { commands }
const line = `${path} none swap sw 0 0\n`
const given =
  (files: Readonly<Record<string, string>>, mode = '0600') =>
  (host: VirtualHost) => {
    host.given(table, header).given(fstab, '/dev/sda1 / ext4 defaults 0 1\n')
    for (const [path, content] of Object.entries(files)) host.given(path, content, path === '/swapfile' ? mode : '0644')
  }
const done = { [path]: area(1), [table]: `${header}${entry(-2)}`, [fstab]: line }

contract(t, swap, [
  {
    name: 'creates an area and uses it',
    props: { path, size: '1M' },
    host,
    given: given({}),
    changes: ['replace /active = true', 'replace /fstab', 'replace /access = "0600 root"', 'replace /size = 1048576'],
    then(t, host) {
      t.equal(host.readText(fstab), `/dev/sda1 / ext4 defaults 0 1\n${line}`)
      t.match(host.readText(table), entry(-2))
      t.equal(host.lstat(`${path}.converge-new`), null)
    },
  },
  { name: 'leaves a correct area alone', props: { path, size: '1 MiB' }, host, given: given(done), changes: [] },
  {
    name: 'replaces an area of another size',
    props: { path, size: '2M' },
    host,
    given: given(done),
    changes: ['replace /size = 2097152'],
    then: (t, host) => void t.match(host.readText(table), entry(-2)),
  },
  {
    name: 'changes the priority',
    props: { path, size: '1M', priority: 5 },
    host,
    given: given(done),
    changes: ['replace /priority = 5', 'replace /fstab = "/swapfile none swap sw,pri=5 0 0"'],
    then: (t, host) => void t.match(host.readText(table), entry(5)),
  },
  {
    name: 'activates an area, and corrects its mode',
    props: { path, size: '1M' },
    host,
    given: given({ ...done, [table]: header }, '0644'),
    changes: ['replace /active = true', 'replace /access = "0600 root"'],
  },
  {
    name: 'removes an area',
    props: { path, absent: true },
    host,
    given: given(done),
    changes: ['replace /active = false', 'replace /fstab = null', 'replace /access = null', 'replace /size = null'],
    then(t, host) {
      t.equal(host.lstat(path), null)
      t.equal(host.readText(fstab), '')
    },
  },
  {
    name: 'does nothing if the area to remove is missing',
    props: { path, absent: true },
    host,
    given: given({}),
    changes: [],
  },
  {
    name: 'fails if the file has data',
    props: { path, size: '1M' },
    host,
    given: given({ [path]: 'data' }),
    fails: /may hold data.*mv/,
  },
  {
    name: 'fails if a directory has its path',
    props: { path: '/srv', absent: true },
    host,
    given: given({}),
    fails: /\/srv is a directory/,
  },
  {
    name: 'fails if its directory does not exist',
    props: { path: '/none/x', size: '1M' },
    host,
    given: given({}),
    fails: /directory \/none does not exist/,
  },
])

t.test('refuses an invalid size', async (t) => {
  for (const size of ['0M', '1', '1K', '1.5G', '-1M', '1T', '2GB'])
    t.throws(() => planOf((r) => swap(r, { path, size })), size)
  t.throws(() => planOf((r) => swap(r, { path } as never)), { code: 'INVALID_PROP' })
})
