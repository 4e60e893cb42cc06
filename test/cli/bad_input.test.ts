/** Tests user errors: exit status 2, every problem reported at once, and nothing written. */
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { linesOf, type RunOptions, Sandbox } from '../support/program.ts'

interface Case extends RunOptions {
  readonly files?: Readonly<Record<string, string>>
  /** Each is a part of standard error; `@` is the directory of the case. */
  readonly message: readonly string[]
}

/** Runs each command in a directory of its own, and compares its output. */
function table(name: string, cases: Readonly<Record<string, Case>>): void {
  t.test(name, async (t) => {
    t.jobs = 3
    for (const [line, given] of Object.entries(cases)) {
      t.test(line === '' ? '(nothing)' : line, { buffered: true }, async (t) => {
        const sandbox = new Sandbox(t)
        sandbox.write(given.files ?? {})
        await refused(
          t,
          sandbox,
          line
            .split(' ')
            .map((word) => word.replaceAll('~', ' '))
            .filter((word) => word !== ''),
          given,
        )
      })
    }
  })
}

async function refused(t: Test, sandbox: Sandbox, args: readonly string[], given: Case): Promise<void> {
  const before = sandbox.snapshot()
  const { status, stdout, stderr } = await sandbox.converge(args, given)
  t.equal(status, 2, `exit status of ${args.join(' ')}`)
  const from = stderr.replaceAll(sandbox.directory, '@')
  for (const text of given.message) t.ok(from.includes(text), `says ${text}`, { stderr: from })
  t.equal(stdout, '')
  t.notMatch(stderr, /node:internal|\n\s+\| \s*at /, 'no trace of the engine')
  t.strictSame(sandbox.snapshot(), before, 'nothing is written')
}

t.test('reports a mistake in an attribute without a line of the program, wherever the program is', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const sandbox = new Sandbox(t)
  sandbox.write({ 'site.json': '{"plone_instances": {"site_id": "no path", "subsites": {"a.example.com": "a"}}}' })
  // Another account runs a copy, outside of the directory where the program was built.
  for (const account of [undefined, 'nobody']) {
    const args = ['plan', '--role', 'frontend', '--json', 'site.json', '--prefix', '/nowhere', '--event', 'configure']
    const { status, stderr } = await sandbox.converge(args, account === undefined ? {} : { account })
    t.equal(status, 2)
    t.match(
      stderr,
      /^error: \S+:\d+:\d+: plone_instances\.site_id is not a path in Zope\n {2}hint: .*\n$/,
      'once, and without a line of code',
    )
  }
})

const solr = '--role solr'

table('flags', {
  '--rol solr': { message: ['error: unknown option --rol', 'hint: did you mean --role?'] },
  'deploy --colour': { message: ['unknown option --colour', 'did you mean --color?'] },
  [`${solr} -x`]: { message: ['unknown option -x', 'converge --help shows what there is'] },
  '--foo --bar --role': {
    message: ['unknown option --foo', 'unknown option --bar', '--role needs a value', 'Role of this host'],
  },
  [`${solr} --json= --json site.json`]: { message: ['--json needs a value'] },
  [`${solr} -j site.json -j`]: { message: ['--json needs a value'] },
  [`${solr} --role --quiet`]: { message: ['--role needs a value'] },
  '--state-dir': { bare: true, message: ['--state-dir needs a value'] },
  [`${solr} --prefix=`]: { message: ['--prefix needs a value'] },
  '--role solr,,zeo-client': { message: ['there is an empty name in "solr,,zeo-client"'] },
  'plan --explain site.json': { message: ['--explain takes no value here: "site.json"', 'remove the word after it'] },
  '--no-role': { message: ['unknown option --no-role', '--role takes a value: leave it out'] },
  [`${solr} --wait abc`]: {
    message: ['invalid --wait "abc": expected a number of seconds from 0 up', 'for example --wait 60'],
  },
  [`${solr} --wait -5`]: { message: ['invalid --wait "-5": expected a number of seconds from 0 up'] },
  [`${solr} --wait`]: { message: ['--wait needs a value'] },
  [`${solr} --dry-run=maybe`]: { message: ['--dry-run takes no value: --dry-run=maybe'] },
  [`${solr} --quiet --verbose`]: { message: ['--quiet and --verbose contradict each other'] },
  [`${solr} -qv`]: { message: ['--quiet and --verbose contradict each other'] },
  'attributes --explain deploy --schema': { message: ['--explain and --schema contradict each other'] },
  [`${solr} --to 000001`]: { message: ['apply does not take --to', '--to is for rollback'] },
  [`${solr} --purge`]: { message: ['apply does not take --purge', '--purge is for undeploy'] },
  [`status ${solr} --event deploy`]: { message: ['status does not take --event', '--event is for apply, plan'] },
  'deploy --version 2': { message: ['--version stands alone'] },
})

table('commands', {
  plna: { message: ['unknown command plna', 'did you mean plan?'] },
  'zeo-client': { message: ['unknown command zeo-client', 'did you mean converge --role zeo-client?'] },
  'plan deploy': { message: ['plan takes no word after it: deploy', 'did you mean converge plan --event deploy?'] },
  'deploy restart': { message: ['deploy takes no word after it: restart', 'one command at a time: converge restart'] },
  'resources file group': { message: ['resources takes one word (NAME) after it: group'] },
  'resources gitrelease': { message: ['unknown resource type gitrelease', 'did you mean git_release?'] },
  'help deplyo': { message: ['unknown command deplyo', 'did you mean deploy?'] },
  'completion fish': { message: ['there is no completion for fish'] },
})

table('roles and events', {
  '': { message: ['no role is given', '--role NAME, of: agent, base, broker'] },
  'resources __proto__': { message: ['unknown resource type __proto__'] },
  'resources constructor': { message: ['unknown resource type constructor'] },
  '--role __proto__': { message: ['unknown role __proto__'] },
  '--role toString': { message: ['unknown role toString'] },
  '--role zeoclient': { message: ['unknown role zeoclient', 'did you mean zeo-client?'] },
  '--role one,two': { message: ['unknown role one', 'unknown role two'] },
  [`${solr} --event deplyo`]: { message: ['unknown event deplyo for solr', 'did you mean deploy?'] },
  status: {
    files: { 'etc/a.json': '{"converge": {"roles": ["slor"]}}' },
    message: ['unknown role slor', 'did you mean solr?'],
  },
})

table('files that are not there, or are something else', {
  [`${solr} --json a.json --json b.json`]: {
    message: [
      '--json a.json: no such file or directory',
      '--json b.json: no such',
      'relative to the working directory, @',
    ],
  },
  [`${solr} --json etc`]: { message: ['--json etc: it is a directory, not a regular file', 'give a file'] },
  [`${solr} --node-json nope`]: { message: ['--node-json nope: no such file or directory'] },
  [`${solr} --json -`]: {
    input: '',
    message: ['standard input:1:1: there is nothing in it', 'write {} for no attributes'],
  },
  [`${solr} --json - --node-json -`]: { input: '{}', message: ['standard input can be read once only'] },
  [`${solr} --config-dir nowhere`]: { message: ['--config-dir nowhere: no such file or directory'] },
  [`${solr} --config-dir a`]: {
    files: { a: '{}' },
    message: ['--config-dir a: a part of the path is not a directory', 'give a directory'],
  },
  [`${solr} --prefix a`]: { files: { a: '' }, message: ['--prefix a: is not a directory'] },
  [`${solr} --json a\nb.json`]: {
    message: ['--json a\nb.json: no such file or directory', 'relative to the working directory, @'],
  },
  [`${solr} --state-dir a`]: { files: { a: '' }, message: ['cannot keep state in @/a'] },
  [`${solr} --state-dir a/b`]: { files: { a: '' }, message: ['cannot keep state in @/a/b'] },
})

table('JSON and YAML', {
  [`${solr} --json a.json --json b.yaml --json c.json`]: {
    files: {
      'a.json': '{\n  "deploy": {\n    "solr": ]\n}',
      'b.yaml': 'plone_solr:\n  app_name: "solr\n',
      'c.json': '"text"',
    },
    message: [
      'a.json:3:13: ',
      'b.yaml:3:1: the closing quote of a text is missing',
      'c.json:1:1: an object of attributes is expected, got a text',
    ],
  },
  [`${solr} --json a.json --json b.yaml`]: {
    files: {
      'a.json': '{\n  "plone_instances": {"enable_celery": "yes"},\n  "deploy": []\n}',
      'b.yaml': 'converge:\n  readiness: {deadline_seconds: soon}\n',
    },
    message: [
      'a.json:2:40: plone_instances.enable_celery: expected true or false, got "yes"',
      'a.json:3:13: deploy: expected an object, got a list',
      'b.yaml:2:33: converge.readiness.deadline_seconds: expected a number of seconds, got "soon"',
    ],
  },
  [`${solr} --json a.json`]: {
    files: { 'a.json': '[{"op": "remove", "path": "/nope/x"}]' },
    message: ['a.json:1:', 'nope'],
  },
  [solr]: {
    files: { 'etc/a.json': '{"converge": {"python": 3}}', 'etc/b.yml': 'a: [1\n' },
    message: ['@/etc/b.yml:2:1: a closing bracket is missing'],
  },
  [`${solr} --verbose`]: {
    env: { CONVERGE_ATTR_: 'x', CONVERGE_ATTR_a__b: '1', CONVERGE_ATTR_a: '2' },
    message: ['CONVERGE_ATTR_: a part of the name is empty', 'CONVERGE_ATTR_a__b: '],
  },
  'attributes --explain plone_instances.per_cp': {
    message: ['unknown attribute per_cp in plone_instances', 'did you mean per_cpu?'],
  },
  'attributes --explain plone': { message: ['unknown attribute plone', 'there are: '] },
  [`render ${solr} --path nope.cfg`]: {
    message: ['no rendered file has the path nope.cfg, or ends with it', 'there are: /etc/logrotate.d/converge-solr'],
  },
  'render --role zeo-server,solr --path buildout.cfg --json a.json': {
    files: {
      'a.json': JSON.stringify({
        deploy: Object.fromEntries(
          ['zeoserver', 'solr'].map((app) => [app, { scm: { repository: '/r.git' }, buildout_config: 'buildout.cfg' }]),
        ),
      }),
    },
    message: ['several rendered files end with buildout.cfg: /srv/www/zeoserver/', '/srv/www/solr/'],
  },
})

const imports = "import { defineResource, directory, execute, file, role, symlink, z } from 'converge-engine'\n"
const recipe = (body: string) => ({
  'recipes/r.ts': `${imports}export default role('x', {\n  setup(r, node) {\n    ${body}\n  },\n})\n`,
})
const x = '--role x --recipes recipes'

/** Runs the same command line with different recipes. */
function recipes(cases: Readonly<Record<string, Pick<Case, 'files' | 'message'> & { readonly args?: string }>>): void {
  t.test('reports mistakes in recipes', async (t) => {
    t.jobs = 3
    for (const [name, { args = x, ...given }] of Object.entries(cases))
      t.test(name, { buffered: true }, async (t) => {
        const sandbox = new Sandbox(t)
        sandbox.write(given.files ?? {})
        await refused(t, sandbox, args.split(' '), given)
      })
  })
}

recipes({
  'an error of syntax': {
    files: {
      'recipes/r.ts':
        "import { role } from 'converge-engine'\nexport default role('x', {\n  setup(r) { const = 3 },\n})",
    },
    message: ['@/recipes/r.ts:3:20: Expected identifier'],
  },
  'imports of what is not there': {
    files: { 'recipes/r.ts': "import './nope.ts'\nimport 'left-pad'\nimport 'zod'\n" },
    message: [
      '@/recipes/r.ts:1:8: Could not resolve "./nope.ts"',
      'taken from the file that imports it',
      'Could not resolve "left-pad"',
      'npm install left-pad',
      "import { z } from 'converge-engine'",
    ],
  },
  'no role': {
    files: { 'recipes/r.ts': 'export default function setup() {}' },
    message: ['recipes/r.ts: its default export is not a role, but a function', "export default role('name'"],
  },
  'problems in several files': {
    files: {
      'recipes/a.ts': 'export default 5',
      'recipes/b.ts': 'const = 1',
      'recipes/c.ts': "\nthrow new RangeError('too far')",
      'recipes/d.ts': "throw 'words'",
    },
    message: [
      'recipes/a.ts: its default export is not a role, but a number',
      '@/recipes/b.ts:1:7: ',
      '@/recipes/c.ts:2:7: it cannot be loaded: RangeError: too far',
      '@/recipes/d.ts: it cannot be loaded: words',
    ],
  },
  'a mistake while it is loaded': {
    files: { 'recipes/r.ts': `${imports}const site = undefined\nexport default role('x', { doc: site.name })` },
    message: [
      "@/recipes/r.ts:3:38: it cannot be loaded: TypeError: Cannot read properties of undefined (reading 'name')",
    ],
  },
  'a misspelt event, and one that is not a function': {
    files: { 'recipes/r.ts': `${imports}export default role('x', { setpu() {}, deploy: 'x' })` },
    message: [
      '@/recipes/r.ts:2:16: the role x has the unknown key "setpu"',
      'did you mean setup?',
      'deploy is not a function',
    ],
  },
  'an asynchronous one': {
    files: { 'recipes/r.ts': `${imports}export default role('x', { async setup(r) { throw new Error('late') } })` },
    message: ['setup of the role x is asynchronous', 'a recipe only declares'],
  },
  'a mistake in an event, together with that of another': {
    files: {
      'recipes/r.ts': `${imports}export default role('x', {\n  setup(r, node) { node.nope.deeper },\n  deploy(r) { directory(r, { path: 'x' }) },\n})`,
    },
    message: [
      "@/recipes/r.ts:3:30: setup of the role x failed: TypeError: Cannot read properties of undefined (reading 'deeper')",
      '@/recipes/r.ts:4:15: directory: property path: an absolute path (got "x")',
    ],
  },
  'an unknown property': {
    files: recipe("file(r, { path: '/q', content: '', contnet: '' })"),
    message: ['@/recipes/r.ts:4:5: file has no property contnet', 'did you mean content?'],
  },
  'a property of the wrong type': {
    files: recipe("file(r, { path: '/q', content: 5, mode: '644' })"),
    message: [
      '@/recipes/r.ts:4:5: file: property content: expected string, received number (got 5)',
      'file: property mode: a mode as four octal digits, e.g. \'0640\' (got "644")',
      'converge resources file shows its properties',
    ],
  },
  'a property that is missing': {
    files: recipe("file(r, { content: '' })"),
    message: ['@/recipes/r.ts:4:5: file: property path is missing'],
  },
  'a bare number for a time': {
    files: recipe("execute(r, { command: 'x', timeout: 5, retries: -1, retryDelay: 3 })"),
    message: [
      'execute: property timeout: a duration, such as seconds(60)',
      'retries: expected a whole number',
      'retryDelay: expected a duration',
    ],
  },
  'the scope forgotten': {
    files: recipe("file({ path: '/q', content: '' })"),
    message: ['@/recipes/r.ts:4:5: file is declared in a scope', 'file(r, { ... })'],
  },
  'one thing declared twice': {
    files: recipe("file(r, { path: '/q', content: 'a' })\n\n    file(r, { path: '/q', content: 'b' })"),
    message: [
      '@/recipes/r.ts:6:5: file /q is declared twice',
      'first in x setup (@/recipes/r.ts:4)',
      'they differ in: content',
    ],
  },
  'when without what it waits for': {
    files: recipe("symlink(r, { path: '/l', target: '/t', when: [undefined] })"),
    message: [
      '@/recipes/r.ts:4:5: symlink: when: expected at least one resource',
      'this run does not declare that resource',
    ],
  },
  'a reference to what is not declared': {
    files: recipe("file(r, { path: '/q', content: '', when: [{ resource: { type: 'file', key: '/ghost' } }] })"),
    message: [
      '@/recipes/r.ts:4:5: file /q needs file /ghost, which is not declared before it',
      'source order is run order',
    ],
  },
  'an event included that is not there': {
    files: {
      'recipes/r.ts': `${imports}const other = role('other', { setup() {} })\nexport default role('x', { setup(r) { r.include(other, 'stup') } })`,
    },
    message: ['@/recipes/r.ts:3:41: the role other has no event stup', 'did you mean setup?'],
  },
  'a key that is not text': {
    files: {
      'recipes/r.ts': `${imports}const thing = defineResource({ type: 'thing', doc: '', examples: [], key: (p) => p.n, props: z.strictObject({ n: z.number() }), state: z.strictObject({}) }, { read: () => ({}), desired: () => ({}), apply() {} })\nexport default role('x', { setup(r) { thing(r, { n: 5 }) } })`,
    },
    message: ['@/recipes/r.ts:3:39: thing: its key must be a text, but is 5'],
  },
  'two roles of one name': {
    files: {
      'recipes/a.ts': `${imports}export default role('x', { deploy() {} })`,
      'recipes/b.ts': `${imports}export default role('x', { deploy() {} })`,
    },
    message: ['recipes/b.ts:', 'the role x is defined twice: in recipes/a.ts and again in recipes/b.ts'],
  },
  'a directory without recipes': { files: { 'recipes/README.md': '' }, message: ['there is no role in recipes'] },
  'a directory that is not there': { message: ['--recipes recipes: there is no such file or directory'] },
  'no recipe at all': {
    args: '--role x --recipes notes.md',
    files: { 'notes.md': '' },
    message: ['notes.md', 'recipes are written in .ts, .mts, .js or .mjs files'],
  },
  'a configuration that is none': {
    args: '--role x --config converge.config.ts',
    files: { 'converge.config.ts': 'export default { recipies: "x", roles: [5], handlers: 3 }' },
    message: [
      'converge.config.ts: a configuration has no recipies',
      'did you mean recipes?',
      'roles: a list of roles',
      'handlers: a list of objects',
    ],
  },
  'a configuration that exports nothing': {
    args: '--role x --config c.ts',
    files: { 'c.ts': 'export const a = 1' },
    message: ['c.ts: it must export a configuration by default'],
  },
  'a configuration that leads nowhere': {
    args: '--role x --config c.ts',
    files: { 'c.ts': "export default { recipes: ['./nowhere'] }" },
    message: ['recipes in c.ts: ./nowhere: there is no such file or directory'],
  },
  'a configuration with a mistake': {
    args: '--role x --config c.ts',
    files: { 'c.ts': '\nnope()' },
    message: ['@/c.ts:2:1: it cannot be loaded: ReferenceError: nope is not defined'],
  },
  'a configuration that is not there': {
    args: '--role x --config nope.ts',
    message: ['--config nope.ts: there is no such file or directory'],
  },
})

t.test('--json-output reports wrong usage as JSON', async (t) => {
  const sandbox = new Sandbox(t)
  const { status, stdout, stderr } = await sandbox.converge(['--foo', '--role', 'solr', '--bar', '--json-output'])
  t.equal(status, 2)
  const [line, ...more] = linesOf(stdout)
  t.strictSame(more, [])
  t.match(line, { event: 'error', code: 'INVALID_INPUT', problems: [{ message: /--foo/ }, { message: /--bar/ }] })
  t.match(stderr, /--foo[\s\S]*--bar/)
})

t.test('errors do not print secrets', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'a.json': '{"plone_instances": {"relstorage": {"db": {"password": "hunter2!"}}}}',
    ...recipe('directory(r, { path: node.plone_instances.relstorage.db.password })'),
  })
  const { status, stdout, stderr } = await sandbox.converge([...x.split(' '), '--json', 'a.json', '--json-output'])
  t.equal(status, 2)
  t.notMatch(stdout + stderr, /hunter2/)
  t.match(stderr, /property path: an absolute path \(got "\*{8}"\)/)
})

t.test('reports missing permissions', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const sandbox = new Sandbox(t)
  fs.mkdirSync(sandbox.at('closed'), { mode: 0o700 })
  fs.writeFileSync(sandbox.at('closed.json'), '{}', { mode: 0o600 })
  const nobody = { account: 'nobody' } as const
  for (const [args, ...message] of [
    [['--state-dir', 'state'], 'cannot keep state in @/state: mkdir @/state', 'give --prefix DIR or --state-dir DIR'],
    [['--state-dir', 'closed'], 'cannot keep state in @/closed: access @/closed: permission denied'],
    [['--state-dir', 'closed/state'], 'cannot keep state in @/closed/state'],
    [['--prefix', 'closed/site'], '--prefix closed/site: permission denied'],
    [['--json', 'closed.json'], '--json closed.json: permission denied', 'run as an account that may read it'],
    [['--config-dir', 'closed'], '--config-dir closed: permission denied'],
  ] as const)
    await refused(t, sandbox, ['--role', 'solr', ...args], { ...nobody, message })
  await refused(t, sandbox, ['--role', 'solr', '--prefix', 'site'], {
    ...nobody,
    bare: true,
    message: ['cannot keep state in @/site/var/lib/converge', 'permission denied'],
  })
})

t.test('does not run a configuration that another account left in the working directory', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const sandbox = new Sandbox(t)
  sandbox.write({
    'converge.config.ts': "import { writeFileSync } from 'node:fs'\nwriteFileSync('ran', '')\nexport default {}",
  })
  fs.chownSync(sandbox.at('converge.config.ts'), 65534, 65534)
  await refused(t, sandbox, ['plan', '--role', 'solr'], {
    message: ['belongs to another account', '--config @/converge.config.ts'],
  })
})

t.test('reports a working directory that somebody has removed', async (t) => {
  const script = 'mkdir gone; cd gone; rmdir ../gone; converge stack check'
  const { stderr } = await new Sandbox(t).shell(script, { bare: true })
  t.match(stderr, 'error: the working directory is not there any more\n  hint: change to a directory that exists')
})
