/** Tests which programs a stack file makes converge run, and that one of another account must be named. */
import { chmodSync, chownSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'

t.test('does not run the recipes of another account without permission', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const sandbox = new Sandbox(t)
  const ran = sandbox.at('ran')
  sandbox.write({
    'found/stack.json': JSON.stringify({
      name: 'found',
      layers: { all: { roles: ['theirs'] } },
      hosts: { a: { address: '10.0.0.1', layers: ['all'] } },
      recipes: ['theirs.ts'],
    }),
    'found/theirs.ts': `import { writeFileSync } from 'node:fs'
      import { role } from 'converge-engine'
      writeFileSync(${JSON.stringify(ran)}, '')
      export default role('theirs', {})`,
  })
  const cwd = sandbox.at('found')
  for (const name of ['.', ...readdirSync(cwd)]) chownSync(join(cwd, name), 65_534, statSync(cwd).gid)
  const refused = await sandbox.converge(['stack', 'check'], { cwd, bare: true })
  t.match(refused, {
    status: 2,
    stderr: /stack\.json is not run without being named: .*another account/,
  })
  t.notOk(existsSync(ran))
  const named = await sandbox.converge(['stack', 'check', '--stack', 'stack.json'], { cwd, bare: true })
  t.ok(existsSync(ran), named.stderr)
})

t.test('runs $command and recipes for each command, and nothing else that the file names', async (t) => {
  const sandbox = new Sandbox(t)
  const mark = (name: string) => `touch ${sandbox.at(name)}`
  const program = (name: string) => `#!/bin/sh\n${mark(name)}\necho text\n`
  sandbox.write({
    'stack.json': JSON.stringify({
      name: 'theirs',
      layers: { all: { roles: ['theirs'] } },
      hosts: { a: { address: '127.0.0.9', port: 1, layers: ['all'], identity: 'identity', jump: '$IFS@127.0.0.8:1' } },
      apps: {
        shop: { scm: { repository: 'https://127.0.0.9:9/shop.git', revision: '$(id)' }, layers: ['all'] },
      },
      custom_json: { own: { password: { $command: ['./secret'] }, file: { $file: 'identity' } } },
      recipes: ['theirs.ts'],
      health: { url: 'http://127.0.0.1:9/', command: './health' },
    }),
    'theirs.ts': `import { writeFileSync } from 'node:fs'
      import { role } from 'converge-engine'
      writeFileSync(${JSON.stringify(sandbox.at('ran.recipe'))}, '')
      export default role('theirs', {})`,
    'home/.ssh/config': `Match exec "${mark('ran.match')}"\nHost *\nProxyCommand ${mark('ran.proxy')}\n`,
    secret: program('ran.secret'),
    health: program('ran.health'),
    identity: program('ran.identity'),
  })
  for (const name of ['secret', 'health', 'identity']) chmodSync(sandbox.at(name), 0o700)
  const env = { HOME: sandbox.at('home') }
  const options = { cwd: sandbox.directory, bare: true, env }
  for (const words of [
    ['check'],
    ['show'],
    ['status'],
    ['plan'],
    ['deploy'],
    ['deployments'],
    ['exec', '--', 'true'],
  ]) {
    const [name = '', ...rest] = words
    await sandbox.converge(['stack', name, '--stack', 'stack.json', ...rest], options)
    const ran = readdirSync(sandbox.directory).filter((file) => file.startsWith('ran.'))
    t.strictSame(ran.sort(), ['ran.recipe', 'ran.secret'], `stack ${name}`)
    for (const file of ran) rmSync(sandbox.at(file))
  }
})
