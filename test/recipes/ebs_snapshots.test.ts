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
  const jobs = async (text: string | null, hours = 1) => {
    const host = new VirtualHost()
    host.clock = Date.parse('2026-12-01T08:00:00Z') / 1000 + hours * 3600
    if (text !== null) host.given(record, text)
    const inspection = await role.inspect?.(roleNode({}), host)
    return inspection?.apps[0]?.jobs
  }
  const at = '2026-12-01T08:00:00+00:00'
  const good = { ended: at, status: 0, error: '', newest: '2026-12-01T08:00:00.000Z', skipped: [] }
  t.match(await jobs(JSON.stringify(good)), [{ name: 'snapshots', ok: true, detail: `succeeded, ${at}` }])
  t.match(await jobs(JSON.stringify(good), 27), [{ ok: false, detail: /too old: .* more than 26 hours ago/ }])
  t.match(await jobs(JSON.stringify({ ...good, skipped: ['vol-1'] })), [{ ok: true, detail: /pending: vol-1/ }])
  t.match(await jobs(JSON.stringify({ ...good, status: 1, error: 'AuthFailure' })), [
    { ok: false, detail: `failed, ${at}: AuthFailure` },
  ])
  const begun = JSON.stringify({ ...good, newest: null, begun: true })
  t.match(await jobs(begun), [{ ok: true, detail: `scheduled, ${at}` }])
  t.match(await jobs(begun, 27), [{ ok: false, detail: /missing: no snapshot is recorded/ }])
  for (const text of [null, '', 'null', '{"ended": 3}']) t.strictSame(await jobs(text), [], `${text}`)
})
