/** Tests builds and clients that fail: the site stays up, and the next run repairs it. */
import { createServer } from 'node:net'
import type { Test } from 'tap'
import { reference } from '../../../recipes/plone/buildout_cfg.ts'
import { pageOf } from '../../support/deploy_pages.ts'
import type { DeploySite } from '../../support/deploy_site.ts'
import { isTaken, until } from '../../support/wait_until.ts'
import { checkFailure, checkPages, client, pids } from './steps.ts'

export async function build(t: Test, site: DeploySite): Promise<void> {
  const [before, running, good] = [site.currentPath(), await pids(site), site.read('cfg/base.cfg')]
  site.commit({ 'cfg/base.cfg': good.replace('zcml = example_site', `zcml = ${reference('nothing', 'here')}`) })
  for (const attempt of ['the first try', 'the next run tries again']) {
    const ended = await site.converge(['deploy'], client)
    await checkFailure(
      t,
      ended,
      /the buildout in .* failed: it exited with status 1/,
      /\| .*While:/,
      /\| Error: .*'nothing', was not defined/,
    )
    t.equal(site.currentPath(), before, `${attempt}: the old release stays live`)
    t.strictSame(await pids(site), running, 'and is not restarted')
  }
  t.equal((await site.inspect<{ lastRun: { outcome: string } }>('status')).lastRun.outcome, 'failed')
  site.commit({ 'cfg/base.cfg': good })
  await site.done(t, ['deploy'], client)
  await checkPages(t, site, site.latest)
  t.ok(
    (await site.releases()).every(({ complete }) => complete),
    'no file of the failed release remains',
  )
}

export async function brokenClient(t: Test, site: DeploySite): Promise<void> {
  const zcml = 'src/example_site/configure.zcml'
  const [good, running] = [site.read(zcml), await pids(site)]
  site.commit({ [zcml]: good.replace('.views.Status', '.views.Missing') })
  const ended = await site.converge(['deploy'], client)
  await checkFailure(
    t,
    ended,
    /plone_instances-client1 did not come up/,
    /\| .*Missing/,
    /left on the old process: plone_instances-client2/,
  )
  t.equal(await pageOf(1), null)
  t.equal((await pageOf(2))?.pid, running[1], 'the other one is as it was')
  t.ok(site.isComplete(site.currentPath() ?? ''))
  t.equal((await site.status()).status, 1)
  site.commit({ [zcml]: good })
  await site.done(t, ['deploy'], client)
  await checkPages(t, site, site.latest)
}

export async function takenPort(t: Test, site: DeploySite): Promise<void> {
  await site.done(t, ['stop'], client)
  const foreign = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => foreign.listen(8082, '0.0.0.0', resolve))
  try {
    site.commit()
    const ended = await site.converge(['deploy'], {
      ...client,
      json: { converge: { readiness: { deadline_seconds: 5 } } },
    })
    await checkFailure(
      t,
      ended,
      /plone_instances-client2 did not come up: port 8082 was still taken/,
      /restarted before it: plone_instances-client1/,
    )
    t.equal((await pageOf(1))?.version, site.latest)
  } finally {
    foreign.close()
  }
  await until(() => !isTaken(8082), 'the port is free')
  const first = (await pageOf(1))?.pid
  await site.done(t, ['deploy'], client)
  const [one] = await checkPages(t, site, site.latest)
  t.equal(one?.pid, first, 'it continued with the second client')
}
