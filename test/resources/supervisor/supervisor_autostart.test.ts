/** Tests which programs start together with supervisord. */
import t from 'tap'
import type { VirtualHost } from '../../../core/host/virtual.ts'
import { supervisor_autostart } from '../../../resources/supervisor/supervisor_autostart.ts'
import { contract } from '../../support/contract.ts'

const confDir = '/etc/supervisor/conf.d'
const text = (app: string, autostart: string, own = true) =>
  `${own ? `; Written by converge${app && ` for ${app}`}; what is changed here by hand is lost.` : '; mine'}\n[program:x]\ncommand=/bin/x\nautostart=${autostart}\n`
const down = 'false ; stopped on purpose'

const files: Readonly<Record<string, string>> = {
  'site-client1': text('site', 'true'),
  'site-idle': text('site', 'false'),
  'shop-9090': text('shop', 'true'),
  'site-own': text('site', 'true', false),
  nginx: text('', 'true'),
}
const kept = { ...files, 'site-client1': text('site', down), nginx: text('', down) }

function given(all: Readonly<Record<string, string>>) {
  return (host: VirtualHost) => {
    host.given(confDir, null)
    for (const [name, content] of Object.entries(all)) host.given(`${confDir}/${name}.conf`, content, '0600')
  }
}

function filesOf(host: VirtualHost): Record<string, string | null> {
  return Object.fromEntries(Object.keys(files).map((name) => [name, host.readText(`${confDir}/${name}.conf`)]))
}

t.test('fulfils the contract of resources', (t) =>
  contract(t, supervisor_autostart, [
    {
      name: 'off: changes only the programs of the app that have autostart',
      props: { app: 'site', enabled: false },
      given: given(files),
      changes: ['remove /due/0'],
      then: (t, host) => {
        t.strictSame(filesOf(host), { ...files, 'site-client1': text('site', down) })
        t.equal(host.stat(`${confDir}/site-client1.conf`)?.mode, '0600')
      },
    },
    {
      name: 'off: changes a further program that is named',
      props: { app: 'site', programs: ['nginx'], enabled: false },
      given: given(files),
      then: (t, host) => t.strictSame(filesOf(host), kept),
    },
    {
      name: 'on: changes only the programs of the app without autostart',
      props: { app: 'site', programs: ['nginx'], enabled: true },
      given: given(kept),
      then: (t, host) => t.strictSame(filesOf(host), files),
    },
    {
      name: 'on: does nothing if all programs have autostart',
      props: { app: 'site', enabled: true },
      given: given(files),
      changes: [],
    },
    { name: 'does nothing if the directory does not exist', props: { app: 'site', enabled: false }, changes: [] },
  ]),
)
