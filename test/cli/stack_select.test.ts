/** Tests which hosts of a stack match --layer, --host, --app and --limit. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Arguments } from '../../core/cli/command_specs/list.ts'
import { selectableHosts, selectHostNames } from '../../core/cli/stack/select.ts'
import { loadStack } from '../../core/fleet/stack/load.ts'
import { scratch } from '../support/machine.ts'

const host = (number: number, ...layers: string[]) => ({ address: `10.0.0.${number}`, layers })
const content = {
  name: 'shop',
  layers: { web: {}, app: {} },
  hosts: {
    web1: host(1, 'web'),
    'web.2': host(2, 'web', 'app'),
    webx2: host(3, 'app'),
    old1: { ...host(4, 'app'), status: 'stopped' },
    gone1: host(5, 'app'),
  },
}

t.test('selects hosts by pattern and name, and reports typing errors', async (t) => {
  const path = join(scratch(t), 'stack.json')
  writeFileSync(path, JSON.stringify(content))
  const stack = await loadStack(path)
  const apps = (name: string) => (name === 'web1' ? ['site'] : [])
  const hosts = selectableHosts(stack, (name) => ({ apps: apps(name), appsToMigrate: [], events: new Set() })).filter(
    // This host counts as shut down.
    ({ name }) => name !== 'gone1',
  )
  const names = (args: Arguments) => [...selectHostNames(stack, hosts, args)].join(' ')
  t.equal(names({}), 'web1 web.2 webx2')
  t.equal(names({ limit: ['web*'] }), 'web1 web.2 webx2')
  t.equal(names({ limit: ['web.2'] }), 'web.2', 'a dot is a dot')
  t.equal(names({ limit: ['!web1', '!gone*'] }), 'web.2 webx2')
  t.equal(names({ limit: ['web?', 'old1'] }), 'web1', 'one that is stopped is known, and stays out')
  t.equal(names({ layer: ['app'], limit: ['web*'] }), 'web.2 webx2')

  const fails = (args: Arguments, message: string, hint: string) =>
    t.throws(() => names(args), { code: 'USAGE', usage: true, message, hint }, JSON.stringify(args))
  fails({ limit: ['web1', 'web3'] }, '--limit web3: the stack shop has no such host', 'did you mean web1?')
  fails(
    { limit: ['db*'] },
    '--limit db*: the stack shop has no such host',
    'there are: web1, web.2, webx2, old1, gone1',
  )
  fails({ limit: ['!wbe1'] }, '--limit !wbe1: the stack shop has no such host', 'did you mean web1?')
  fails({ host: ['old1'] }, 'old1 is stopped in the stack file', 'remove its status from the stack file first')
  for (const limit of [['gone1'], ['old1', 'gone*']])
    t.throws(() => names({ limit }), {
      code: 'NO_HOSTS',
      hint: 'the hosts of the stack: web1, web.2, webx2; stopped, or shut down until setup or --host names them: old1, gone1',
    })
})
