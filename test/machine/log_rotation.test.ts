/** Tests the rotation of Zope's logs by the file that converge writes, while requests run: no line is lost. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { request } from 'node:http'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import type { SiteNode } from '../../recipes/node.ts'
import { buildoutApp } from '../../recipes/plone/buildout_app.ts'
import { logrotate } from '../../recipes/plone/setup.ts'
import { DeploySite } from '../support/deploy_site.ts'
import { offeredEggs } from '../support/eggs.ts'
import { needs, scratch } from '../support/machine.ts'
import { roleNode } from '../support/role_plans.ts'
import { reservePorts } from '../support/wait_until.ts'

t.setTimeout(900_000)
const roles = ['zeo-server', 'zeo-client'] as const
const rotations = 5

function statusOf(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const message = request({ host: '127.0.0.1', port: 8081, path, agent: false }, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode ?? 0))
    })
    message.once('error', reject)
    message.end()
  })
}

/** Returns the lines of a log and of its rotated files. */
function linesOf(directory: string, log: string): string[] {
  const files = fs.readdirSync(directory).filter((name) => name === log || name.startsWith(`${log}.`))
  return files.flatMap((name) => {
    const bytes = fs.readFileSync(`${directory}/${name}`)
    return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString().split('\n')
  })
}

t.test('log_rotation rename loses no line', async (t) => {
  if (!needs(t, ['root', 'git', 'python3 venv', 'pip registry', 'logrotate'])) return
  await reservePorts(t)
  const site = await DeploySite.make(t)
  const base = site.read('cfg/base.cfg')
  const watched = base
    .replaceAll('handlers.RotatingFileHandler', 'handlers.WatchedFileHandler')
    .replaceAll("{'maxBytes': 5242880, 'backupCount': 5}", '{}')
  t.not(watched, base)
  site.commit({ 'cfg/base.cfg': watched })
  site.json = { ...(await offeredEggs(t)), plone_instances: { instance_count: 1 } }
  await site.done(t, [], { roles })
  if (!t.passing()) return

  const node = roleNode({ converge: { log_rotation: 'rename' } }) as SiteNode
  const { name } = site.account
  const group = site.as('id', '-gn').trim()
  const app = {
    ...buildoutApp(node, 'zeo-client'),
    shared: `${site.directory()}/shared`,
    owner: { owner: name, group },
  }
  const root = scratch(t)
  fs.writeFileSync(`${root}/rotate.conf`, logrotate(node, app))
  const rotate = () => {
    const args = ['-f', '-s', `${root}/state`, `${root}/rotate.conf`]
    return spawnSync('logrotate', args, { encoding: 'utf8' })
  }
  let isOver = false
  let sent = 0
  const statuses: number[] = []
  const visit = async (visitor: number): Promise<void> => {
    while (!isOver) {
      sent++
      statuses.push(await statusOf(`/?rotated=${visitor}-${sent}`))
    }
  }
  const visitors = Promise.all([1, 2, 3, 4].map(visit))
  for (let count = 0; count < rotations; count++) {
    await new Promise((resolve) => setTimeout(resolve, 1500))
    const { status, stderr } = rotate()
    t.equal(status, 0, stderr)
  }
  isOver = true
  await visitors
  t.ok(sent > 100, `${sent} requests`)
  t.equal(statuses.filter((status) => status !== 200).length, 0, 'no request fails')
  const directory = `${app.shared}/var/log`
  const found = linesOf(directory, 'client1-access.log').filter((line) => line.includes('/?rotated='))
  t.equal(new Set(found).size, sent, 'no line is lost')
  t.ok(fs.readdirSync(directory).includes(`client1-access.log.${rotations}.gz`), 'each rotation made a file')
})
