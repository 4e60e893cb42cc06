/**
 * Plants secrets in every place that can hold one, runs every command, and checks that converge neither prints nor
 * stores any.
 */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { plantedRecipe } from '../support/planted_recipe.ts'
import { isReadableByOthers, type Leak, PlantedSecrets } from '../support/planted_secrets.ts'
import { plantedAttributes, plantedEnvironment, plantedForeignFile, plantedStack } from '../support/planted_site.ts'
import { Sandbox } from '../support/program.ts'

t.setTimeout(1_200_000)

/** As root, the commands would change accounts of the host. */
const account = process.getuid?.() === 0 ? 'nobody' : undefined

const roles = [
  'zeo-client',
  'zeo-server',
  'solr',
  'relstorage-pack',
  'frontend',
  'celerybeat',
  'port-app',
  'jetty-app',
  'base',
  'php-app',
]
const commands = [
  'plan --verbose',
  'plan --json-output',
  'status --json-output',
  'releases',
  'revisions',
  'doctor',
  'attributes',
]

/** The commands for a database, which the other roles refuse. */
const databaseCommands = [
  'backup now',
  'backup list',
  'backup list --json-output',
  'backup verify',
  'backup restore',
  'pack',
]

function open(t: Test): Sandbox {
  const sandbox = new Sandbox(t)
  if (account !== undefined) execFileSync('chown', ['-R', account, sandbox.directory])
  return sandbox
}

function repository(sandbox: Sandbox, owner?: string): string {
  const path = sandbox.at('shop.git')
  const git = (...words: string[]) =>
    execFileSync('git', ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.com', ...words])
  git('init', '-q', '-b', 'main', path)
  fs.writeFileSync(`${path}/README`, 'shop\n')
  git('-C', path, 'add', '--all')
  git('-C', path, 'commit', '-q', '-m', 'first')
  if (owner !== undefined) execFileSync('chown', ['-R', owner, path])
  return path
}

function none(t: Test, leaks: readonly Leak[], message: string): void {
  t.strictSame(leaks, [], message)
}

t.test('every command for every role hides secrets', async (t) => {
  const secrets = new PlantedSecrets()
  const sandbox = open(t)
  sandbox.write({ 'site.json': JSON.stringify(plantedAttributes(secrets, repository(sandbox, account))) })
  const words = (role: string) => ['--role', role, '--json', 'site.json', '--prefix', sandbox.at('root')]
  t.ok(secrets.count >= 60, `${secrets.count} secrets`)
  const lines = [
    ...roles.flatMap((role) => commands.map((command) => [...command.split(' '), ...words(role)])),
    ...databaseCommands.map((command) => [...command.split(' '), ...words('zeo-server')]),
  ]
  while (lines.length > 0)
    await Promise.all(
      lines.splice(0, 4).map(async (line) => {
        const { stdout, stderr } = await sandbox.converge(line, { account })
        if (process.env.SHOW) console.error(`== ${line}\n`, stdout.slice(0, 600), stderr.slice(0, 600))
        none(t, secrets.leaks(line.join(' '), stdout + stderr), line.join(' '))
      }),
    )
  for (const key of [
    'deploy',
    'plone_instances',
    'haproxy',
    'newrelic',
    'jetty_app',
    'deploy_buildout',
    'ebs_snapshots',
  ])
    for (const output of [[], ['--json-output']]) {
      const { stdout, stderr } = await sandbox.converge(
        ['attributes', '--json', 'site.json', '--explain', key, ...output],
        { account },
      )
      none(t, secrets.leaks(`attributes --explain ${key}`, stdout + stderr), key)
    }
  none(t, secrets.leaksBelow(sandbox.state), 'the state directory')
})

t.test('runs of a custom role hide secrets that are replaced and removed', async (t) => {
  if (!needs(t, ['strace'])) return
  const secrets = new PlantedSecrets()
  const sandbox = new Sandbox(t)
  const scm = () => ({
    scm_type: 'git',
    repository: sandbox.at('shop.git'),
    user: 'robot',
    password: secrets.make('scm.password', '/@+'),
    ssh_key: `-----BEGIN KEY-----\n${secrets.make('scm.ssh_key', 'MIIEpAIBAAKCAQEA@')}\n-----END KEY-----\n`,
  })
  repository(sandbox)
  const environments = [plantedEnvironment(secrets, 'first'), plantedEnvironment(secrets, 'second'), {}]
  const listed = [secrets.make('--secrets', '%@"'), secrets.exact('short', 'q7Zx')]
  sandbox.write({
    'planted.ts': plantedRecipe,
    'root/etc/foreign.conf': plantedForeignFile(secrets, 'foreign.conf'),
    'root/srv/shop/releases/.keep': '',
    'root/srv/shop/shared/.keep': '',
    'foreign.log': plantedForeignFile(secrets, 'foreign.log'),
    'secrets.json': JSON.stringify(listed),
    failing: '',
  })
  fs.chmodSync(sandbox.at('root/etc/foreign.conf'), 0o600)
  const words = [
    '--role',
    'planted',
    '--recipes',
    'planted.ts',
    '--json',
    'site.json',
    '--prefix',
    sandbox.at('root'),
    '--secrets',
    'secrets.json',
    '--verbose',
  ]
  const leaks: Leak[] = []
  let runs = 0
  for (const environment of environments)
    for (const more of environment === environments[0]
      ? [{}, { failing: 'failing' }, { thrown: true }, { wrong: true }]
      : [{}]) {
      const { failing = 'nowhere', ...rest } = more as { failing?: string }
      const hidden = { hidden: listed.join('\n'), work: sandbox.directory }
      const json = {
        ...hidden,
        ...rest,
        converge: { secret_names: ['LOGIN_PIN', 'UNLOCK_CODE'] },
        deploy: { shop: { scm: scm(), environment: { ...environment, OTHER: listed[1] }, failing } },
      }
      sandbox.write({ 'site.json': JSON.stringify(json) })
      fs.chmodSync(sandbox.at('site.json'), 0o644)
      for (const command of [
        'plan --event deploy,configure',
        'plan --event deploy,configure --json-output',
        'deploy',
        'configure --json-output',
        'status',
        'releases',
        'rollback',
        'lock -m planted',
        'unlock',
      ]) {
        if (Object.keys(more).length > 0 && !/plan|configure/.test(command)) continue
        const isLock = /lock/.test(command)
        const own = isLock
          ? ['--prefix', sandbox.at('root'), '--state-dir', sandbox.state]
          : words.slice(0, /status|releases/.test(command) ? -1 : undefined)
        const through = ['strace', '-f', '-qq', '-s', '100000', '-e', 'trace=execve', '-o', sandbox.at('calls')]
        const line = [...command.split(' '), ...own]
        const { status, stdout, stderr } = await sandbox.converge(line, { through, bare: isLock })
        runs++
        if (process.env.SHOW)
          console.error(
            `== ${status} ${command} ${JSON.stringify(more)}\n`,
            stdout.slice(0, 3000),
            stderr.slice(0, 1600),
          )
        leaks.push(
          ...secrets.leaks(command, stdout + stderr),
          ...secrets.leaks(`processes of ${command}`, sandbox.read('calls')),
        )
        leaks.push(...secrets.leaksBelow(sandbox.state))
        leaks.push(...secrets.leaksBelow(sandbox.at('root'), (path) => isReadableByOthers(path, sandbox.directory)))
      }
    }
  t.comment(`${secrets.count} secrets, ${runs} runs`)
  none(t, unique(leaks), 'nothing is printed, stored, passed as an argument or readable by others')
})

t.test('saved plans, reports, verify and doctor hide secrets', async (t) => {
  if (!needs(t, ['strace', 'root', 'overlay'])) return
  const secrets = new PlantedSecrets()
  const sandbox = new Sandbox(t)
  const listed = [secrets.make('--secrets', '%@"')]
  const attributes = (app: string, failing: string) =>
    JSON.stringify({
      hidden: listed.join('\n'),
      work: sandbox.directory,
      converge: { secret_names: ['LOGIN_PIN', 'UNLOCK_CODE'] },
      deploy: { shop: { environment: plantedEnvironment(secrets, app), scm: {}, failing } },
    })
  sandbox.write({
    'planted.ts': plantedRecipe,
    'site.json': attributes('first', 'nowhere'),
    'root/etc/foreign.conf': plantedForeignFile(secrets, 'foreign.conf'),
    'foreign.log': plantedForeignFile(secrets, 'foreign.log'),
    'secrets.json': JSON.stringify(listed),
  })
  fs.chmodSync(sandbox.at('root/etc/foreign.conf'), 0o600)
  const words = ['--role', 'planted', '--recipes', 'planted.ts', '--json', 'site.json', '--secrets', 'secrets.json']
  const prefix = ['--prefix', sandbox.at('root')]
  const run = ['--event', 'configure', ...words, ...prefix, '--state-dir', sandbox.state]
  const applied = ['apply', 'plan.json', '--verbose']
  const leaks: Leak[] = []
  let runs = 0
  const check = async (line: readonly string[]) => {
    const through = ['strace', '-f', '-qq', '-s', '100000', '-e', 'trace=execve', '-o', sandbox.at('calls')]
    const { status, stdout, stderr } = await sandbox.converge(line, { through, bare: true })
    runs++
    const command = line.slice(0, 3).join(' ')
    if (process.env.SHOW) console.error(`== ${status} ${command}\n`, stdout.slice(0, 900), stderr.slice(0, 900))
    leaks.push(...secrets.leaks(command, stdout + stderr))
    leaks.push(...secrets.leaks(`processes of ${command}`, sandbox.read('calls')))
    leaks.push(...secrets.leaksBelow(sandbox.state))
    for (const file of ['plan.json', 'report.html'])
      if (fs.existsSync(sandbox.at(file))) leaks.push(...secrets.leaks(file, sandbox.read(file)))
    return status
  }
  t.equal(await check(['plan', ...run, '--out', 'plan.json']), 0)
  t.equal(await check([...applied, '--dry-run']), 0)
  t.equal(await check([...applied, '--json-output']), 0)
  t.equal(await check(applied), 2, 'it is applied')
  sandbox.write({ 'site.json': attributes('second', 'foreign.log') })
  t.equal(await check(applied), 2, 'another value of a secret')
  t.equal(await check(['plan', ...run, '--explain', '--out', 'plan.json']), 0)
  sandbox.write({ 'root/etc/foreign.conf': plantedForeignFile(secrets, 'changed foreign.conf') })
  t.equal(await check(applied), 2, 'the host has changed')
  t.equal(await check(['plan', ...run, '--out', 'plan.json', '--json-output']), 0)
  t.equal(await check([...applied, '--json-output']), 1, 'a command fails')
  for (const out of [[], ['--out', 'report.html']])
    t.equal(await check(['report', '--state-dir', sandbox.state, ...out]), 0)
  await check(['doctor', ...words, ...prefix, '--state-dir', sandbox.state])
  for (const output of [[], ['--json-output']]) await check(['verify', '--event', 'configure', ...words, ...output])
  t.comment(`${secrets.count} secrets, ${runs} runs`)
  none(t, unique(leaks), 'nothing is printed, stored or passed as an argument')
})

t.test('files of secrets hide their values', async (t) => {
  if (!needs(t, ['strace'])) return
  const secrets = new PlantedSecrets()
  const sandbox = new Sandbox(t)
  const leaks: Leak[] = []
  // The variable itself is printed, so the text is in a file.
  const editor = (text: string, status = 0) => {
    const file = sandbox.at(`editor-${secrets.count}`)
    fs.writeFileSync(file, `#!/bin/sh\ncat >> "$1" << 'end'\n${text}\nend\nexit ${status}\n`, { mode: 0o700 })
    return { EDITOR: file }
  }
  const steps: readonly (readonly [command: string, input?: string, env?: Readonly<Record<string, string>>])[] = [
    ['secrets init'],
    ['secrets set database.password', secrets.make('set', ' "@#')],
    ['secrets set key', `${secrets.make('first line')}\n${secrets.make('second line')}\n`],
    ['secrets set key.below', secrets.make('refused value')],
    ['secrets set a..b', secrets.make('wrong key')],
    ['secrets edit', '', editor(`token: ${secrets.make('edited')}`)],
    ['secrets edit', '', editor(`token: [${secrets.make('refused text')}`)],
    ['secrets edit', '', editor(`- ${secrets.make('refused list')}`, 3)],
    ['secrets rekey'],
    ['secrets show nowhere'],
    ['secrets show database.password.below'],
  ]
  for (const [command, input = '', env = {}] of steps) {
    const through = ['strace', '-f', '-qq', '-s', '100000', '-e', 'trace=execve', '-o', sandbox.at('calls')]
    const { status, stdout, stderr } = await sandbox.converge(command.split(' '), { through, bare: true, input, env })
    if (process.env.SHOW) console.error(`== ${status} ${command}\n`, stdout.slice(0, 900), stderr.slice(0, 900))
    leaks.push(...secrets.leaks(command, stdout + stderr))
    leaks.push(...secrets.leaks(`processes of ${command}`, sandbox.read('calls')))
    leaks.push(...secrets.leaksBelow(sandbox.directory, (path) => !path.includes('/editor-')))
  }
  none(t, unique(leaks), 'nothing is printed, left or passed as an argument')
})

t.test('commands of a stack with an unreachable host hide secrets', async (t) => {
  const secrets = new PlantedSecrets()
  const sandbox = new Sandbox(t)
  const { stack, env, files } = plantedStack(secrets)
  sandbox.write({ 'stack.json': JSON.stringify(stack, null, 1), ...files })
  const leaks: Leak[] = []
  for (const command of [
    'check',
    'show',
    'show --json-output',
    'schema',
    'userdata web1',
    'plan',
    'plan --json-output',
    'deploy',
    'deploy --json-output',
    'setup',
    'status',
    'deployments',
    'log last',
    'log last --json-output',
    'rollback',
  ])
    for (const environment of [[], ['-E', 'staging']]) {
      const line = ['stack', ...command.split(' '), ...environment]
      const { status, stdout, stderr } = await sandbox.converge(line, { env, bare: true })
      if (process.env.SHOW)
        console.error(`== ${status} ${line.join(' ')}\n`, stdout.slice(0, 900), stderr.slice(0, 900))
      leaks.push(...secrets.leaks(line.join(' '), stdout + stderr))
    }
  leaks.push(...secrets.leaksBelow(sandbox.at('.converge')))
  t.comment(`${secrets.count} secrets`)
  none(t, unique(leaks), 'nothing is printed or recorded')
})

t.test('reports of mistakes beside secrets, and in their place, hide them', async (t) => {
  const secrets = new PlantedSecrets()
  const sandbox = new Sandbox(t)
  const at = (what: string, shape?: string) => secrets.make(what, shape)
  const app = (values: object) => JSON.stringify({ port_app: { command: 'serve' }, deploy: { port_app: values } })
  const texts: Record<string, string> = {
    'cut.json': `{"deploy": {"port_app": {"scm": {"password": "${at('cut')}`,
    'comma.json': `{"deploy": {"port_app": {"scm": {"password": "${at('no comma')}" "user": 1}}}}`,
    'twice.json': `{"a_password": "${at('twice')}", "a_password": "${at('twice, second')}"}`,
    'bare.yaml': `deploy:\n  port_app: {scm: {password: ${at('YAML', ': @ [')}}\n`,
    'tab.yaml': `api_token: ${at('YAML tab')}\n\tother: ${at('YAML tab, second')}\n`,
    'alias.yaml': `api_token: *${at('YAML alias')}\n`,
    'list.json': app({ scm: { password: [at('list')] } }),
    'object.json': app({ scm: { password: { value: at('object') } } }),
    'lines.json': app({ scm: { password: at('lines', '\n@') } }),
    'environment.json': app({
      environment: { A_TOKEN: at('control character', '\u0007@') },
      scm: { repository: '/x' },
    }),
    'environment_list.json': app({ environment: { A_TOKEN: [at('list of an environment')] } }),
    'environment_text.json': app({ environment: `A_PASSWORD=${at('text of an environment')}` }),
    'key.json': app({ ssl_support: true, ssl_certificate_key: at('no key') }),
    'url.json': app({ scm: { repository: `ext::sh -c https://u:${at('URL')}@h/x` } }),
    'command.json': JSON.stringify({ port_app: { command: `serve --password='${at('open quote')}` } }),
    'number.json': JSON.stringify({
      haproxy: { stats_password: { a: at('stats') } },
      converge: { secret_names: 'PIN' },
      PIN: at('own name'),
    }),
  }
  sandbox.write(texts)
  const leaks: Leak[] = []
  for (const name of Object.keys(texts))
    for (const command of ['plan', 'attributes', 'configure --json-output']) {
      const line = [...command.split(' '), '--role', 'port-app', '--json', name, '--prefix', sandbox.at('root')]
      const { status, stdout, stderr } = await sandbox.converge(
        command === 'configure --json-output' ? [...line, '--dry-run'] : line,
      )
      if (process.env.SHOW)
        console.error(`== ${status} ${name} ${command}\n`, stdout.slice(0, 300), stderr.slice(0, 900))
      leaks.push(...secrets.leaks(`${command} ${name}`, stdout + stderr))
    }
  none(t, unique(leaks), 'no message shows them')
})

function unique(leaks: readonly Leak[]): Leak[] {
  return [...new Map(leaks.map((leak) => [`${leak.where} ${leak.secret}`, leak])).values()]
}
