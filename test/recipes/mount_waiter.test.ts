/**
 * Tests blobs on a network mount: after a reboot, the app's programs start once the directory is mounted, and not
 * before.
 */
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { FakeHost } from '../support/fake_host.ts'
import { nothingToDo, succeeded } from '../support/lifecycle.ts'
import { needs, scratch } from '../support/machine.ts'
import { planned } from '../support/role_plans.ts'
import { until } from '../support/wait_until.ts'

const mounted = 'nas:/b /srv/www/site/shared/var/blobstorage nfs4 rw 0 0\n'
const files = (host: FakeHost) =>
  Object.fromEntries(
    host.machine
      .list('/etc/supervisor/conf.d')
      .map((name) => [name, host.machine.readText(`/etc/supervisor/conf.d/${name}`) ?? '']),
  )

function withBlobs(host: FakeHost, nfs_blobs: boolean): void {
  const { plone_instances } = host.attributes as { plone_instances: object }
  host.attributes = { ...host.attributes, plone_instances: { ...plone_instances, nfs_blobs } }
}

t.test('only the waiter starts with supervisord', async (t) => {
  const host = new FakeHost({ roles: ['zeo-client'] })
  host.machine.given('/proc/self/mounts', mounted)
  succeeded(t, await host.run())
  const before = files(host)
  t.ok(Object.values(before).every((text) => /^autostart=true$/m.test(text)))
  withBlobs(host, true)
  succeeded(t, await host.run())
  const { 'converge-mount-site.conf': waiter = '', ...others } = files(host)
  t.match(waiter, /^autostart=true$/m)
  for (const [name, text] of Object.entries(others)) {
    t.match(text, /^autostart=false$/m, name)
    t.ok(waiter.includes(name.replace('.conf', '')), `it starts ${name}`)
  }
  await nothingToDo(t, host)

  succeeded(t, await host.run(['stop']))
  for (const text of Object.values(files(host))) t.match(text, /^autostart=false/m, 'a reboot starts nothing')
  succeeded(t, await host.run(['start']))
  t.match(files(host), { 'converge-mount-site.conf': /^autostart=true$/m })

  withBlobs(host, false)
  succeeded(t, await host.run())
  t.strictSame(files(host), before, 'as before without the attribute')
  withBlobs(host, true)
  succeeded(t, await host.run())
  succeeded(t, await host.run(['undeploy']))
  t.strictSame(files(host), {})
})

async function waiterCommand(prefix: string): Promise<string[]> {
  const json = {
    converge: { prefix },
    plone_instances: { nfs_blobs: true, instance_count: 2 },
    deploy: { plone_instances: { scm: { repository: 'git@h:r.git' } } },
  }
  const { resources } = await planned('zeo-client', json, { event: 'restart' })
  const found = resources.find(({ props }) => (props as { name?: string }).name === 'converge-mount-plone_instances')
  return ['-c', `exec ${(found?.props as { command?: string } | undefined)?.command}`]
}

/** Makes stand-ins that the command uses instead of the system's programs. */
function standIns(t: Test, prefix: string): string {
  const bin = `${scratch(t)}/bin`
  mkdirSync(bin)
  mkdirSync(`${prefix}/opt/supervisor/bin`, { recursive: true })
  const scripts = {
    [`${bin}/findmnt`]: `printf "%s\\n" "$*" >> ${prefix}/asked; cat ${prefix}/type`,
    [`${bin}/sleep`]: '/bin/sleep 0.05',
    [`${prefix}/opt/supervisor/bin/supervisorctl`]: `printf "%s\\n" "$*" >> ${prefix}/started; exit 7`,
  }
  for (const [path, text] of Object.entries(scripts)) {
    writeFileSync(path, `#!/bin/sh\n${text}\n`)
    chmodSync(path, 0o755)
  }
  return bin
}

t.test('waits until the directory is on a network file system', async (t) => {
  if (!needs(t, ['bash'])) return
  for (const type of ['nfs4', 'nfs', 'fuse.glusterfs']) {
    const prefix = `${scratch(t)}/p`
    const bin = standIns(t, prefix)
    writeFileSync(`${prefix}/type`, 'ext4\n')
    const command = await waiterCommand(prefix)
    const child = spawn('/bin/sh', command, { env: { PATH: `${bin}:/usr/bin:/bin` }, stdio: 'inherit' })
    const ended = new Promise<number | null>((resolve) => void child.once('exit', resolve))
    const recordedQueries = () => (existsSync(`${prefix}/asked`) ? readFileSync(`${prefix}/asked`, 'utf8') : '')
    await until(() => recordedQueries().split('\n').length > 3, 'it has asked several times')
    t.notOk(existsSync(`${prefix}/started`), 'nothing starts on the disk of the host')
    t.ok(recordedQueries().includes(`-T ${prefix}/srv/www/plone_instances/shared/var/blobstorage\n`))
    writeFileSync(`${prefix}/type`, `${type}\n`)
    t.equal(await ended, 0, 'also where supervisorctl reports one that runs already')
    const started = readFileSync(`${prefix}/started`, 'utf8')
    t.match(started, / start plone_instances-client1 plone_instances-client2\n$/)
  }
})
