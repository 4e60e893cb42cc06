/** Tests resources that work as root in directories of another account. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import t from 'tap'
import { converge } from '../../core/converge/engine.ts'
import { LocalHost } from '../../core/host/local.ts'
import { archive } from '../../resources/files/archive.ts'
import { directory } from '../../resources/files/directory.ts'
import { failureOf, planOf } from '../support/contract.ts'
import { directoryOf, needs, scratch } from '../support/machine.ts'

const nobody = 65_534

t.test('the owner of the directory unpacks an archive', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const base = scratch(t)
  const own = directoryOf(base, 'own', 'nobody')
  const source = directoryOf(base, 'source')
  fs.mkdirSync(`${source}/eggs`)
  fs.writeFileSync(`${source}/eggs/one`, 'one')
  spawnSync('tar', ['-czf', `${base}/eggs.tgz`, '-C', source, '.'])
  const host = new LocalHost(`${base}/state`)
  const run = (props: object) =>
    converge(
      planOf((r) => void archive(r, { url: `${base}/eggs.tgz`, into: `${own}/cache`, ...props })),
      host,
      { id: 'x', mode: 'run' },
    )
  t.match(await run({ into: `${own}/first` }), { outcome: 'changed' })
  t.match(host.lstat(`${own}/first/eggs/one`), { uid: nobody, mode: '0644' })
  t.match(await run({ owner: 'www-data' }), { outcome: 'changed' })
  t.match(host.lstat(`${own}/cache/eggs/one`), { uid: 33, mode: '0644' })
  t.match(await run({ into: own, merge: true }), { outcome: 'changed' })
  t.match(host.lstat(`${own}/eggs/one`), { uid: nobody })
  fs.chmodSync(`${base}/eggs.tgz`, 0o600)
  const refused = failureOf(await run({ into: `${own}/second` }))
  t.match(refused, { code: 'EACCES', message: /^nobody cannot read the archive/, hint: /let that account read it/ })
  t.strictSame(fs.readdirSync(own).sort(), ['cache', 'eggs', 'first'], 'nothing is left behind')
})

t.test('the account does not get what its link points to', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const base = scratch(t)
  const own = directoryOf(base, 'own', 'nobody')
  const precious = directoryOf(base, 'precious')
  fs.symlinkSync(precious, `${own}/eggs`)
  const plan = planOf((r) => void directory(r, { path: `${own}/eggs`, owner: 'nobody', mode: '0777' }))
  const report = await converge(plan, new LocalHost(`${base}/state`), { id: 'x', mode: 'run' })
  t.match(failureOf(report), { code: 'IN_THE_WAY', message: /eggs is a link that nobody can change/ })
  t.match(fs.statSync(precious), { uid: 0, mode: 0o40755 })
})
