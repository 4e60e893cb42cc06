/** Tests paths of programs that contain their version. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { derived } from '../../../core/model/reference.ts'
import { execute } from '../../../resources/commands/execute.ts'
import { file } from '../../../resources/files/file.ts'
import { package_ } from '../../../resources/packages/package.ts'
import { newestVersion, versioned_program } from '../../../resources/packages/versioned_program.ts'
import { contract, failureOf, planOf, run } from '../../support/contract.ts'

const path = '/usr/sbin/php-fpm'

contract(t, versioned_program, [
  { name: 'one', props: { path }, given: (host) => void host.given(`${path}8.4`, ''), changes: [] },
  { name: 'none', props: { path }, fails: /no version of \/usr\/sbin\/php-fpm is installed.*run setup/s },
])

t.test('selects the newest version', (t) => {
  const cases: [names: string[], version: string | null][] = [
    [['php-fpm7.4', 'php-fpm8.4'], '8.4'],
    [['php-fpm8.9', 'php-fpm8.10'], '8.10'],
    [['php-fpm8', 'php-fpm8.1'], '8.1'],
    [['php-fpm', 'php-fpm8.2.dpkg-old', 'php-fpm-8.3', 'php-fpmx'], null],
    [[], null],
  ]
  for (const [names, version] of cases) {
    const host = new VirtualHost().given('/usr/sbin', null)
    for (const name of names) host.given(`/usr/sbin/${name}`, '')
    t.equal(newestVersion(host, path), version, names.join(' '))
  }
  t.end()
})

t.test('a plan before the installation does not know the version', async (t) => {
  const plan = planOf((r) => {
    package_(r, { names: ['php-fpm'] })
    file(r, { path: '/srv/version', content: versioned_program(r, { path }).version })
  })
  const report = await run(plan, new VirtualHost({ base: new VirtualHost() }), 'plan')
  t.strictSame(failureOf(report), undefined)
  t.strictSame(
    report.resources.map(({ outcome }) => outcome),
    ['planned', 'unknown', 'unknown'],
  )
})

t.test('work done for a path with the version is not due again when the recipe knows the version', async (t) => {
  const host = new VirtualHost({ commands: () => ({}) }).given(`${path}8.4`, '').given('/etc/php/8.4', null)
  const pool = (version: string | null, content: string) =>
    planOf((r) => {
      const found = version ?? versioned_program(r, { path }).version
      const config = file(r, { path: derived(found, (known) => `/etc/php/${known}/pool.conf`), content })
      execute(r, { name: 'reload', command: 'reload', when: [config] })
    })
  const first = await run(pool(null, 'one'), host)
  t.strictSame(failureOf(first), undefined)
  t.match(await run(pool('8.4', 'one'), host), { outcome: 'unchanged' })
  t.match(await run(pool(null, 'one'), host), { outcome: 'unchanged' })
  const changed = await run(pool('8.4', 'two'), host)
  t.match(
    changed.resources.map(({ name }) => name),
    ['file /etc/php/8.4/pool.conf', 'execute reload'],
  )
  // Loaded manually, and restored by a run that does not know the version.
  host.given('/etc/php/8.4/pool.conf', 'by hand')
  const back = await run(pool(null, 'two'), host)
  t.equal(back.resources.length, 2, 'due')
  t.match(await run(pool('8.4', 'two'), host), { outcome: 'unchanged' })
})
