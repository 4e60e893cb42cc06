/** Tests npm_install: when npm runs, and with which options. */
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { npm_install } from '../../../resources/node/npm_install.ts'
import { contract, failureOf, patchOf, planOf, run } from '../../support/contract.ts'

const path = '/srv/shop'
const record = `${path}/node_modules/.package-lock.json`
const ran: string[] = []
const commands: CommandHandler = ([program, ...words], { user, cwd }, host) => {
  if (program === 'node') return { stdout: host.readText('/srv/node-version') ?? 'v20.1.0\n' }
  if (program !== 'npm') return null
  ran.push(`${user} ${cwd} ${words.join(' ')}`)
  if (host.readText(`${path}/package.json`) !== 'empty')
    host.given(record, host.readText(`${path}/package-lock.json`) ?? '')
  return {}
}
const host = { commands }
const props = { path, user: 'deploy' }
const given =
  (files: Readonly<Record<string, string>> = {}) =>
  (host: VirtualHost) => {
    host.given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\ndeploy:x:1000:1000::/home/deploy:/bin/sh\n')
    host.given(`${path}/package.json`, '{}').given(`${path}/package-lock.json`, 'lock 1')
    for (const [file, content] of Object.entries(files)) host.given(file, content)
  }

contract(t, npm_install, [
  {
    name: 'installs the packages of the lock file, without scripts',
    props,
    host,
    given: given(),
    changes: ['replace /installed'],
    then: (t, host) => {
      t.equal(host.readText(record), 'lock 1')
      t.equal(ran.at(-1), `deploy ${path} ci --no-audit --no-fund --no-update-notifier --omit=dev --ignore-scripts`)
    },
  },
  {
    name: 'installs all packages, with scripts',
    props: { ...props, production: false, allowScripts: true },
    host,
    given: given(),
    changes: ['replace /installed'],
    then: (t) => void t.match(ran.at(-1), '--include=dev --no-ignore-scripts'),
  },
  {
    name: 'installs again after somebody else has installed packages',
    props,
    host,
    given: given({ [record]: 'other' }),
    changes: ['replace /installed'],
  },
  { name: 'fails as root', props: { path }, host, given: given(), fails: /npm would run as root.*set user/ },
  {
    name: 'installs as root if that is allowed',
    props: { path, allowRoot: true },
    host,
    given: given(),
    changes: ['replace /installed'],
  },
  {
    name: 'installs an app without packages',
    props,
    host,
    given: given({ [`${path}/package.json`]: 'empty' }),
    changes: ['replace /installed'],
  },
  {
    name: 'fails without a lock file',
    props: { path: '/srv', user: 'deploy' },
    host,
    given: given(),
    fails: /no package-lock\.json/,
  },
])

t.test('installs again for another lock file, Node.js or node_modules', async (t) => {
  const { VirtualHost } = await import('../../../core/host/virtual.ts')
  const virtual = new VirtualHost(host)
  given()(virtual)
  const plan = planOf((r) => npm_install(r, props))
  const isInstalledAgain = async () => {
    virtual.forgetAnswers()
    const report = await run(plan, virtual)
    t.equal(failureOf(report), undefined)
    t.strictSame(patchOf(await run(plan, virtual)), [])
    return patchOf(report).length > 0
  }
  t.ok(await isInstalledAgain())
  for (const file of [`${path}/package-lock.json`, `${path}/package.json`, '/srv/node-version', record]) {
    virtual.given(file, `changed ${file}`)
    t.ok(await isInstalledAgain(), file)
  }
  virtual.given(`${path}/server.js`, 'changed')
  t.notOk(await isInstalledAgain())
})
