/**
 * Tests the guide docs/plone-6.md literally on a host with systemd: Plone 6 from PyPI behind nginx, Varnish and
 * HAProxy.
 */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { allBlocks, project } from '../docs/blocks.ts'
import { needs } from '../support/machine.ts'
import { type Ended, systemdHostNeeds, testNetwork } from './support/hosts.ts'
import { underLoad } from './support/load.ts'
import { installProgram } from './support/program_on_host.ts'
import { webProxy } from './support/web_proxy.ts'

const blocks = allBlocks().filter(({ page }) => page === 'docs/plone-6.md')
const block = (heading: string) => blocks.find((one) => one.heading === heading)?.text ?? ''

t.test('follows the guide, from an empty host to a rollback', async (t) => {
  t.setTimeout(25 * 60_000)
  const programs = ['git', 'python3 venv', 'pip registry', 'supervisord', 'haproxy', 'varnishd', 'nginx'] as const
  if (!needs(t, [...systemdHostNeeds, ...programs])) return
  const network = await testNetwork(t)
  const host = await network.systemdHost('plone', { node: 'own' })
  installProgram(host)
  cpSync(join(project, 'fixtures'), `${host.root}/opt/converge/fixtures`, { recursive: true })
  await host.run('ln -s ../../../opt/converge/dist/start.cjs /usr/local/bin/converge')
  const env = {
    ...(await webProxy(t, network.gateway)),
    ...{ no_proxy: '127.0.0.1', GIT_AUTHOR_NAME: 'Ann', GIT_COMMITTER_NAME: 'Ann' },
    ...{ GIT_AUTHOR_EMAIL: 'ann@example.com', GIT_COMMITTER_EMAIL: 'ann@example.com' },
  }
  const run = (script: string): Promise<Ended> => host.run(`set -euo pipefail\ncd /opt/converge\n${script}`, { env })
  const follow = async (heading: string): Promise<string> => {
    const began = performance.now()
    const { status, stdout, stderr } = await run(block(heading))
    t.equal(status, 0, heading)
    if (status !== 0) t.comment(`${stdout.slice(-4000)}\n${stderr.slice(-2000)}`)
    t.comment(`${heading}: ${((performance.now() - began) / 1000).toFixed(0)} s`)
    return stdout
  }

  await follow('1. Make the repository')
  host.write('/etc/converge/site.json', block('2. Describe the host'))
  await follow('3. Converge')
  if (!t.passing()) return
  await follow('4. Create the Plone site')
  const visited = await follow('5. Visit it')
  t.match(visited, / -?\S*-1 +127\.0\.0\.1:8081 +up /)
  t.match(visited, / \S*-2 +127\.0\.0\.1:8082 +up /)
  t.match((await run('converge')).stdout, /^nothing to do/m)

  for (const heading of ['6. Deploy a new commit', '7. Roll back']) {
    const { requests, failed, longestMs } = await underLoad(80, () => follow(heading), {
      ...{ connections: 4, address: host.address, path: '/@@release', pauseMs: 50 },
    })
    t.comment(`${heading}: ${requests} requests, ${failed.length} failed, longest ${longestMs.toFixed(0)} ms`)
    t.ok(requests > 20)
    t.strictSame(failed, [])
  }
  t.match((await run('curl -s http://127.0.0.1/@@release')).stdout, 'version: 2')
})
