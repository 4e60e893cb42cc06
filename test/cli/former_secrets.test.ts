/** Tests that secrets which were replaced, removed, trimmed or escaped appear in no diff, report or journal. */
import { readdirSync, readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { Sandbox } from '../support/program.ts'

const recipe = `import { file, placed, role, supervisor_program } from 'converge-engine'
export default role('app', {
  configure(r, node) {
    const { environment = {} } = node.deploy.app
    const lines = Object.entries(environment).map(([name, value]) => name.slice(0, 1) + ' is <' + value.trim() + '>\\n')
    file(r, { path: placed(node, '/etc/site.txt'), content: ['# kept\\n', ...lines].join('') })
    supervisor_program(r, { name: 'app', command: '/bin/sleep 9', confDir: placed(node, '/etc'), environment })
  },
})
`

/**
 * Runs with each environment in turn.
 * @returns all output and the content of the state directory
 */
async function shownBy(t: Test, environments: readonly Readonly<Record<string, string>>[]): Promise<string> {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'app.ts': recipe, 'root/etc/.keep': '' })
  const words = [
    '--recipes',
    'app.ts',
    '--role',
    'app',
    '--prefix',
    sandbox.at('root'),
    '--json',
    'site.json',
    '--verbose',
  ]
  const shown: string[] = []
  for (const environment of environments) {
    sandbox.write({ 'site.json': JSON.stringify({ deploy: { app: { environment } } }) })
    for (const command of [
      ['plan', '--event', 'configure'],
      ['plan', '--event', 'configure', '--json-output'],
      ['configure'],
    ]) {
      const { status, stdout, stderr } = await sandbox.converge([...command, ...words])
      t.equal(status, 0, stderr + stdout)
      shown.push(stdout, stderr)
    }
  }
  for (const entry of readdirSync(sandbox.state, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) shown.push(readFileSync(`${entry.parentPath}/${entry.name}`, 'utf8'))
  return shown.join('\n')
}

t.test('hides secrets that are replaced or removed', async (t) => {
  const shown = await shownBy(t, [
    { SMTP_PASSWORD: 'first-secret', API_TOKEN: 'gone-secret' },
    { SMTP_PASSWORD: 'second-secret', API_TOKEN: 'gone-secret' },
    { SMTP_PASSWORD: 'second-secret' },
    {},
  ])
  t.notMatch(shown, /(first|second|gone)-secret/)
  t.match(shown, '-S is <********>\n', 'the diff shows the removed line')
  t.match(shown, '+S is <********>\n', 'and the added line')
  t.match(shown, '-A is <********>\n')
})

t.test('hides a secret in the spelling of a file', async (t) => {
  const secrets = { A_PASSWORD: 'tOp50%SeCret', B_TOKEN: 'abc #def ;ghi', C_SECRET: 'f(o)%(here)s o' }
  const next = { A_PASSWORD: 'nEw70%SeCret', B_TOKEN: 'new #def ;ghi', C_SECRET: 'n(o)%(here)s o' }
  const shown = await shownBy(t, [secrets, next])
  t.notMatch(shown, /tOp50|nEw70|#def|;ghi|\(o\)/)
  t.match(shown, 'A_PASSWORD="********"')
})

t.test('hides a secret with blanks around it', async (t) => {
  const shown = await shownBy(t, [{ A_PASSWORD: 'trailing-value  ', B_TOKEN: ' leading-value' }])
  t.notMatch(shown, /(trailing|leading)-value/)
})
