/** Tests the output of a run: in a pipe, on a terminal, as JSON; and which values never appear in it. */
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { linesOf, onTerminal, Sandbox } from '../support/program.ts'

/** A role that writes two files below the working directory, one of them sensitive. */
const site = `
import { directory, execute, file, role } from 'converge-engine'
const at = (name) => process.cwd() + '/out/' + name
export default role('site', {
  setup(r, node) {
    directory(r, { path: process.cwd() + '/out' })
    file(r, { path: at('site.conf'), content: 'one\\ntwo\\n' + (node.plone_instances.site_id ?? '') + '\\nfour\\n', mode: '0640' })
    file(r, { path: at('key'), content: 'begin ' + node.plone_instances.site_id + ' end', sensitive: true })
  },
  events: {
    slow: (r) => execute(r, { name: 'slow', command: 'echo half way; sleep 1.5' }),
    talk: (r) => execute(r, { name: 'talk', command: 'printf "\\\\033[31mred\\\\033[0m\\\\nbell\\\\007\\\\n"; exit 4' }),
    tell: (r, node) => execute(r, {
      name: 'tell',
      command: 'echo "with $PASSWORD"; echo "and $TOKEN" >&2; exit 3',
      environment: { PASSWORD: node.plone_instances.relstorage.db.password, TOKEN: node.deploy.site.environment.API_TOKEN },
    }),
    ignored: (r) => execute(r, { name: 'ignored', command: 'false', ignoreFailure: true }),
    many: (r) => file(r, { path: process.cwd() + '/many', content: Array.from({ length: 500 }, (_, n) => 'line ' + n + '\\n').join('') }),
  },
})
`
const esc = '\x1b'
const setup = ['--role', 'site', '--recipes', 'recipes', '--event', 'setup']
const event = (name: string) => ['--role', 'site', '--recipes', 'recipes', '--event', name]
const siteId = (id: string) => JSON.stringify({ plone_instances: { site_id: id } })

function sandboxWithFiles(t: Test): Sandbox {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'recipes/site.ts': site, 'a.json': siteId('three'), 'b.json': siteId('3') })
  return sandbox
}

t.test('in a pipe: prints changes, diffs and a summary, without escape codes', async (t) => {
  const sandbox = sandboxWithFiles(t)
  const out = sandbox.at('out')
  const plan = await sandbox.converge(['plan', ...setup, '--json', 'a.json'])
  t.notOk(fs.existsSync(out), 'a plan writes nothing')
  t.equal(plan.status, 0, plan.stderr)
  const first = await sandbox.converge([...setup, '--json', 'a.json'])
  const lines = [
    `  + directory ${out}`,
    `  + file ${out}/site.conf mode 0640`,
    '      +one',
    '      +two',
    '      +three',
    '      +four',
    `  + file ${out}/key`,
  ]
  t.strictSame(first.stdout.split('\n').slice(0, -2), lines)
  t.strictSame(plan.stdout.split('\n').slice(0, -2), lines, 'as the plan predicted')
  t.match(plan.stdout, /\n3 would change in \d+\.\d+ s\n$/)
  t.match(first.stdout, /\n3 changed in \d+\.\d+ s\n$/)

  const again = await sandbox.converge([...setup, '--json', 'a.json'])
  t.match(again.stdout, /^nothing to do: 3 unchanged in \d+\.\d+ s\n$/)
  t.match((await sandbox.converge(['plan', ...setup, '--json', 'a.json'])).stdout, /^nothing to do: 3 unchanged in /)

  const other = await sandbox.converge([...setup, '--json', 'b.json'])
  t.strictSame(other.stdout.split('\n').slice(0, -2), [
    `  ~ file ${out}/site.conf`,
    '       one',
    '       two',
    '      -three',
    '      +3',
    '       four',
    `  ~ file ${out}/key content: (sensitive) (differs)`,
  ])
  t.match(other.stdout, /\n2 changed, 1 unchanged in /)
  for (const { stdout, stderr } of [plan, first, again, other]) {
    t.notOk(stdout.includes(esc))
    t.equal(stderr, '')
  }
})

t.test('truncates a long diff, unless --verbose requests the whole', async (t) => {
  const sandbox = sandboxWithFiles(t)
  const plan = await sandbox.converge(['plan', ...event('many')])
  t.match(plan.stdout, /\n {6}\+line 59\n {6}… 440 more lines \(--verbose shows all\)\n/)
  const whole = await sandbox.converge(['plan', ...event('many'), '--verbose'])
  t.match(whole.stdout, /^site: many, 1 resource\n/)
  t.match(whole.stdout, /\n {6}\+line 499\n/)
})

t.test('--quiet prints nothing but failures', async (t) => {
  const sandbox = sandboxWithFiles(t)
  for (const expected of [3, 0]) {
    const { status, stdout, stderr } = await sandbox.converge([
      ...setup,
      '-q',
      '--detailed-exit-code',
      '--json',
      'a.json',
    ])
    t.equal(status, expected)
    t.equal(stdout + stderr, '')
  }
  const failed = await sandbox.converge([...event('talk'), '--quiet'])
  t.equal(failed.status, 1)
  t.match(failed.stdout, /^ {2}! execute talk failed\n/)
  t.match(failed.stdout, /\n1 failed in /)
  const warned = await sandbox.converge([
    ...setup,
    '-q',
    '--json',
    sandbox.write({ 'c.json': '{"plone_instance": {}}' }),
  ])
  t.match(
    warned.stdout,
    /^ {2}warning: .*c\.json:1:2: plone_instance is not a known attribute.*did you mean plone_instances\?/,
  )
})

t.test('--verbose prints unchanged and skipped resources, and the output of commands', async (t) => {
  const sandbox = sandboxWithFiles(t)
  await sandbox.converge([...setup, '--json', 'a.json'])
  const { stdout } = await sandbox.converge([...setup, '-v', '--json', 'a.json'])
  t.match(stdout, `  . file ${sandbox.at('out')}/site.conf\n`)
  t.match((await sandbox.converge([...event('slow'), '-v'])).stdout, '    execute slow: half way\n')
})

t.test('the output of a command cannot control the terminal', async (t) => {
  const { stdout } = await sandboxWithFiles(t).converge(event('talk'))
  t.match(stdout, '    | red\n    | bell\\x07\n')
  t.notOk(stdout.includes(esc))
})

t.test('reports an ignored failure', async (t) => {
  const { status, stdout } = await sandboxWithFiles(t).converge(event('ignored'))
  t.equal(status, 0)
  t.match(stdout, /! execute ignored failed \(ignored\)\n/)
  t.match(stdout, /\n1 failed in /)
})

t.test('--detailed-exit-code distinguishes a change from none', async (t) => {
  const sandbox = sandboxWithFiles(t)
  const status = async (...args: string[]) => (await sandbox.converge([...args, '--json', 'a.json'])).status
  t.equal(await status('plan', ...setup), 0)
  t.equal(await status('plan', ...setup, '--detailed-exit-code'), 3)
  t.equal(await status(...setup, '--dry-run', '--detailed-exit-code'), 3)
  t.equal(await status(...setup, '--detailed-exit-code'), 3)
  t.equal(await status(...setup, '--detailed-exit-code'), 0)
  t.equal(await status('plan', ...setup, '--detailed-exit-code'), 0)
  t.equal(await status(...event('talk'), '--detailed-exit-code'), 1)
  t.equal(await status(...setup, '--detailed-exit-cod'), 2)
})

t.test('--json-output prints JSON lines, the last of them the report', async (t) => {
  const sandbox = sandboxWithFiles(t)
  const args = [...setup, '--json', 'a.json', '--json-output']
  const { status, stdout, stderr } = await sandbox.converge(args)
  t.equal(status, 0)
  t.equal(stderr, '')
  const lines = linesOf(stdout)
  t.strictSame(
    lines.map(({ event }) => event),
    ['start', ...Array(3).fill(['applying', 'resource']).flat(), 'end'],
  )
  t.match(lines[0], { mode: 'run', roles: ['site'], events: ['setup'], resources: 3 })
  t.match(lines[4], {
    event: 'resource',
    name: `file ${sandbox.at('out')}/site.conf`,
    outcome: 'changed',
    roleEvent: 'setup',
    role: 'site',
  })
  const patch = lines[4]?.patch as readonly { readonly path: string }[]
  t.strictSame(
    patch.find(({ path }) => path === '/content'),
    { op: 'replace', path: '/content', before: null, value: 'one\ntwo\nthree\nfour\n' },
  )
  t.match(lines.at(-1), {
    report: { outcome: 'changed', counts: { changed: 3, unchanged: 0 }, resources: { length: 3 } },
  })
  const second = linesOf((await sandbox.converge(args)).stdout)
  t.strictSame(
    second.map(({ event }) => event),
    ['start', 'end'],
  )
  t.match(second.at(-1), { report: { outcome: 'unchanged', resources: [] } })
  const verbose = linesOf((await sandbox.converge([...args, '--verbose'])).stdout)
  t.equal(verbose.filter(({ event, outcome }) => event === 'resource' && outcome === 'unchanged').length, 3)
})

t.test('no output and no journal contains secrets', async (t) => {
  const sandbox = sandboxWithFiles(t)
  // One contains characters that JSON and the shell escape.
  const [password, token] = ['hunter2"\\x', 'tok-4711-abc']
  sandbox.write({ 'secret.json': JSON.stringify({ deploy: { site: { environment: { API_TOKEN: token } } } }) })
  const env = { CONVERGE_ATTR_plone_instances__relstorage__db__password: password }
  const all: string[] = []
  for (const more of [[], ['--json-output'], ['--verbose']]) {
    const { status, stdout, stderr } = await sandbox.converge([...event('tell'), '--json', 'secret.json', ...more], {
      env,
    })
    t.equal(status, 1)
    all.push(stdout, stderr)
  }
  t.match(all[0], '    | with ********\n    | and ********\n')
  for (const args of [
    ['attributes'],
    ['attributes', '--explain', 'plone_instances.relstorage.db'],
    ['attributes', '--explain', 'deploy', '--json-output'],
  ])
    all.push((await sandbox.converge([...args, '--json', 'secret.json'], { env })).stdout)
  await sandbox.converge([...setup, '--json', 'a.json'])
  all.push((await sandbox.converge([...setup, '--json', 'b.json', '--json-output'])).stdout)
  all.push(JSON.stringify(sandbox.journals()))
  for (const text of all) t.notMatch(text, /hunter2|tok-4711|begin (three|3) end/)
})

t.test('on a terminal: prints colors, and a spinner for slow steps', async (t) => {
  if (!needs(t, ['python3'])) return
  const sandbox = sandboxWithFiles(t)
  const run = async (args: string[], env = {}) =>
    (await sandbox.converge(args, { through: onTerminal, env: { TERM: 'xterm', ...env } })).stdout.replaceAll(
      '\r\n',
      '\n',
    )
  const first = await run([...setup, '--json', 'a.json'])
  t.match(
    first,
    `  ${esc}[32m+${esc}[39m file ${sandbox.at('out')}/site.conf ${esc}[2mmode 0640${esc}[22m\n      ${esc}[32m+one${esc}[39m\n`,
  )
  t.match(await run([...setup, '--json', 'a.json']), `${esc}[32mnothing to do${esc}[39m: 3 unchanged`)
  t.match(await run(['--role', 'sit', '--recipes', 'recipes']), `${esc}[31merror:${esc}[39m unknown role sit\n`)

  const slow = await run(event('slow'))
  const spun = slow.split(`\r${esc}[K`)
  t.ok(spun.length > 5, 'a line is written over several times')
  t.match(spun[1], /^\x1b\[2m {2}. execute slow 0\.[3-5]\d s half way\x1b\[22m$/)
  t.match(spun.at(-1), /^ {2}\x1b\[33m~\x1b\[39m execute slow .*1\.\d s/, 'and replaces it at the end')

  t.test('NO_COLOR, TERM=dumb and --no-color turn colors off', async (t) => {
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }])
      t.notOk((await run([...setup, '--json', 'b.json'], env)).includes(esc))
    t.notOk((await run([...setup, '--json', 'a.json', '--no-color'])).includes(esc))
    t.notOk((await run(['--role', 'sit', '--recipes', 'recipes', '--no-color'])).includes(esc))
  })
})

t.test('--color prints colors in a pipe', async (t) => {
  const { stdout } = await sandboxWithFiles(t).converge([...setup, '--color', '--json', 'a.json'])
  t.ok(stdout.includes(`${esc}[32m+`))
})

t.test('a reader that closes the pipe does not stop a run', async (t) => {
  const sandbox = sandboxWithFiles(t)
  const head = (args: string[]) => sandbox.shell(`converge ${args.join(' ')} | head -1`)
  const plan = await head(['plan', ...event('many'), '--verbose'])
  t.equal(plan.status, 0, plan.stderr)
  t.equal(plan.stdout, 'site: many, 1 resource\n')
  t.equal(plan.stderr, '')
  const run = await head([...setup, '--json', 'a.json', '--json-output'])
  t.equal(run.stderr, '')
  t.equal(linesOf(run.stdout).length, 1)
  t.equal(sandbox.read('out/site.conf'), 'one\ntwo\nthree\nfour\n')
  t.match(sandbox.journals().at(-1)?.at(-1), { event: 'end' })
  t.equal((await head(['attributes'])).stdout, '{\n')
})

t.test('a reader that closes the pipe at once does not stop a run with thousands of lines', async (t) => {
  const sandbox = sandboxWithFiles(t)
  const run = sandbox.start([...event('many'), '--verbose'])
  run.child.stdout?.destroy()
  const { status, stderr } = await run.finished
  t.equal(status, 0)
  t.equal(stderr, '')
  t.equal(sandbox.read('many').split('\n').length, 501)
})
