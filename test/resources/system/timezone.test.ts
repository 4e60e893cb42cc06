/** Tests timezone: the zone of the system. */
import t from 'tap'
import type { VirtualHost } from '../../../core/host/virtual.ts'
import { timezone } from '../../../resources/system/timezone.ts'
import { contract, planOf } from '../../support/contract.ts'

const zone = 'Europe/Zurich'
const given = (target: string | null, name?: string) => (host: VirtualHost) => {
  host.given(`/usr/share/zoneinfo/${zone}`, 'TZif')
  if (target !== null) host.given('/etc/localtime', { link: target })
  if (name !== undefined) host.given('/etc/timezone', name)
}

contract(t, timezone, [
  {
    name: 'sets the zone',
    props: { zone },
    given: given('/usr/share/zoneinfo/Etc/UTC', 'Etc/UTC\n'),
    changes: ['replace /timezone = "Europe/Zurich"', 'replace /localtime = "Europe/Zurich"'],
    then: (t, host) => void t.equal(host.readLink('/etc/localtime'), `/usr/share/zoneinfo/${zone}`),
  },
  { name: 'creates missing files', props: { zone }, given: given(null), changes: ['replace', 'replace'] },
  {
    name: 'leaves a correct zone alone',
    props: { zone },
    given: given(`../usr/share/zoneinfo/${zone}`, `${zone}\n`),
    changes: [],
  },
  {
    name: 'replaces a copy of the zone by a link',
    props: { zone },
    given(host) {
      given(null, `${zone}\n`)(host)
      host.given('/etc/localtime', 'TZif')
    },
    changes: ['replace /localtime'],
  },
  {
    name: 'fails for an unknown zone',
    props: { zone: 'Europe/Zuerich' },
    given: given(null),
    fails: /no time zone Europe\/Zuerich.*tzdata/,
  },
])

t.test('refuses an invalid zone', async (t) => {
  for (const wrong of ['', '/etc/passwd', '../x', 'a b', 'Europe/'])
    t.throws(() => planOf((r) => timezone(r, { zone: wrong })), { code: 'INVALID_PROP' })
})
