/** Proves the hints about backups: triggers each, then follows it. */
import t from 'tap'
import { VirtualHost } from '../../core/host/virtual.ts'
import { backupControl } from '../../recipes/plone/backups.ts'
import { FakeHost } from '../support/fake_host.ts'
import { proveCalls, proveCommands } from '../support/proofs.ts'
import { roleNode } from '../support/role_plans.ts'

const program = '/srv/www/zeoserver/shared/upkeep/upkeep.py'
const listed = '[{"id": "2026-11-30-21-00-04", "full": true, "bytes": 1, "blobs": null}]'

t.test('the hints about backups of a host work', async (t) => {
  const desk = (isDeployed: boolean, status: number) => {
    const host = new VirtualHost({
      commands: () => (status === 0 ? { stdout: `${listed}\n` } : { status, stderr: 'there is no backup in /backups' }),
    })
    if (isDeployed) host.given(program, '')
    return backupControl(roleNode({}), host, 'zeo-server')
  }
  const replaced = (answer: string) => {
    const host = new VirtualHost({ commands: () => ({ stdout: answer }) })
    host.given(program, '')
    return backupControl(roleNode({}), host, 'zeo-server')
  }
  for (const answer of ['', 'no JSON', '{}', '[1]', '[{"id": 7}]', 'null', '\x1b]0;x\x07'])
    await t.rejects(replaced(answer).list(), { code: 'BACKUP_UNUSABLE' }, `the program prints ${answer}`)
  const unreleased = new FakeHost({ roles: ['zeo-server'] })
  const undeveloped = new FakeHost({ roles: ['zeo-client'] })
  proveCalls(t, [
    {
      source: 'recipes/plone/backups.ts',
      hint: 'deploy it first, or make a backup: converge backup now --role …',
      broken: () => desk(false, 0).list(),
      repaired: () => desk(true, 0).list(),
    },
    {
      source: 'recipes/plone/backups.ts',
      hint: 'see which backups there are: converge backup list; make another one: converge backup now',
      broken: () => desk(true, 1).list(),
      repaired: () => desk(true, 0).list(),
    },
    {
      source: 'recipes/plone/backups.ts',
      hint: 'restore the program, which makes a backup too: converge backup now',
      broken: () => replaced('another text').list(),
      repaired: () => replaced(listed).list(),
    },
    {
      source: 'recipes/plone/upkeep.ts',
      hint: 'deploy it first: converge deploy --role …',
      broken: () => unreleased.run(['backup_now']),
      async repaired() {
        await unreleased.run()
        await unreleased.run(['backup_now'])
      },
    },
    {
      source: 'recipes/plone/develop.ts',
      hint: 'deploy it first: converge deploy --role …',
      broken: () => undeveloped.run(['develop_up']),
      async repaired() {
        await undeveloped.run()
        await undeveloped.run(['develop_up'])
      },
    },
  ])
})

t.test('the hints about RelStorage work', async (t) => {
  const pack = (enable_relstorage: boolean) => async () => {
    const host = new FakeHost({ roles: ['relstorage-pack'] })
    host.attributes = {
      ...host.attributes,
      plone_instances: { ...(host.attributes.plone_instances as object), enable_relstorage },
    }
    await host.run()
    return host.run(['pack'])
  }
  proveCalls(t, [
    {
      source: 'recipes/plone/upkeep.ts',
      hint: 'set plone_instances.enable_relstorage, or name the role of the ZEO server: --role zeo-server',
      broken: pack(false),
      repaired: pack(true),
    },
  ])
})

t.test('the hints about the words of converge backup work', (t) => {
  const source = 'core/cli/commands/backup.ts'
  const list = 'backup list --role zeo-server --prefix @/p'
  const reaches = 'has no backups'
  proveCommands(t, [
    {
      source,
      hint: 'name the role of the database: --role zeo-server, or --role relstorage-pack',
      broken: 'backup list --role memcached --prefix @/p',
      repaired: list,
      reaches,
    },
    { source, hint: 'there are: …', broken: `${list.replace('list', 'elsewhere')}`, repaired: list, reaches },
    { source, hint: 'converge backup …', broken: `${list.replace('list', 'list x')}`, repaired: list, reaches },
    {
      source,
      hint: 'converge backup now --full',
      broken: `${list} --full`,
      repaired: 'backup now --full --role zeo-server --prefix @/p',
      reaches: 'has no current release',
    },
  ])
  t.end()
})
