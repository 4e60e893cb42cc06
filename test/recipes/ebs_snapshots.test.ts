/** Tests what the role ebs-snapshots declares, refuses and reports. */
import t from 'tap'
import { VirtualHost } from '../../core/host/virtual.ts'
import role from '../../recipes/ebs_snapshots/role.ts'
import { planned, roleNode } from '../support/role_plans.ts'

const record = '/var/lib/converge-ebs-snapshots/snapshots.json'

t.test('schedules the snapshots at the given times', async (t) => {
  const { resources } = await planned(
    'ebs-snapshots',
    { ebs_snapshots: { hour: '2,14', minute: '*/30', weekday: 'mon' } },
    { event: 'setup' },
  )
  t.match(resources.at(-1), { name: 'cron converge-ebs-snapshots', props: { schedule: '*/30 2,14 * * mon' } })
})

t.test('the key is in no other resource than the file that only root can read', async (t) => {
  const ebs_snapshots = { aws_key: 'AKIAPLANTED', aws_secret: 'planted' }
  const { resources } = await planned('ebs-snapshots', { ebs_snapshots }, { event: 'setup,configure,backup_now' })
  const holders = resources.filter(({ props }) => /planted/i.test(JSON.stringify(props)))
  t.match(holders, [
    {
      name: 'file /var/lib/converge-ebs-snapshots/settings.json',
      props: { mode: '0600' },
      options: { sensitive: true },
    },
  ])
  t.equal(holders.length, 1)
})

t.test('refuses half a key, and times that cron does not know', async (t) => {
  const cases = [
    [{ aws_key: 'AKIA' }, /ebs_snapshots\.aws_secret is not set/],
    [{ aws_secret: 'planted' }, /ebs_snapshots\.aws_key is not set/],
    [{ hour: '24' }, /ebs_snapshots\.hour is not valid: the hour takes 0 to 23/],
    [{ minute: '5 6' }, /ebs_snapshots\.minute is not valid: five fields/],
    [{ weekday: '8' }, /ebs_snapshots\.weekday is not valid/],
  ] as const
  for (const [ebs_snapshots, message] of cases)
    for (const event of ['setup', 'configure', 'backup_now'])
      await t.rejects(planned('ebs-snapshots', { ebs_snapshots }, { event }), { message })
})

t.test('status reports snapshots that failed, are too old, or were never made', async (t) => {
  const jobs = async (text: string | null, hours = 1, ebs_snapshots = {}) => {
    const host = new VirtualHost()
    host.clock = Date.parse('2026-12-01T08:00:00Z') / 1000 + hours * 3600
    if (text !== null) host.given(record, text)
    const inspection = await role.inspect?.(roleNode({ ebs_snapshots }), host)
    return inspection?.apps[0]?.jobs
  }
  const at = '2026-12-01T08:00:00+00:00'
  const newest = (time: string | null, since = at) => ({ volumes: { 'vol-1': { newest: time, since } } })
  const good = { ended: at, status: 0, error: '', ...newest('2026-12-01T08:00:00.000Z'), skipped: [], unmounted: [] }
  const text = (more: object = {}) => JSON.stringify({ ...good, ...more })
  t.match(await jobs(text()), [{ name: 'snapshots', ok: true, detail: `succeeded, ${at}` }])
  t.match(await jobs(text(), 27), [{ ok: false, detail: /too old: the last run ended .* more than 26 hours ago/ }])
  t.match(await jobs(text(newest('2026-11-30T08:00:00.000Z')), 25), [{ ok: true }])
  t.match(await jobs(text(newest('2026-11-30T05:00:00.000Z'))), [
    { ok: false, detail: /too old: the last complete snapshot of vol-1 is from 2026-11-30T05/ },
  ])
  t.match(await jobs(text({ skipped: ['vol-1'] })), [{ ok: true, detail: /pending: vol-1/ }])
  t.match(await jobs(text({ unmounted: ['vol-2 (/dev/sdg)'] })), [
    { ok: true, detail: /without .*: vol-2 \(\/dev\/sdg\)/ },
  ])
  t.match(await jobs(text({ status: 1, error: 'AuthFailure' })), [{ ok: false, detail: `failed, ${at}: AuthFailure` }])
  t.match(await jobs(text(newest(null))), [{ ok: true }])
  t.match(await jobs(text(newest(null, '2026-11-29T08:00:00+00:00'))), [
    { ok: false, detail: /missing: vol-1 has no snapshot of converge/ },
  ])
  const begun = text({ volumes: {}, begun: true })
  t.match(await jobs(begun), [{ ok: true, detail: `scheduled, ${at}` }])
  t.match(await jobs(begun, 27), [{ ok: false, detail: /missing: no snapshot is recorded/ }])
  const weekly = { weekday: '0' }
  t.match(await jobs(text(), 169, weekly), [{ ok: true }])
  t.match(await jobs(text(), 171, weekly), [{ ok: false, detail: /more than 170 hours ago/ }])
  t.strictSame(await jobs(null), [])
  for (const damaged of ['', 'null', '{"ended": 3}'])
    t.match(await jobs(damaged), [{ ok: false, detail: /record \/var\S+ is damaged \(run converge/ }], damaged)
})
