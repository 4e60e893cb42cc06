/**
 * Tests deploys under full load, with each request counted: visitors must not notice them. The file shares its ports
 * with deploy.test.ts; its name sorts far from that one, so that neither waits for the other.
 */
import t from 'tap'
import { DeploySite } from '../support/deploy_site.ts'
import { measureScene, scenes, wholeSite } from '../support/downtime.ts'
import { needs } from '../support/machine.ts'
import { reservePorts } from '../support/wait_until.ts'

t.test('updates a site of three clients without a failed request', async (t) => {
  t.setTimeout(20 * 60_000)
  if (!needs(t, ['git', 'python3 venv', 'pip registry', 'haproxy', 'varnishd', 'nginx', 'wrk'])) return
  await reservePorts(t)
  const site = await DeploySite.make(t)
  const port = await wholeSite(t, site)
  for (const scene of scenes)
    await t.test(scene.name, { timeout: 5 * 60_000 }, async (t) => {
      const { requests, failed, kinds, p99Ms, longestMs } = await measureScene(scene, site, port)
      t.comment(
        `${requests} requests, ${failed} failed, p99 ${p99Ms.toFixed(0)} ms, longest ${longestMs.toFixed(0)} ms`,
      )
      t.ok(requests > 50, `${requests} requests`)
      if (!scene.mayFail) t.equal(failed, 0, JSON.stringify(kinds))
    })
})
