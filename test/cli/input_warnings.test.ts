/** Tests that the warnings about the input are printed once, before the error that ends the command. */
import t from 'tap'
import { Sandbox } from '../support/program.ts'

const typo = 'port_ap is not a known attribute'
const scm = { repository: '/srv/shop.git' }
const attributes = { port_ap: { command: 'serve %{port}' }, port_app: { app_name: 'shop' } }
/** A mistake of the attributes, and one that only the recipe finds. */
const mistakes = { 'a type': { port_app: { app_name: 'shop', ports: 'x' } }, 'a missing value': attributes }

for (const [mistake, json] of Object.entries(mistakes))
  for (const command of ['plan', 'converge', 'render', 'status', 'releases'])
    t.test(`${command} warns: ${mistake}`, async (t) => {
      const sandbox = new Sandbox(t)
      sandbox.write({ 'site.json': JSON.stringify({ ...attributes, ...json, deploy: { shop: { scm } } }) })
      const words = [...(command === 'converge' ? [] : [command]), '--role', 'port-app', '--json', 'site.json']
      const { status, stderr, stdout } = await sandbox.converge([...words, '--prefix', 'site'])
      t.not(status, 0)
      const all = `${stdout}${stderr}`
      t.equal(all.split(typo).length, 2, all)
      t.ok(all.indexOf(typo) < all.indexOf('error: '), 'before the error')
      const asJson = await sandbox.converge([...words, '--prefix', 'site', '--json-output'])
      const events = asJson.stdout
        .trim()
        .split('\n')
        .flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
      if (command === 'render') return
      t.strictSame(
        events.map(({ event }) => event),
        ['warning', 'error'],
      )
      t.match(events[0]?.message, typo)
    })

for (const words of [['check'], ['plan'], ['show'], ['deploy']])
  t.test(`stack ${words.join(' ')} warns about an unknown attribute once`, async (t) => {
    const sandbox = new Sandbox(t)
    const stack = (port_app: object) => ({
      name: 'shop',
      layers: { app: { roles: ['port-app'] }, spare: { roles: ['base'] } },
      hosts: { web1: { address: '127.0.0.1', layers: ['app'] }, web2: { address: '127.0.0.2', layers: ['app'] } },
      apps: { shop: { scm } },
      custom_json: { ...attributes, port_app: { app_name: 'shop', ...port_app } },
    })
    for (const port_app of [{ ports: 'x' }, {}]) {
      sandbox.write({ 'stack.json': JSON.stringify(stack(port_app)) })
      const { status, stderr, stdout } = await sandbox.converge(['stack', ...words], { bare: true })
      t.equal(status, 2, stdout)
      t.equal(stderr.split(typo).length, 2, stderr)
      t.match(stderr, /port_ap is not a known attribute.* \(all hosts\)\n(.*\n)*error: /)
    }
  })
