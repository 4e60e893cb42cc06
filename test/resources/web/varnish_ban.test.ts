/** Tests that pages of an app are banned once for each release, deployment or command. */
import t from 'tap'
import { type CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { file } from '../../../resources/files/file.ts'
import { varnish_ban } from '../../../resources/web/varnish_ban.ts'
import { contract, planOf, run } from '../../support/contract.ts'

const config = '/etc/varnish/default.vcl'
const url = '^(/VirtualHostBase/[^/]+/[^/]+)?/Plone([/?]|$)'
const quoted = `"${url}"`
const props = { app: 'site', urls: [url], config }

class Varnish {
  readonly bans: string[] = []
  isUp = true
  readonly commands: CommandHandler = ([program, ...words]) => {
    if (program !== 'varnishadm') return {}
    if (!this.isUp) return { status: 1, stderr: 'No -T in shared memory' }
    if (words.includes('ban')) this.bans.push(words.join(' '))
    return {}
  }
}

function host(varnish: Varnish): VirtualHost {
  return new VirtualHost({ commands: varnish.commands }).given(config, 'vcl 4.1;\n')
}

const commands: CommandHandler = () => ({})
const banned = ['replace /outdated = false']
t.test('fulfils the contract of resources', (t) =>
  contract(t, varnish_ban, [
    { name: 'does nothing without a reason', props, host: { commands }, changes: [] },
    { name: 'bans for a command', props: { ...props, force: 'run-1' }, host: { commands }, changes: banned },
    {
      name: 'bans for a deployment',
      props: { ...props, directory: '/srv/v', deployed: { commit: 'c0ffee', deployment: '12' } },
      host: { commands },
      given: (host) => void host.given(config, ''),
      changes: banned,
    },
  ]),
)

t.test('bans once for each deployment, commit and command', async (t) => {
  const varnish = new Varnish()
  const on = host(varnish)
  const bans = async (more: object) => {
    const before = varnish.bans.length
    const report = await run(
      planOf((r) => void varnish_ban(r, { ...props, ...more })),
      on,
    )
    t.equal(report.outcome, varnish.bans.length > before ? 'changed' : 'unchanged')
    return varnish.bans.length - before
  }
  const deployed = (commit: string | null, deployment: string | null) => ({ deployed: { commit, deployment } })
  t.equal(await bans(deployed('a', '1')), 1)
  t.equal(varnish.bans[0], `ban req.url ~ ${quoted}`)
  t.equal(await bans(deployed('a', '1')), 0)
  t.equal(await bans(deployed('a', null)), 0, 'a deploy without a switch')
  t.equal(await bans(deployed('b', null)), 1, 'the deploy was killed after the switch and before the ban')
  t.equal(await bans(deployed('b', '3')), 1)
  t.equal(await bans(deployed(null, '4')), 1, 'a rollback')
  t.equal(await bans({ force: 'x' }), 1)
  t.equal(await bans({ force: 'x' }), 0)
  on.record('ban site', '{')
  t.equal(await bans({ force: 'x' }), 1, 'a damaged record counts as none')
})

t.test('bans once for each release of this host', async (t) => {
  const varnish = new Varnish()
  const on = host(varnish)
  const deploy = (content: string) =>
    run(
      planOf((r) => {
        const current = file(r, { path: '/srv/current', content })
        varnish_ban(r, { ...props, when: [current] })
      }),
      on,
    )
  for (const [content, bans] of [
    ['1', 1],
    ['1', 1],
    ['2', 2],
    ['1', 3],
    ['1', 3],
  ] as const) {
    await deploy(content)
    t.equal(varnish.bans.length, bans)
  }
})

t.test('does nothing while Varnish is stopped', async (t) => {
  const varnish = new Varnish()
  varnish.isUp = false
  const forced = planOf((r) => void varnish_ban(r, { ...props, force: 'x' }))
  const report = await run(forced, host(varnish))
  t.equal(report.outcome, 'changed')
  t.strictSame(report.warnings, [], 'the operator need not act')
  const without = await run(forced, new VirtualHost({ commands: varnish.commands }))
  t.strictSame(without.warnings, [], 'it is not even set up')
})
