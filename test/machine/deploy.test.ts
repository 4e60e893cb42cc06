/** Tests the built program end to end with real git, zc.buildout from PyPI, ZEO, Zope and supervisord. */
import t, { type Test } from 'tap'
import { DeploySite } from '../support/deploy_site.ts'
import { needs } from '../support/machine.ts'
import { reservePorts } from '../support/wait_until.ts'
import * as machine from './deploy/bad_host.ts'
import { environment } from './deploy/environment.ts'
import * as failures from './deploy/failures.ts'
import { deployPhases } from './deploy/hooks.ts'
import * as killed from './deploy/killed.ts'
import * as lifecycle from './deploy/lifecycle.ts'
import * as operating from './deploy/operating.ts'
import { checkData } from './deploy/steps.ts'

const minute = 60_000
// Longer than the runner's default: the first build fetches Zope, and another file may hold the ports.
t.setTimeout(40 * minute)

type Step = (t: Test, site: DeploySite) => Promise<void>

const steps: readonly (readonly [string, Step])[] = [
  ['plans for an empty host', lifecycle.barePlan],
  ['the first run, killed twice', killed.firstRun],
  ['the first run', lifecycle.firstRun],
  ['the second run does nothing', lifecycle.secondRun],
  ['nothing to do is one question to the repository', lifecycle.onlyRepositoryQuery],
  ['data written through one client is read through the other', lifecycle.writeData],
  ['a new revision', lifecycle.deployRevision],
  ['a build that fails', failures.build],
  ['a changed attribute, a rollback, and a rollback to the newer release', lifecycle.changeAttribute],
  ['any text of an environment', environment],
  ['always_build_on_deploy in both spellings', lifecycle.alwaysBuild],
  ['more clients, and fewer', lifecycle.changeClientCount],
  ['a rollback, and deploys of a branch, a tag and a commit', lifecycle.deployRevisions],
  ['hooks, a migration and a smoke test', deployPhases],
  ['a repository of 10,000 files', machine.manyFiles],
  ['a client that does not start', failures.brokenClient],
  ['a port that somebody else has', failures.takenPort],
  ['killed at any moment', killed.everywhere],
  ['the next run repairs what a killed run left', killed.oneByOne],
  ['two runs at once', killed.twoAtOnce],
  ['terminated during a build', killed.terminated],
  ['older releases are removed', machine.cleanedUp],
  ['no network', machine.offline],
  ['a full disk', machine.fullDisk],
  ['a directory nobody may write to', machine.readOnly],
  ['refuses a directory in place of the link to the release', machine.realDirectory],
  ['a clock that was set back', machine.clock],
  ['packing and backup', operating.jobs],
  ['mr.developer updates the sources', operating.develop],
  ['stop, start, restart, shutdown', operating.services],
  ['undeploy keeps the data', operating.undeploy],
  ['undeploy --purge leaves nothing', operating.purge],
]

t.test('a ZEO server and two clients', async (t) => {
  t.setTimeout(40 * minute)
  if (!needs(t, ['git', 'python3 venv', 'pip registry'])) return
  await reservePorts(t)
  const site = await DeploySite.make(t)
  for (const [name, step] of steps) {
    await t.test(name, { timeout: 10 * minute }, async (t) => {
      await step(t, site)
      await checkData(t, site)
    })
    if (!t.passing()) return t.comment('each step builds on those before: the rest is left out')
  }
})
