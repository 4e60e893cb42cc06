/** Tests commands of two words: both words are parsed, explained and completed, and unknown ones get a suggestion. */
import t from 'tap'
import { Sandbox } from '../support/program.ts'

t.test('prints the help of commands of two words, and reports mistakes', async (t) => {
  const sandbox = new Sandbox(t)
  const { stdout } = await sandbox.converge(['stack', 'check', '--help'])
  t.match(stdout, /^Find mistakes in a stack/)
  t.match(stdout, '\nUsage:\n  converge stack check [OPTION ...]\n')
  t.equal((await sandbox.converge(['help', 'stack', 'check'])).stdout, stdout)
  for (const [args, expected] of [
    [
      ['stack'],
      /^error: converge stack takes a command after it\n {2}hint: there are: .*\bcheck, show, attributes, schema\b/,
    ],
    [['stack', 'chek'], /^error: unknown command stack chek\n {2}hint: did you mean check\?/],
    [['stak'], /^error: unknown command stak\n {2}hint: did you mean stack\?/],
    [['schema'], /^error: unknown command schema\n {2}hint: did you mean converge stack schema\?/],
    [
      ['stack', 'check', 'now'],
      /^error: stack check takes no word after it: now\n {2}hint: converge stack check --help/,
    ],
    [
      ['stack', 'schema', '--graph', 'x'],
      /^error: stack schema does not take --graph\n {2}hint: --graph is for stack show/,
    ],
    [['help', 'stack', 'chek'], /^error: unknown command stack chek/],
    [
      ['stack', 'restart'],
      /^error: unknown command stack restart\n {2}hint: did you mean converge stack run restart\?/,
    ],
    [['stack', 'stop'], /hint: did you mean converge stack run stop\?/],
    [
      ['stack', 'deploy', 'client1', 'client2'],
      /^error: stack deploy takes no word after it: client1 client2\n {2}hint: hosts are chosen by --host client1,client2, --layer/,
    ],
    [['stack', 'run', 'restart', 'client1'], /hint: hosts are chosen by --host client1,/],
    [['stack', 'deploy', 'status'], /hint: one command at a time: converge stack status \.\.\./],
    [['stack', 'plan', 'deploy'], /hint: did you mean converge stack plan --event deploy\?/],
    [
      ['stack', 'deploy', '-n'],
      /^error: stack deploy does not take --dry-run\n {2}hint: converge stack plan --event deploy prints what would change/,
    ],
    [
      ['stack', 'setup', '--check'],
      /^error: unknown option --check\n {2}hint: converge stack plan prints what would change/,
    ],
    [['stack', 'rollback', '-n'], /hint: converge stack deployments lists the earlier releases/],
    [['stack', 'deploy', '--message', 'x'], /does not take --message\n {2}hint: did you mean --comment\?/],
    [['stack', 'deploy', '--role', 'web'], /hint: the stack file gives each host its roles; --layer/],
    [
      ['stack', 'configure', '--revision', 'x'],
      /hint: --revision is for stack plan, stack setup, stack deploy: converge stack plan --help/,
    ],
  ] as const) {
    const { status, stderr } = await sandbox.converge(args, { bare: true })
    t.equal(status, 2)
    t.match(stderr, expected)
  }
})

t.test('reports all invalid options of a rollout at once', async (t) => {
  const words =
    'stack deploy --strategy roling --batch 0 --parallel 1e2 --max-failures 101% --down ignore --reconnect soon --batchs 2'
  const { status, stderr } = await new Sandbox(t).converge(words.split(' '), { bare: true })
  t.equal(status, 2)
  t.equal(
    stderr,
    `error: invalid --strategy "roling": expected parallel, rolling or canary
  hint: did you mean rolling?
error: --batch takes a number of hosts from 1 up, or a share of them, not 0
  hint: for example --batch 2 or --batch 25%
error: --parallel takes a number of hosts from 1 up, not 1e2
  hint: for example --parallel 10
error: --max-failures takes a number of hosts from 0 up, or a share of them, not 101%
  hint: for example --max-failures 2 or --max-failures 25%
error: invalid --down "ignore": expected fail or skip
  hint: for example --down fail
error: invalid --reconnect "soon": expected a number of seconds from 0 up
  hint: for example --reconnect 60
error: unknown option --batchs
  hint: did you mean --batch?
`,
  )
})

t.test('completes commands of two words', async (t) => {
  const sandbox = new Sandbox(t)
  const complete = async (...words: string[]) =>
    (await sandbox.converge(['--complete', ...words])).stdout.split('\n').filter((word) => word !== '')
  t.ok((await complete('st')).includes('stack'))
  t.ok((await complete('stack', '')).includes('schema'))
  t.ok((await complete('help', 'stack', '')).includes('check'))
  t.ok((await complete('stack', 'show', '--')).includes('--graph'))
  t.notOk((await complete('stack', 'check', '--')).includes('--graph'))
  t.strictSame(await complete('stack', 'show', ''), [], 'only options follow it')
  t.strictSame(await complete('stack', 'deploy', '--strategy', ''), ['parallel', 'rolling', 'canary'])

  t.strictSame(await complete('stack', 'deploy', '--host', ''), [], 'there is no stack')
  const hosts = { web1: {}, db1: {} }
  const stack = { name: 'site', layers: { web: {} }, hosts, environments: { staging: { hosts: { web9: {} } } } }
  sandbox.write({
    'stack.json': JSON.stringify(stack),
    'other.yaml': 'hosts: { there1: { address: { $file: nowhere } } }\napps: { shop: {} }\n',
    'broken.yaml': 'hosts: [',
    'stack.ts': "throw new Error('completion runs nothing')",
  })
  t.strictSame(await complete('stack', 'deploy', '--host', 'web1,'), ['web1,web1', 'web1,db1', 'web1,web9'])
  t.strictSame(await complete('stack', 'status', '--layer', ''), ['web'])
  t.strictSame(await complete('stack', 'status', '-E', ''), ['staging'])
  t.strictSame(await complete('stack', 'plan', '--stack', 'other.yaml', '--limit', ''), ['there1'])
  t.strictSame(await complete('stack', 'plan', '-s', 'other.yaml', '--app', ''), ['shop'])
  for (const file of ['broken.yaml', 'gone.yaml', 'stack.ts'])
    t.strictSame(await complete('stack', 'plan', '--stack', file, '--host', ''), [], file)
})
