/**
 * Plants secrets in a stack, runs the commands of the stack on a host over SSH, and then the console and its client. None
 * of them may print, record, answer or pass as an argument any of the secrets.
 */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { startConsole } from '../../core/console/main.ts'
import { needs } from '../support/machine.ts'
import { plainNode, runsOnNode22 } from '../support/node22.ts'
import { plantedRecipe } from '../support/planted_recipe.ts'
import { isReadableByOthers, type Leak, PlantedSecrets } from '../support/planted_secrets.ts'
import { plantedEnvironment, plantedForeignFile } from '../support/planted_site.ts'
import { Sandbox } from '../support/program.ts'
import { until } from '../support/wait_until.ts'
import { Client } from './support/console.ts'
import { ownSshd } from './support/own_sshd.ts'
import { newKey } from './support/ssh_keys.ts'

t.setTimeout(600_000)

const project = fileURLToPath(new URL('../..', import.meta.url))
const logs = `
export const service = role('planted_logs', {
  setup(r, node) {
    for (const path of ['/srv', '/srv/shop', '/srv/shop/releases', '/srv/shop/shared', '/etc', '/var', '/var/log', '/var/log/shop']) directory(r, { path: placed(node, path) })
  },
  configure(r, node) {
    supervisor_program(r, { name: 'planted', app: 'shop', command: '/bin/sleep 9', confDir: placed(node, '/etc'), logDir: placed(node, '/var/log/shop'), environment: node.deploy.shop.environment })
  },
})
`

/** A stack of one host whose account is the one of this process, below a prefix. */
class PlantedStack {
  readonly secrets = new PlantedSecrets()
  readonly leaks: Leak[] = []
  runs = 0

  private constructor(
    readonly sandbox: Sandbox,
    private readonly port: number,
  ) {}

  static async make(t: Test): Promise<PlantedStack> {
    const sandbox = new Sandbox(t)
    for (const name of ['home/.ssh', 'root']) fs.mkdirSync(sandbox.at(name), { recursive: true, mode: 0o700 })
    const key = await newKey(sandbox.at('home/.ssh/id_ed25519'))
    const { port } = await ownSshd(t, { authorized: [key], lines: ['MaxStartups 100'] })
    const git = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-C', sandbox.at('site')]
    execFileSync('git', ['init', '-q', '-b', 'main', sandbox.at('site')])
    execFileSync('git', [...git, 'commit', '-q', '--allow-empty', '-m', 'first'])
    return new PlantedStack(sandbox, port)
  }

  /** @param variables the environment of the app, with new secrets in each round */
  write(variables: object): void {
    const { secrets, sandbox } = this
    const root = sandbox.at('root')
    sandbox.write({
      'recipes/planted.ts': plantedRecipe,
      'recipes/logs.ts': `import { directory, placed, role, supervisor_program } from 'converge-engine'${logs}`,
      'stack.json': JSON.stringify({
        name: 'planted',
        layers: { all: { roles: ['planted_logs', 'planted'] } },
        recipes: ['recipes'],
        apps: {
          shop: {
            layers: ['all'],
            scm: {
              repository: sandbox.at('site'),
              revision: 'main',
              user: 'robot',
              password: secrets.make('scm.password', '/@+'),
              ssh_key: `-----BEGIN KEY-----\n${secrets.make('scm.ssh_key', 'MIIEpAIBAAKCAQEA@')}\n-----END KEY-----\n`,
            },
            environment: { ...variables, REFERRED: { $env: 'SHOP_PIN' } },
          },
        },
        custom_json: {
          converge: { secret_names: ['LOGIN_PIN', 'UNLOCK_CODE'] },
          newrelic: { license: secrets.make('newrelic.license') },
          deploy: { shop: { failing: 'nowhere' } },
          hidden: { $env: 'HIDDEN' },
          work: sandbox.directory,
        },
        hosts: {
          web1: { address: '127.0.0.1', port: this.port, user: 'root', layers: ['all'], prefix: root },
        },
      }),
      'foreign.log': plantedForeignFile(secrets, `foreign.log ${this.runs}`),
      'root/etc/foreign.conf': plantedForeignFile(secrets, `foreign.conf ${this.runs}`),
      'root/var/log/shop/planted.log': plantedForeignFile(secrets, `log ${this.runs}`),
    })
    for (const file of ['root/etc/foreign.conf', 'root/var/log/shop/planted.log']) fs.chmodSync(sandbox.at(file), 0o600)
    this.environment = {
      HOME: sandbox.at('home'),
      SHOP_PIN: secrets.make('$env', '%@#'),
      HIDDEN: secrets.make('hidden', '#@'),
    }
  }

  environment: Record<string, string> = {}

  async run(words: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<number | null> {
    const { secrets, sandbox } = this
    const through = [
      'strace',
      '-f',
      '--seccomp-bpf',
      '-qq',
      '-s',
      '100000',
      '-e',
      'trace=execve',
      '-o',
      sandbox.at('calls'),
    ]
    const { status, stdout, stderr } = await sandbox.converge(words, {
      through,
      bare: true,
      env: { ...this.environment, ...more },
    })
    this.runs++
    const command = words.join(' ')
    if (process.env.SHOW) console.error(`== ${status} ${command}\n${stdout.slice(0, 1500)}\n${stderr.slice(0, 1500)}`)
    this.leaks.push(...secrets.leaks(command, stdout + stderr))
    this.leaks.push(...secrets.leaks(`processes of ${command}`, sandbox.read('calls')))
    return status
  }

  /** Searches the records of the operator, the journals of the host, and what other accounts can read. */
  searchFiles(): void {
    const { secrets, sandbox } = this
    this.leaks.push(...secrets.leaksBelow(sandbox.at('.converge')))
    for (const path of ['runs', 'fleet/runs', 'state'].map((name) => sandbox.at('root/var/lib/converge', name)))
      this.leaks.push(...secrets.leaksBelow(path))
    const isOpen = (path: string) => isReadableByOthers(path, sandbox.directory)
    this.leaks.push(
      ...secrets.leaksBelow(sandbox.at('root'), isOpen),
      ...secrets.leaksBelow(sandbox.at('home'), isOpen),
    )
  }

  found(): string[] {
    return [...new Set(this.leaks.map(({ where, secret, excerpt }) => `${where}: ${secret}: ${excerpt}`))]
  }
}

const words = (text: string) => text.split(' ')

if (await runsOnNode22(t, import.meta.url)) {
  t.test('commands of a stack hide secrets that are current, replaced and removed', async (t) => {
    if (!needs(t, ['root', 'git', 'sshd', 'strace'])) return
    const stack = await PlantedStack.make(t)
    const rounds = [plantedEnvironment(stack.secrets, 'first'), plantedEnvironment(stack.secrets, 'second'), {}]
    const commands = [
      [
        ...[
          'setup --accept-new',
          'plan --json-output --explain',
          'deploy',
          'configure --json-output',
          'attributes web1',
        ],
        ...['attributes web1 --origins', 'attributes web1 --explain deploy --json-output', 'status', 'doctor'],
        ...['logs --lines 50', 'logs --lines 50 --json-output', 'log last web1', 'deployments', 'lock -m reason'],
      ],
      ['unlock', 'plan', 'deploy --json-output', 'log last --json-output', 'status --json-output', 'rollback'],
      ['plan --explain', 'deploy', 'attributes web1 --origins', 'logs --lines 50', 'undeploy --app shop', 'shutdown'],
    ]
    for (const [round, variables] of rounds.entries()) {
      stack.write(variables)
      for (const command of commands[round] ?? []) await stack.run(words(`stack ${command}`))
      const files = ['etc/settings.json', 'etc/settings.sh', 'etc/shop.conf', 'etc/foreign.conf']
      await stack.run([...words('stack exec --'), 'cat', ...files.map((file) => stack.sandbox.at('root', file))])
      stack.searchFiles()
    }
    t.comment(`${stack.secrets.count} secrets, ${stack.runs} runs`)
    t.strictSame(stack.found(), [])
  })

  t.test('the console and its client hide secrets', async (t) => {
    if (!needs(t, ['root', 'git', 'sshd', 'strace'])) return
    const stack = await PlantedStack.make(t)
    const { sandbox, secrets, leaks } = stack
    stack.write(plantedEnvironment(secrets, 'console'))
    t.equal(await stack.run(words('stack setup --accept-new')), 0)
    const lines: string[] = []
    const state = sandbox.at('console')
    Object.assign(process.env, stack.environment)
    const running = await startConsole({
      ...{ directory: state, host: '127.0.0.1', port: 0, url: null, version: 'test' },
      stacks: [{ name: 'planted', directory: sandbox.directory, options: ['--stack', 'stack.json'] }],
      program: [...plainNode, join(project, 'dist/start.cjs')],
      pages: join(project, 'dist/console'),
      print: (line) => lines.push(line),
    })
    t.teardown(() => running.stop())
    const client = new Client(() => running.address)
    const send = async (method: string, path: string, body?: unknown) => {
      const answer = await client.send(method, path, body)
      const text = JSON.stringify(answer.body)
      if (process.env.SHOW) console.error(`== ${answer.status} ${method} ${path}\n${text.slice(0, 1500)}`)
      leaks.push(...secrets.leaks(`${method} ${path}`, text))
      return answer
    }
    const invitation = /invitation\/(\S+)/.exec(lines.join('\n'))?.[1]
    await send('POST', '/api/invitations/accept', { invitation, name: 'root', password: 'correct horse battery' })
    const { body: made } = await client.send('POST', '/api/stacks/planted/tokens', { name: 'ci', level: 'deploy' })
    const token: string = made.token
    const customJson = {
      newrelic: { license: secrets.make('custom JSON: a declared secret') },
      deploy: {
        shop: {
          environment: {
            ...plantedEnvironment(secrets, 'custom JSON'),
            OWN_PIN: secrets.make('custom JSON: a name of its own'),
          },
        },
      },
      converge: { secret_names: ['LOGIN_PIN', 'UNLOCK_CODE', 'OWN_PIN'] },
    }
    const deployments = '/api/stacks/planted/deployments'
    const ended = async (body: object) => {
      const { body: created } = await send('POST', deployments, { automatic: true, ...body })
      const path = `/api/deployments/${created.id}`
      await until(
        async () =>
          /succeeded|failed|rolled back|interrupted|cancelled/.test((await client.send('GET', path)).body.state),
        'the deployment ends',
        120,
      )
      leaks.push(...secrets.leaks(`events of ${path}`, JSON.stringify(await client.events(created.id, 0))))
      return (await send('GET', path)).body.state as string
    }
    t.equal(await ended({ action: 'deploy', customJson }), 'succeeded')
    for (const path of [
      ...['/api/stacks', '/api/stacks/planted', '/api/stacks/planted/records', '/api/stacks/planted/settings'],
      ...['/api/stacks/planted/apps/shop/revisions', '/api/stacks/planted/state', '/api/stacks/planted/tokens'],
      ...['/api/stacks/planted/hosts/web1/attributes', '/api/stacks/planted/hosts/web1/attributes?key=deploy'],
      ...['/api/stacks/planted/hosts/web1/attributes?key=newrelic', deployments, '/api/audit', '/api/session'],
    ])
      t.equal((await send('GET', path)).status, 200, path)
    await send('PUT', '/api/stacks/planted/maintenance', { closed: true })
    const deploy = ['deploy', '--console', running.address, '--app', 'shop']
    await stack.run([...deploy, '--json-output'], { CONVERGE_TOKEN: token })
    t.notMatch(sandbox.read('calls'), token, 'the token is no argument')
    leaks.push(...secrets.leaks('output of the console', lines.join('\n')))
    leaks.push(...secrets.leaksBelow(state))
    stack.searchFiles()
    t.comment(`${secrets.count} secrets`)
    t.strictSame(stack.found(), [])
  })
}
