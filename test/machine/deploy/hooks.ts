/** Tests hooks of the repository, a migration, and a smoke test that rolls the site back. */
import * as fs from 'node:fs'
import type { Test } from 'tap'
import type { DeploySite } from '../../support/deploy_site.ts'
import { checkFailure, checkPages, client, pids } from './steps.ts'

const note = (what: string) => `#!/bin/sh\necho "${what} $CONVERGE_HOOK $(cat VERSION)" >> ../../shared/moments\n`

const inTypeScript = `import type { DeployHook } from 'converge-engine'
import { appendFileSync, readFileSync } from 'node:fs'
const hook: DeployHook = ({ hook, release }) =>
  appendFileSync('../../shared/moments', \`typescript \${hook} \${readFileSync(release + '/VERSION', 'utf8')}\`)
export default hook
`

const app = (more: object) => ({ ...client, json: { deploy: { plone_instances: more } } })
/** As in the documentation; the clients run, and hold the locks of their persistent caches. */
const migration = { migrate: true, migrate_command: 'bin/client1 run migrate.py' }
const migrating = `with open('../../shared/moments', 'a') as moments:
    moments.write('migration ' + open('VERSION').read())
    assert app.objectIds() is not None
`
const afterwards = `#!/bin/sh
set -e
test "$CONVERGE_RELEASE" = "$PWD"
"$CONVERGE_CLIENT" run after.py
`

export async function deployPhases(t: Test, site: DeploySite): Promise<void> {
  const readNotes = () => fs.readFileSync(`${site.directory()}/shared/moments`, 'utf8').trim().split('\n')
  fs.mkdirSync(`${site.repository}/deploy`)
  fs.writeFileSync(`${site.repository}/deploy/before_restart`, note('shell'), { mode: 0o755 })
  fs.writeFileSync(`${site.repository}/deploy/after_restart`, afterwards, { mode: 0o755 })
  const after = "open('../../shared/after', 'w').write(open('VERSION').read())\n"
  site.commit({ 'deploy/before_migrate.ts': inTypeScript, 'migrate.py': migrating, 'after.py': after })
  const test = { smoke_test: { http: [{ contains: 'version' }], command: 'test -x bin/client1' } }
  await site.done(t, ['deploy'], app({ ...migration, ...test }))
  await checkPages(t, site, site.latest)
  const version = site.latest
  const first = [`typescript before_migrate ${version}`, `migration ${version}`, `shell before_restart ${version}`]
  t.strictSame(readNotes(), first)
  t.equal(fs.readFileSync(`${site.directory()}/shared/after`, 'utf8').trim(), version, 'a hook runs a client as well')
  const configuration = fs.readFileSync(`${site.directory()}/current/parts/client1/etc/zope.conf`, 'utf8')
  t.match(configuration, /^\s*client zeoclient-1$/m, 'the clients keep their persistent caches')
  t.match((await site.done(t, ['deploy'], app({ ...migration, ...test }))).output, /^nothing to do/m)

  const [good, running] = [site.currentPath(), await pids(site)]
  site.commit()
  const bad = {
    smoke_test: { http: [{ contains: 'nowhere to be found' }], deadline_seconds: 2, rollback_on_failure: true },
  }
  const ended = await site.converge(['deploy'], app({ ...migration, ...bad }))
  await checkFailure(
    t,
    ended,
    /did not pass its smoke test: .*its answer does not contain 'nowhere to be found'/,
    /note: zeo-client: rollback, since what was deployed failed/,
  )
  t.equal(site.currentPath(), good, 'the site is back on the release before')
  await checkPages(t, site, version)
  t.not((await pids(site))[0], running[0], 'whose clients were started again')
  t.match(readNotes().slice(-4), [
    /typescript before_migrate/,
    /migration/,
    /shell before_restart/,
    `shell before_restart ${version}`,
  ])
  fs.rmSync(`${site.repository}/deploy`, { recursive: true })
  site.commit()
  await site.done(t, ['deploy'], client)
  await checkPages(t, site, site.latest)
}
