/**
 * Tests `--secrets`, which masks texts whatever attribute contains them, and the precedence between the stack's and the
 * role's attributes.
 */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { Sandbox } from '../support/program.ts'

const recipe = `import { role, execute, file } from 'converge-engine'
export default role('greeter', {
  attributes: { greeter: { from: 'the role' } },
  configure(r, node) {
    const { greeting, from } = node.greeter
    file(r, { path: node.greeter.place, content: [from, greeting, ''].join('\\n') })
    execute(r, { command: ['cat', node.greeter.place] })
    execute(r, { command: ['echo', greeting] })
    execute(r, { command: 'cat ' + node.greeter.place + ' >&2; exit 3' })
  },
})
`

t.test('a run hides the values of --secrets', async (t) => {
  const sandbox = new Sandbox(t)
  const greeting = "good morning & <welcome>\nto this 'site' of ours"
  sandbox.write({
    'recipes/greeter.ts': recipe,
    'node.json': JSON.stringify({ greeter: { greeting, place: sandbox.at('greeting') } }),
    'stack.json': JSON.stringify({ greeter: { from: 'the stack', other: 1 } }),
    'secrets.json': JSON.stringify([greeting]),
  })
  const words = ['--role', 'greeter', '--recipes', 'recipes', '--node-json', 'node.json', '--node-json', 'stack.json']
  const hidden = ['--secrets', 'secrets.json']
  const attributes = await sandbox.converge(['attributes', ...words.slice(4), ...hidden])
  t.match(JSON.parse(attributes.stdout), { greeter: { from: 'the stack', other: 1 } }, attributes.stderr)
  for (const command of ['plan', 'configure']) {
    const { status, stdout, stderr } = await sandbox.converge([
      command,
      ...words,
      ...hidden,
      '--verbose',
      '--json-output',
    ])
    t.equal(status, command === 'plan' ? 0 : 1, stderr)
    t.notMatch(`${stdout}${stderr}`, /good morning|site' of ours/)
    t.match(stdout, '********')
  }
  t.match(sandbox.read('greeting'), /^the role\ngood morning/, 'what a role sets counts before the stack')
  for (const entry of readdirSync(sandbox.state, { recursive: true, withFileTypes: true }))
    if (entry.isFile())
      t.notMatch(readFileSync(`${entry.parentPath}/${entry.name}`, 'utf8'), /good morning/, entry.name)
  t.notMatch(attributes.stdout, /good morning/)
  const explained = await sandbox.converge(['attributes', ...words.slice(4), ...hidden, '--explain', 'greeter'])
  t.match(explained.stdout, /^greeter\.greeting = "\*{8}"$/m)
  t.notMatch(explained.stdout, /good morning/)
  t.match(
    (await sandbox.converge(['attributes', ...words.slice(4)])).stdout,
    /good morning/,
    'without the list, it is printed',
  )
})

t.test('refuses a file that is not a list of secrets', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'secrets.json': '{"password": "open-sesame"}', 'broken.json': '["open-sesame"' })
  for (const name of ['secrets.json', 'broken.json']) {
    const { status, stderr } = await sandbox.converge(['attributes', '--secrets', name])
    t.equal(status, 2)
    t.match(stderr, `--secrets ${name}: expected a JSON list of texts`)
    t.notMatch(stderr, /sesame/)
  }
  t.match(await sandbox.converge(['attributes', '--secrets', 'none.json']), {
    status: 2,
    stderr: /--secrets none\.json: no such file/,
  })
})
