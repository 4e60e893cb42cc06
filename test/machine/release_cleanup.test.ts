/** Tests old releases that cannot be removed: runs report them, retry later, and still deploy. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import t from 'tap'
import { compile } from '../../core/compile/compile.ts'
import { role } from '../../core/compile/role.ts'
import { converge } from '../../core/converge/engine.ts'
import { LocalHost } from '../../core/host/local.ts'
import { release_cleanup } from '../../resources/releases/release_cleanup.ts'
import { needs, scratch } from '../support/machine.ts'

function releases(t: Parameters<typeof scratch>[0], count: number) {
  const at = scratch(t)
  for (let number = 1; number <= count; number++) addRelease(at, number)
  return at
}

function addRelease(at: string, number: number): string {
  const path = `${at}/releases/00000${number}-1a2b3c4d`
  fs.mkdirSync(`${path}/.converge`, { recursive: true })
  for (const name of ['complete', 'release.json']) fs.writeFileSync(`${path}/.converge/${name}`, '')
  fs.rmSync(`${at}/current`, { force: true })
  fs.symlinkSync(path, `${at}/current`)
  return path
}

async function clean(at: string) {
  const props = { into: `${at}/releases`, current: `${at}/current`, keep: 2 }
  const plan = compile([role<unknown>('t', { deploy: (r) => void release_cleanup(r, props) })], ['deploy'], {})
  return converge(plan, new LocalHost(`${at}/state`), { id: 't', mode: 'run' })
}

t.test('reports what it cannot remove, and a later cleanup retries', async (t) => {
  if (!needs(t, ['root', 'tmpfs'])) return
  const at = releases(t, 4)
  const data = `${at}/data`
  fs.mkdirSync(data)
  fs.writeFileSync(`${data}/precious`, 'precious')
  const mount = `${at}/releases/000001-1a2b3c4d/var`
  fs.mkdirSync(mount)
  // A bind mount of the same file system: rm sees it as an ordinary directory.
  t.equal(spawnSync('mount', ['--bind', data, mount]).status, 0)
  t.teardown(() => void spawnSync('umount', [mount]))
  const report = await clean(at)
  t.equal(report.outcome, 'changed')
  t.match(report.warnings.join(), new RegExp(`something is mounted at ${mount}: \\(umount ${mount}\\)`))
  t.strictSame(
    fs.readdirSync(`${at}/releases`),
    ['000001', '000003', '000004'].map((one) => `${one}-1a2b3c4d`),
  )
  t.equal(fs.readFileSync(`${data}/precious`, 'utf8'), 'precious')
  const again = await clean(at)
  t.equal(again.outcome, 'unchanged', 'not by every run')
  t.match(again.warnings.join(), /000001-1a2b3c4d in .* could not be removed/)
  spawnSync('umount', [mount])
  addRelease(at, 5)
  t.match(await clean(at), { outcome: 'changed', warnings: [] })
  t.strictSame(
    fs.readdirSync(`${at}/releases`),
    ['000004', '000005'].map((one) => `${one}-1a2b3c4d`),
  )
})

t.test('removes a directory without write permission of an account other than root', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const at = releases(t, 3)
  const closed = `${at}/releases/000001-1a2b3c4d/closed/deep`
  fs.mkdirSync(closed, { recursive: true })
  fs.writeFileSync(`${closed}/x`, '')
  spawnSync('chown', ['--recursive', 'nobody', at])
  for (const path of [closed, `${closed}/..`]) fs.chmodSync(path, 0o555)
  t.match(await clean(at), { outcome: 'changed', warnings: [] })
  t.strictSame(
    fs.readdirSync(`${at}/releases`),
    ['000002', '000003'].map((one) => `${one}-1a2b3c4d`),
  )
})
