/** Tests sudoers: the file of a rule, and rules and names that it refuses. */
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { sudoers } from '../../../resources/accounts/sudoers.ts'
import { contract, planOf } from '../../support/contract.ts'

const path = '/etc/sudoers.d/deploy'
const commands: CommandHandler = ([program, , file = ''], _, host) => {
  if (program !== 'visudo') return null
  return host.readText(file)?.includes('ALL=') ? {} : { status: 1, stderr: `${file}:1:8: syntax error` }
}
const given =
  (content?: string, mode = '0440') =>
  (host: VirtualHost) => {
    host.given('/etc/sudoers.d', null).given('/usr/sbin/visudo', '', '0755')
    if (content !== undefined) host.given(path, content, mode)
  }
const props = { name: 'deploy', users: ['deploy', '%ops'] }
const rule = 'deploy, %ops ALL=(root) ALL\n'
const host = { commands }
const becomes = (content: string | null) => ({
  then: (t: { equal(a: unknown, b: unknown): unknown }, host: VirtualHost) => {
    t.equal(host.readText(path), content)
    t.equal(host.list('/etc/sudoers.d').length, content === null ? 0 : 1)
  },
})

contract(t, sudoers, [
  {
    name: 'writes a rule',
    props,
    host,
    given: given(),
    changes: ['replace /group', 'replace /owner', 'replace /mode = "0440"', 'replace /content', 'replace /kind'],
    ...becomes(rule),
  },
  {
    name: 'escapes commands',
    props: { ...props, commands: ['/bin/x a=b,c:d *', '/bin/y \\*'], noPassword: true, runAs: ['www-data'] },
    host,
    given: given(rule),
    ...becomes('deploy, %ops ALL=(www-data) NOPASSWD: /bin/x a\\=b\\,c\\:d *, /bin/y \\*\n'),
  },
  { name: 'leaves a correct file unchanged', props, host, given: given(rule), changes: [] },
  { name: 'corrects the mode', props, host, given: given(rule, '0644'), changes: ['replace /mode'] },
  {
    name: 'writes a given content',
    props: { name: 'deploy', content: 'x ALL=(ALL) ALL' },
    host,
    given: given(),
    ...becomes('x ALL=(ALL) ALL\n'),
  },
  { name: 'removes the file', props: { name: 'deploy', absent: true }, host, given: given(rule), ...becomes(null) },
  {
    name: 'fails if visudo refuses the rule',
    props: { name: 'deploy', content: 'x' },
    host,
    given: given(rule),
    fails: /rejects the new content.*syntax error/s,
  },
  {
    name: 'fails if sudo is not installed',
    props,
    host,
    given: (host) => void host.given('/etc/sudoers.d', null),
    fails: /sudo is not installed.*names: \['sudo'\]/,
  },
])

t.test('refuses names that sudo ignores, invalid accounts and invalid commands', async (t) => {
  for (const wrong of [
    { name: 'a.b' },
    { name: 'a~' },
    { name: '../a' },
    { users: ['a b'] },
    { users: ['a\nb'] },
    { commands: ['ls'] },
    { commands: ['/bin/ls\nALL'] },
    { commands: ['/bin/ls \\'] },
    { content: 'x' },
    { users: undefined },
  ])
    t.throws(() => planOf((r) => sudoers(r, { ...props, ...wrong })), JSON.stringify(wrong))
})
