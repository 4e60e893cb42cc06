/** Tests a file with a secret that every account can read: the run warns, and the recipe's author can allow it. */
import * as fs from 'node:fs'
import t from 'tap'
import { Sandbox } from '../support/program.ts'

const recipe = (mode: string) => `
import { file, role, template } from 'converge-engine'
export default role('own', {
  configure(r, node) {
    const at = node.converge.prefix
    file(r, { path: at + '/plain', content: 'nothing to hide', ...${mode} })
    file(r, { path: at + '/key', content: 'key = hunter2-hunter2', ...${mode} })
    template(r, { path: at + '/conf', source: 'pass = {{word}}', variables: { word: 'hunter2-hunter2' }, ...${mode} })
  },
})
`

t.test('warns about a secret in a file without a mode', async (t) => {
  const sandbox = new Sandbox(t)
  fs.mkdirSync(sandbox.at('site'), { mode: 0o755 })
  sandbox.write({ 'secrets.json': '["hunter2-hunter2"]', 'recipes/own.ts': recipe('{}') })
  const args = ['--role', 'own', '--recipes', 'recipes', '--secrets', 'secrets.json', '--prefix', sandbox.at('site')]
  const outputOf = async (command: string) => {
    const { stdout, stderr, status } = await sandbox.converge([command, ...args])
    t.equal(status, 0, stderr)
    t.notMatch(stdout + stderr, 'hunter2')
    return [...(stdout + stderr).matchAll(/every account can read (\S+) \(mode (\d+)\)/g)].map(
      ([, path = '', mode]) => [path.slice(path.lastIndexOf('/')), mode],
    )
  }
  const both = [
    ['/key', '0644'],
    ['/conf', '0644'],
  ]
  t.strictSame(await outputOf('configure'), both)
  t.strictSame(await outputOf('configure'), both, 'also where there is nothing to do')
  fs.chmodSync(sandbox.at('site/key'), 0o600)
  fs.chmodSync(sandbox.at('site/conf'), 0o640)
  t.strictSame(await outputOf('configure'), [], 'a mode that somebody has set on the host stays')
  t.equal(fs.statSync(sandbox.at('site/key')).mode & 0o777, 0o600)
  for (const mode of ["{ mode: '0640' }", "{ mode: '0644' }"]) {
    sandbox.write({ 'recipes/own.ts': recipe(mode) })
    t.strictSame(await outputOf('plan'), [], `the recipe says ${mode}`)
  }
})
