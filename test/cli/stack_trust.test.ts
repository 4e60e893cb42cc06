/** Tests that converge runs no code from a stack file in the working directory that belongs to another account. */
import { chownSync, existsSync, readdirSync, statSync } from 'node:fs'
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
