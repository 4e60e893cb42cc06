/**
 * Tests each command of a stack with a host that changes its answers, over a real sshd: one error, in time, without
 * escapes, and no file elsewhere.
 */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { type Finished, Sandbox } from '../support/program.ts'
import { ownSshd } from './support/own_sshd.ts'
import { newKey } from './support/ssh_keys.ts'

/** `all`: each kind for each command, which takes 15 minutes. */
const all = process.env.CONVERGE_TEST_HOSTILE === 'all'
const seed = Number(process.env.CONVERGE_TEST_SEED ?? 9)

t.setTimeout(all ? 3_600_000 : 900_000)

const shell = fileURLToPath(new URL('support/hostile_shell.py', import.meta.url))

const kinds = [
  ...['changed JSON', 'escapes', 'flipped bytes', 'names with dots', 'repeated lines', 'not UTF-8', 'forged lines'],
  ...['deep values', 'huge numbers', 'texts with escapes', 'endless line', 'endless lines', 'early end', 'no output'],
  ...['errors without end', 'exit status', 'lost connection'],
  // The deadline of a silent host is 60 s.
  ...(all ? ['silence'] : []),
]

/** Commands in the order of a host's life: each finds something to do after those before it. */
const commands = [
  ...['setup', 'plan', 'deploy', 'status', 'doctor', 'exec -- echo hello', 'exec --timeout 20 -- printf x'],
  ...['logs --lines 5', 'lock -m reason', 'unlock', 'configure', 'rollback', 'run restart', 'hooks show'],
  ...[
    'maintenance on',
    'maintenance off',
    'hooks install --dry-run',
    'hooks remove --dry-run',
    'plan --event deploy',
    'undeploy --app mine',
    'shutdown',
  ],
]

/** @param at the prefix; the repository is beside it */
const recipe = (at: string) => `import { directory, file, git_release, role, supervisor_program } from 'converge-engine'
export default role('probe', {
  setup(r) {
    for (const path of ['${at}', '${at}/srv', '${at}/srv/mine', '${at}/srv/mine/releases', '${at}/srv/mine/shared']) directory(r, { path })
  },
  configure(r) { file(r, { path: '${at}/srv/time', content: JSON.stringify(r.node.probe ?? null) }) },
  deploy(r) {
    const { revision = 'main', commit } = r.node.deploy?.mine?.scm ?? {}
    git_release(r, { app: 'mine', into: '${at}/srv/mine/releases', shared: '${at}/srv/mine/shared',
      current: '${at}/srv/mine/current', repository: '${at}/../site', revision, commit, inputs: {} })
  },
  restart(r) { file(r, { path: '${at}/srv/restarted', content: 'yes' }) },
  events: { logs(r) { supervisor_program(r, { name: 'worker', app: 'mine', command: '/bin/worker', logDir: '${at}/srv/mine/shared' }) } },
})
`

interface Kind {
  readonly kind: string
  /** Number of the operator's command on the host that is answered so; -1: each. */
  readonly target: number
  readonly seed: string
}

/** A stack of one host, whose answers a test decides. */
class HostileStack {
  private constructor(
    private readonly sandbox: Sandbox,
    private readonly settings: string,
    private readonly home: string,
  ) {}

  static async make(t: Test): Promise<HostileStack> {
    const sandbox = new Sandbox(t)
    const [home, host] = [sandbox.at('home'), sandbox.at('host')]
    for (const path of [home, host, join(home, '.ssh')]) fs.mkdirSync(path, { mode: 0o700 })
    const key = await newKey(join(home, '.ssh/id_ed25519'))
    const settings = sandbox.at('kind.json')
    const sshd = await ownSshd(t, {
      authorized: [key],
      lines: [`ForceCommand /usr/bin/python3 -S ${shell} ${settings}`, 'MaxStartups 100'],
    })
    const git = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-C', join(host, 'site')]
    execFileSync('git', ['init', '-q', '-b', 'main', join(host, 'site')])
    execFileSync('git', [...git, 'commit', '-q', '--allow-empty', '-m', 'first'])
    sandbox.write({
      'recipes/probe.ts': recipe(join(host, 'prefix')),
      'stack.json': JSON.stringify({
        name: 'hostile',
        layers: { all: { roles: ['probe'] } },
        recipes: ['recipes'],
        apps: { mine: { layers: ['all'], scm: { repository: join(host, 'site'), revision: 'main' } } },
        hosts: {
          web1: { address: '127.0.0.1', port: sshd.port, user: 'root', layers: ['all'], prefix: join(host, 'prefix') },
        },
      }),
    })
    return new HostileStack(sandbox, settings, home)
  }

  commit(): void {
    const git = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-C', this.sandbox.at('host/site')]
    execFileSync('git', [...git, 'commit', '-q', '--allow-empty', '-m', 'next'])
  }

  /** Returns how many of its commands the host answered in this way. */
  get hits(): number {
    const path = `${this.settings}.hits`
    return fs.existsSync(path) ? fs.readFileSync(path, 'utf8').split('\n').length - 1 : 0
  }

  run(words: readonly string[], kind: Kind): Promise<Finished> {
    for (const end of ['.count', '.hits']) fs.rmSync(`${this.settings}${end}`, { force: true })
    fs.writeFileSync(this.settings, JSON.stringify(kind))
    return this.sandbox.converge(['stack', ...words], {
      bare: true,
      env: { HOME: this.home },
      through: ['timeout', '-s', 'KILL', '150'],
    })
  }

  /** Lists what exists outside of the records, the host, and the caches of the operator. */
  files(): string[] {
    const own = this.sandbox.directory
    return fs
      .readdirSync(own, { recursive: true, encoding: 'utf8' })
      .filter((name) => !/^(host|kind\.json|home\/(cache|\.cache|\.ssh|\.local)|\.converge\/hostile\/)/.test(name))
      .sort()
  }

  /** Names below the records. */
  records(): string[] {
    const directory = this.sandbox.at('.converge/hostile')
    return fs.existsSync(directory) ? fs.readdirSync(directory, { recursive: true, encoding: 'utf8' }) : []
  }
}

const honest: Kind = { kind: 'none', target: -1, seed: '' }
const control = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/
const trace = /^ *\|? *at \S+ \(|node:internal|TypeError|RangeError|INTERNAL|report this fault|heap/m

/** Returns what is wrong with the output of a command. */
function faultsOf({ status, signal, stdout, stderr }: Finished, isJson: boolean): string[] {
  const both = stdout + stderr
  const faults: string[] = []
  if (signal !== null || ![0, 1, 2, 3].includes(status ?? -1)) faults.push(`status ${status} ${signal}`)
  const steering = control.exec(both)
  if (steering) faults.push(`control character ${JSON.stringify(both.slice(steering.index - 40, steering.index + 20))}`)
  const traced = trace.exec(both)
  if (traced) faults.push(`trace: ${both.slice(traced.index - 200, traced.index + 300)}`)
  if (/^error: forged/m.test(both)) faults.push('a forged line')
  if (both.length > 300_000) faults.push(`${both.length} characters of output`)
  if (status !== 0 && status !== 3 && !/error|fail|!|cannot|did not|not |absent/.test(both))
    faults.push(`no message: ${both}`)
  if (isJson)
    for (const line of stdout.split('\n').filter((one) => one !== ''))
      try {
        JSON.parse(line)
      } catch {
        faults.push(`not JSON: ${line.slice(0, 200)}`)
      }
  return faults
}

interface Case {
  readonly words: readonly string[]
  readonly kind: Kind
  readonly isJson: boolean
}

/** Lays out the cases so that each worker runs whole lives of a host. */
function casesOf(worker: number, workers: number): Case[] {
  const rounds = all ? kinds.length : 2
  return Array.from({ length: rounds }, (_, round) => round)
    .filter((round) => round % workers === worker)
    .flatMap((round) =>
      commands.map((command, at) => {
        const place = (round * 5 + at * 7 + seed) % kinds.length
        const kind = kinds[all ? (round + at) % kinds.length : place] ?? ''
        const isJson = (round + at) % 3 === 0
        const [words, rest] = command.split(' -- ')
        const json = isJson && !/^(logs|hooks)/.test(command) ? ['--json-output'] : []
        return {
          words: [...(words ?? '').split(' '), ...json, ...(rest === undefined ? [] : ['--', ...rest.split(' ')])],
          kind: { kind, target: (round + at) % 4 === 3 ? -1 : (round * 3 + at) % 3, seed: `${seed}-${round}-${at}` },
          isJson: json.length > 0,
        }
      }),
    )
}

/** A case waits for the host for most of its time. */
const workers = all ? 4 : 2
t.jobs = workers
let total = 0
let reached = 0

for (let worker = 0; worker < workers; worker++)
  t.test(`hosts ${worker + 1}`, { buffered: true }, async (t) => {
    if (!needs(t, ['root', 'git', 'sshd', 'python3'])) return
    const stack = await HostileStack.make(t)
    const first = await stack.run(['setup', '--accept-new'], honest)
    t.equal(first.status, 0, first.stdout + first.stderr)
    const files = stack.files()
    for (const { words, kind, isJson } of casesOf(worker, workers)) {
      const what = `${words.join(' ')}: ${kind.kind} at ${kind.target}`
      if (/^(deploy|rollback|configure)/.test(words[0] ?? '')) stack.commit()
      if (words[0] === 'rollback') await stack.run(['deploy'], honest)
      if (words[0] === 'setup') await stack.run(['setup'], honest)
      const began = performance.now()
      const reconnect = /^(setup|plan|deploy|configure|rollback|undeploy|shutdown|run)$/.test(words[0] ?? '')
        ? ['--reconnect', '3']
        : []
      const seen = await stack.run([words[0] ?? '', ...reconnect, ...words.slice(1)], kind)
      total++
      if (stack.hits > 0) reached++
      if (process.env.SHOW) {
        const text = (seen.stderr + seen.stdout).slice(0, Number(process.env.SHOW))
        console.error(
          `== ${what}: ${stack.hits} hits, status ${seen.status}, ${Math.round(performance.now() - began)} ms\n${text}`,
        )
      }
      for (const fault of faultsOf(seen, isJson)) t.fail(`${what}: ${fault}`, { stderr: seen.stderr.slice(0, 2000) })
      t.strictSame(stack.files(), files, `${what}: no file elsewhere`)
      for (const log of [['log', 'last'], ['log', 'last', 'web1'], ['deployments']])
        if (/^(setup|deploy|rollback|configure|undeploy|run|shutdown)$/.test(words[0] ?? ''))
          for (const fault of faultsOf(await stack.run(log, honest), false))
            t.fail(`${what}, ${log.join(' ')}: ${fault}`)
    }
    for (const name of stack.records()) t.match(name, /^[\w./-]+$/, 'a name of the records')
    t.notOk(fs.existsSync('/tmp/owned'), 'no file at a path of the host')
    const last = await stack.run(['setup'], honest)
    t.equal(last.status, 0, `afterwards a setup succeeds: ${last.stdout}${last.stderr}`)
  })

t.test('ends a command whose host prints more than 64 MiB', { buffered: true }, async (t) => {
  if (!needs(t, ['root', 'git', 'sshd', 'python3'])) return
  const stack = await HostileStack.make(t)
  const { status, stdout } = await stack.run(['exec', '--accept-new', '--json-output', '--', 'yes'], honest)
  t.equal(status, 1)
  t.match(stdout, '"message":"the command was ended: it printed more than 64 MiB"')
})

t.teardown(() => t.comment(`${total} cases, ${reached} with changed answers`))
