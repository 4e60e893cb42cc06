/** Tests `plan --explain`: below each change, the attributes that it depends on, and where they are set. */
import t from 'tap'
import { linesOf, Sandbox } from '../support/program.ts'

const recipes = `
import { defineAttributes, file, role, secret, z } from 'converge-engine'
const attributes = defineAttributes('my_app', z.object({
  workers: z.number().default(2), mode: z.enum(['0600', '0644']).default('0644'), level: z.string().default('info'),
  name: z.string(), password: secret(z.string().default('')),
}))
const at = (name) => process.cwd() + '/out/' + name
export default role('my-app', {
  setup(r, { my_app }) {
    const { workers, mode, level, password, name } = my_app
    const text = ['workers = ' + workers, 'level = ' + level, 'fixed = 1', 'password = ' + password, ''].join('\\n')
    file(r, { path: at('app.conf'), content: text, mode })
    file(r, { path: at('name'), content: name })
    if (workers > 4) file(r, { path: at('many'), content: 'x' })
  },
})
`

t.test('names the attributes of each changed property, with file and line', async (t) => {
  const sandbox = new Sandbox(t)
  const json = (values: object) => JSON.stringify({ my_app: values }, null, 2)
  sandbox.write({
    'recipes/app.ts': recipes,
    'a.json': json({ workers: 2, level: 'info', name: 'shop', password: 'first-Secret1' }),
    'b.json': json({ workers: 8, level: 'info', mode: '0600', name: 'shop', password: 'second-Secret2' }),
    'out/keep': '',
  })
  const setup = ['--role', 'my-app', '--recipes', 'recipes', '--event', 'setup', '--json']
  t.equal((await sandbox.converge([...setup, 'a.json'])).status, 0)
  const { stdout, stderr } = await sandbox.converge(['plan', '--explain', ...setup, 'b.json'])
  t.equal(stderr, '')
  const shown = stdout.split('\n').filter((line) => /^ {6}.*(from|declared at)|^ {2}[+~]/.test(line))
  const out = sandbox.at('out')
  t.strictSame(shown, [
    `  ~ file ${out}/app.conf mode: 0644 -> 0600`,
    '      content from my_app.workers = 8 (b.json:3:16)',
    '      mode from my_app.mode = "0600" (b.json:5:13)',
    '      content from my_app.password = "********" (b.json:7:17)',
    `      declared at ${sandbox.at('recipes/app.ts')}:12:5`,
    `  + file ${out}/many`,
    '      from my_app.workers = 8 (b.json:3:16)',
    `      declared at ${sandbox.at('recipes/app.ts')}:14:22`,
  ])
  const lines = linesOf((await sandbox.converge(['plan', '--explain', ...setup, 'b.json', '--json-output'])).stdout)
  t.match(
    lines.find(({ event, name }) => event === 'resource' && name === `file ${out}/app.conf`),
    {
      sources: [
        { property: 'content', attribute: 'my_app.workers', value: 8, from: 'b.json:3:16', source: { line: 3 } },
        { property: 'mode', attribute: 'my_app.mode' },
        { property: 'content', attribute: 'my_app.password', value: '********' },
      ],
      declaredAt: { line: 12 },
    },
  )
  t.notMatch(JSON.stringify(lines), /Secret/)
})

t.test('masks the attributes of a sensitive content', async (t) => {
  const sandbox = new Sandbox(t)
  const recipe = `import { defineAttributes, file, role, z } from 'converge-engine'
defineAttributes('my_app', z.object({ phrase: z.string(), mode: z.enum(['0600', '0640']).default('0640') }))
export default role('my-app', {
  setup(r, { my_app }) {
    file(r, { path: process.cwd() + '/out/phrase', content: my_app.phrase, mode: my_app.mode, sensitive: true })
  },
})
`
  sandbox.write({ 'recipes/app.ts': recipe, 'out/phrase': 'old' })
  for (const phrase of ['open the door', 'shut the door']) {
    sandbox.write({ 'a.json': JSON.stringify({ my_app: { phrase, mode: '0600' } }) })
    const words = [
      'plan',
      '--explain',
      '--role',
      'my-app',
      '--recipes',
      'recipes',
      '--event',
      'setup',
      '--json',
      'a.json',
    ]
    const { stdout } = await sandbox.converge(words)
    t.match(stdout, 'content from my_app.phrase = "********" (a.json:1:')
    t.match(stdout, 'mode from my_app.mode = "0600"')
    const json = await sandbox.converge([...words, '--json-output'])
    for (const text of [stdout, json.stdout]) t.notMatch(text, 'the door')
  }
})
