/** Tests the help texts, bash completion and the version. */
import t, { type Test } from 'tap'
import { allOptions, commands, families } from '../../core/cli/command_specs/list.ts'
import { needs } from '../support/machine.ts'
import { onTerminal, Sandbox } from '../support/program.ts'

const flagsIn = (text: string) =>
  new Set([...text.matchAll(/(?<=^ {2}(?:-\w, | {4}))--([\w-]+)/gm)].map(([, name]) => name))

/** Checks that no line is too long, except for commands to be copied. */
function wellSet(t: Test, text: string, width: number): void {
  const long = text.split('\n').filter((line) => line.length > width && !line.startsWith('  converge '))
  t.strictSame(long, [], `all fits in ${width} columns`)
  t.notMatch(text, / $/m)
}

t.test('--help lists commands, roles, options and examples', async (t) => {
  const { status, stdout, stderr } = await new Sandbox(t).converge(['--help'])
  t.equal(status, 0)
  t.equal(stderr, '')
  wellSet(t, stdout, 100)
  const single = commands.filter(({ name }) => !name.includes(' '))
  for (const { name, description } of [...single, ...families])
    t.match(stdout, new RegExp(`^ {2}${name} +${description.slice(0, 30).replace(/\W/g, '.')}`, 'm'))
  t.match(stdout, /^ {2}zeo-client {9}Zope clients, from a buildout in git$/m)
  t.match(stdout, /^ {2}converge --role zeo-server,zeo-client --json site\.json$/m)
  t.match(stdout, /exits with 0 when all is done, 1 when\s+something failed, and 2 for wrong usage/)
  t.strictSame(flagsIn(stdout), new Set(Object.keys(commands[0]?.options ?? {})))
})

t.test('the help of each command has a description, examples and its options', async (t) => {
  const sandbox = new Sandbox(t)
  for (const { name, description, options, argument, examples } of commands) {
    const { status, stdout } = await sandbox.converge([...name.split(' '), '--help'])
    t.equal(status, 0)
    t.ok(stdout.startsWith(`${description}.\n`))
    const word = argument?.required ? argument.placeholder : `[${argument?.placeholder}]`
    t.match(stdout, `\nUsage:\n  converge ${name}${argument ? ` ${word}` : ''}`)
    t.ok(examples.length > 0, `${name} teaches by example`)
    for (const [line, text] of examples) {
      t.ok(stdout.includes(`  # ${text}\n  ${line}\n`))
      if (!line.startsWith('source')) t.match(line, new RegExp(`^converge( ${name}|(?= --).*)`))
    }
    t.strictSame(flagsIn(stdout), new Set(Object.keys(options)), name)
    wellSet(t, stdout, 100)
  }
})

t.test('the help names the default of that command', async (t) => {
  const sandbox = new Sandbox(t)
  const helpOf = async (name: string) => (await sandbox.converge(['stack', name, '--help'])).stdout.replace(/\s+/g, ' ')
  const strategy = (text: string) => /--strategy HOW .*?default: (\w+)/.exec(text)?.[1]
  t.match(
    await helpOf('setup'),
    /--strategy HOW .* Default: hosts in service that restart something one batch after the other/,
  )
  const deploy = await helpOf('deploy')
  t.equal(strategy(deploy), 'rolling')
  t.match(deploy, /--parallel N .*?default: 25.*--reconnect SECONDS .*?default: 120/)
  t.notMatch(deploy, /on this host|attributes ask/, 'of many hosts it speaks as of many')
  t.match(await helpOf('plan'), /--detailed-exit-code/)
})

t.test('the help of the first word lists the commands of two words', async (t) => {
  const sandbox = new Sandbox(t)
  for (const { name, details, examples } of families) {
    const { status, stdout } = await sandbox.converge([name, '--help'])
    t.equal(status, 0)
    t.ok(stdout.startsWith(details.slice(0, 40)))
    const own = commands.filter((spec) => spec.name.startsWith(`${name} `))
    t.ok(own.length > 1)
    for (const spec of own) t.match(stdout, `  ${spec.name} `)
    for (const [line, text] of examples) t.ok(stdout.includes(`  # ${text}\n  ${line}\n`), line)
    t.match(stdout.replace(/\s+/g, ' '), /Exit status: 0 nothing to do or all done, 1 something failed, 2 wrong usage/)
    wellSet(t, stdout, 100)
    t.equal((await sandbox.converge(['help', name])).stdout, stdout)
  }
})

t.test('prints help wherever the option stands, and does nothing else', async (t) => {
  const sandbox = new Sandbox(t)
  const { stdout } = await sandbox.converge(['deploy', '--help'])
  for (const args of [
    ['--help', 'deploy'],
    ['deploy', '-h'],
    ['help', 'deploy'],
    ['--role', 'nope', 'deploy', '--help', '--nonsense'],
  ])
    t.equal((await sandbox.converge(args)).stdout, stdout, args.join(' '))
  const { stdout: all } = await sandbox.converge(['-h'])
  for (const args of [['help'], ['--role', 'zeo-client', '--help']]) t.equal((await sandbox.converge(args)).stdout, all)
})

t.test('fits a narrow terminal', async (t) => {
  if (!needs(t, ['python3'])) return
  const narrow = onTerminal.map((word) => word.replace("'HHHH', 40, 100", "'HHHH', 40, 60"))
  const { stdout } = await new Sandbox(t).converge(['--help'], { through: narrow, env: { TERM: 'xterm' } })
  wellSet(t, stdout.replaceAll('\r\n', '\n'), 60)
})

t.test('accepts the examples of the help', async (t) => {
  const sandbox = new Sandbox(t)
  const lines = commands
    .flatMap(({ examples }) => examples.map(([line]) => line))
    .filter((line) => line.startsWith('converge'))
  t.ok(lines.length > 25)
  sandbox.write({
    'site.json': '{}',
    'node.json': JSON.stringify({ deploy: { plone_instances: { scm: { repository: '/srv/site.git' } } } }),
    'stack.json': '{}',
    'recipes/web.ts': "import { role } from 'converge-engine'\nexport default role('web', {})",
  })
  for (const line of lines.filter((line) =>
    /converge (plan|render|attributes|resources|help|doctor|releases)/.test(line),
  )) {
    const words = line.replace(/ >.*/, '').split(' ').slice(1)
    const { status, stderr } = await sandbox.converge(words)
    t.not(status, 2, `${line}: ${stderr}`)
  }
})

t.test('--version prints the version', async (t) => {
  const sandbox = new Sandbox(t)
  const { status, stdout } = await sandbox.converge(['--version'])
  t.equal(status, 0)
  t.match(stdout, /^\d+\.\d+\.\d+\n$/)
})

t.test('bash completes commands, options and values', async (t) => {
  if (!needs(t, ['bash'])) return
  const sandbox = new Sandbox(t)
  const complete = async (...words: string[]) => {
    const script = `
      source <(converge completion bash)
      complete -p converge >/dev/null || exit 9
      COMP_WORDS=(converge ${words.map((word) => `'${word}'`).join(' ')})
      COMP_CWORD=${words.length} COMPREPLY=()
      _converge
      printf '%s\\n' "\${COMPREPLY[@]}"`
    const { status, stdout, stderr } = await sandbox.shell(script, { bare: true })
    t.equal(status, 0, stderr)
    return stdout.split('\n').filter((word) => word !== '')
  }
  t.strictSame(await complete('de'), ['deploy', 'debug-client'])
  t.strictSame(await complete('re'), ['rebuild', 'releases', 'revisions', 'restart', 'report', 'render', 'resources'])
  t.strictSame(await complete('--role', 'ze'), ['zeo-client', 'zeo-server'])
  t.strictSame(await complete('deploy', '-r', 'zeo-server,zeo-c'), ['zeo-server,zeo-client'])
  t.strictSame(await complete('--role', '=', 'sol'), ['solr'])
  t.strictSame(await complete('deploy', '--re'), ['--recipes', '--revision', '--retry-failed'])
  t.strictSame(await complete('rollback', '--t'), ['--to'])
  t.strictSame(await complete('deploy', '--t'), [])
  t.strictSame(await complete('--event', 'conf'), ['configure'])
  t.strictSame(await complete('resources', 'git'), ['git_release'])
  t.strictSame(await complete('attributes', '--explain', 'plone_i'), ['plone_instances'])
  t.strictSame(await complete('completion', ''), ['bash', 'zsh'])
  t.strictSame(await complete('help', 'stat'), ['status'])
  t.strictSame(await complete('--json', ''), [], 'files are the shell’s own matter')
})

t.test('completes every option and command', async (t) => {
  const sandbox = new Sandbox(t)
  const { stdout } = await sandbox.converge(['--complete', ''])
  t.strictSame(stdout.trim().split('\n'), [...new Set(commands.map(({ name }) => name.replace(/ .*/, '')))])
  const found = new Set<string>()
  const completed = async (words: readonly string[]) =>
    (await sandbox.converge(['--complete', ...words, '--'])).stdout.trim().split('\n')
  for (const { name } of commands) {
    // The option that is part of the name takes a value.
    const words = [...name.split(' '), ...(name.includes(' --') ? ['value'] : [])]
    for (const word of await completed(words)) found.add(word)
  }
  t.ok((await completed(['deploy'])).includes('--console'), 'the option that makes it another command')
  t.strictSame(found, new Set([...allOptions.keys(), 'help'].map((name) => `--${name}`)))
})

t.test('prints the script for zsh, and selects the script for the current shell', async (t) => {
  const sandbox = new Sandbox(t)
  const zsh = (await sandbox.converge(['completion', 'zsh'])).stdout
  t.match(zsh, /^#compdef converge\n/)
  t.equal((await sandbox.converge(['completion'], { env: { SHELL: '/bin/zsh' } })).stdout, zsh)
  t.match((await sandbox.converge(['completion'], { env: { SHELL: '/bin/bash' } })).stdout, /^_converge\(\) \{\n/)
})
