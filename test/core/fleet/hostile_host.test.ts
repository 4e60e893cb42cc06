/**
 * Tests a host that sends arbitrary bytes over SSH: it affects neither the terminal, nor the record, nor other hosts.
 */
import * as fs from 'node:fs'
import { PassThrough, Readable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import picocolors from 'picocolors'
import t from 'tap'
import { listDeployments, readDeployment, readLog } from '../../../core/fleet/records/history.ts'
import { Recorder } from '../../../core/fleet/records/recorder.ts'
import { RemoteHost } from '../../../core/fleet/remote/remote_host.ts'
import type { RemoteProcess, SshTransport } from '../../../core/fleet/remote/ssh_transport.ts'
import { rollout } from '../../../core/fleet/rollout/rollout.ts'
import type { RolloutHost } from '../../../core/fleet/rollout/state/request.ts'
import { describeDeployment, describeLog } from '../../../core/fleet/screen/history.ts'
import { screen } from '../../../core/fleet/screen/screen.ts'
import type { Action, FleetEvent, RolloutReport } from '../../../core/fleet/types.ts'
import { Secrets } from '../../../core/model/secrets.ts'
import { scratch } from '../../support/machine.ts'

/** The output of a host, by the kind of script. */
interface Words {
  readonly run: string | Buffer
  readonly ask: string | Buffer
  /** Output of the revisions; default: as `ask`. */
  readonly revisions?: string
  readonly code: number
  /** A connection that is used instead of these outputs. */
  readonly wire?: SshTransport
}

const counts = { changed: 1, planned: 0, unknown: 0, unchanged: 0, skipped: 0, failed: 0, notReached: 0 }
const report = {
  id: '1',
  mode: 'run',
  roles: [],
  events: [],
  started: '',
  durationMs: 1,
  outcome: 'changed',
  counts,
  resources: [],
  warnings: [],
}
const lines = (...values: readonly unknown[]) => values.map((value) => `${JSON.stringify(value)}\n`).join('')
const started = '\n{"started":"x"}\n'
const exit = { event: 'exit', status: 0 }
const honest: Words = {
  run: started + lines({ event: 'end', report }, exit),
  ask: `\n{"asked":true}\n${lines({ apps: [] })}`,
  revisions: `\n{"asked":true}\n${lines({ app: 'site', revision: 'main', commit: 'a'.repeat(40) })}`,
  code: 0,
}

/** Makes a process that accepts a command, and neither answers nor exits. */
function mute(): RemoteProcess {
  const ended = new Promise<never>(() => undefined)
  return {
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    ended,
    close: () => undefined,
  }
}

function processOf(output: string | Buffer, code: number): RemoteProcess {
  const stdout = Readable.from([Buffer.from(output)])
  const stderr = new PassThrough()
  stderr.end(Buffer.from(output).subarray(0, 2000))
  const ended = new Promise<{ code: number; signal: null }>((resolve) =>
    stdout.once('close', () => resolve({ code, signal: null })),
  )
  return { stdin: new PassThrough(), stdout, stderr, ended, close: () => stdout.destroy() }
}

function withErrors(output: string, errors: string, code: number): RemoteProcess {
  const made = processOf(output, code)
  const stderr = new PassThrough()
  stderr.end(errors)
  return { ...made, stderr }
}

function wireOf({ run, ask, revisions = '', code }: Words): SshTransport {
  return {
    exec: async (command) => {
      if (command.includes('"asked":true'))
        return processOf(revisions !== '' && command.includes('revisions') ? revisions : ask, code)
      if (command.includes('runs=$2 run=$3')) return processOf(run, code)
      // The lock, whose connection stays open, and the small scripts.
      if (command.includes('held')) {
        const process = processOf('', 0)
        const stdout = new PassThrough()
        stdout.write('held\n')
        return { ...process, stdout, ended: new Promise(() => undefined), close: () => stdout.destroy() }
      }
      return processOf(ask, code)
    },
    closed: new Promise(() => undefined),
    close: () => undefined,
  }
}

function member(name: string, words: Words): RolloutHost {
  const host = new RemoteHost({
    name,
    stack: 'site',
    sudo: 'none',
    rollout: 'deploy-1',
    by: 'ann',
    prefix: null,
    recipes: null,
    secrets: [],
    patience: 0,
    open: async () => words.wire ?? wireOf(words),
    engine: new Map(),
    runtimes: {} as never,
    step: () => undefined,
    connection: () => undefined,
    ...(words.wire && { limits: { first: 0.2, rest: 0.2, quiet: 0.2 } }),
  })
  const events = new Set(['setup', 'build', 'deploy', 'configure'])
  return {
    name,
    stage: 0,
    apps: ['site'],
    appsToMigrate: [],
    roles: ['role'],
    address: '192.0.2.1',
    events,
    client: host,
  }
}

interface RolloutOutput {
  readonly report: RolloutReport
  readonly texts: readonly string[]
  readonly json: string
  readonly directory: string
}

/**
 * Runs a rollout on the hostile host and an honest one.
 * @returns the output of every screen, and the record
 */
async function rolled(words: Words, action: Action, directory: string): Promise<RolloutOutput> {
  const secrets = new Secrets()
  const kinds = [
    { live: false, json: false },
    { live: true, json: false },
    { live: false, json: true },
  ]
  const written = kinds.map(() => [] as string[])
  const size = () => ({ columns: 100, rows: 24 })
  const screens = kinds.map((kind, at) =>
    screen({
      ...kind,
      color: false,
      quiet: false,
      verbose: true,
      stackOptions: '',
      size,
      write: (text) => void written[at]?.push(text),
    }),
  )
  const start = { stack: 'site', action, comment: '', by: 'ann', started: new Date().toISOString(), commits: {} }
  const recorder = new Recorder({ directory, secrets, warn: () => undefined })
  const recording = recorder.begin({ ...start, strategy: 'parallel', hosts: ['evil', 'good'] })
  const tell = (event: FleetEvent) => {
    const shown = secrets.maskDeep(event)
    recording.logEvent(shown)
    for (const one of screens) one.display(shown)
  }
  const { report } = await rollout(
    {
      action,
      events: [],
      roles: [],
      stack: 'site',
      comment: '',
      operator: 'ann',
      strategy: 'parallel',
      restartsInTurn: false,
      batchSize: { count: 9 },
      parallel: 9,
      maxFailures: { count: 9 },
      rollbackOnFailure: false,
      onUnreachable: 'fail',
      migration: 'none',
      retryFailed: false,
      apps: [],
      revision: null,
      rollbackTo: null,
      purge: false,
      schedule: {},
    },
    {
      hosts: [member('evil', words), member('good', honest)],
      selected: new Set(['evil', 'good']),
      documents: (_, _online, deployment) => [{ name: 'node', value: deployment }],
      recorded: { online: new Set(['evil', 'good']), behind: new Map(), apps: {} },
      deploymentId: recording.id,
      emit: tell,
      log: (host, event) => recording.log(host, event),
      checkHealth: null,
      paused: () => null,
      interruption: () => 'none',
      onInterrupt: () => () => undefined,
      clock: () => Date.now(),
    },
  )
  for (const one of screens) one.close()
  recording.end(report)
  const [pipe = [], live = [], json = []] = written
  return { report, texts: [...pipe, ...live.map(withoutMoves)], json: json.join(''), directory }
}

/** All control characters that a terminal obeys, except for those that a screen writes. */
const raw = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/

/** Removes the cursor movements of the live screen: it moves up to its first row, and starts each row at the left. */
const withoutMoves = (written: string) => written.replace(/^(\x1b\[\d+A)?\r/, '').replaceAll('\r\n', '\n')

async function check({ report, texts, json, directory }: RolloutOutput): Promise<void> {
  for (const text of texts) {
    const steering = raw.exec(stripVTControlCharacters(text))
    if (steering) throw new Error(`a control character is displayed: ${JSON.stringify(steering)}`)
    if (/\x1b\]|\x1b\[[0-9;]*m|\x1b\[2J/.test(text)) throw new Error(`an escape of the host: ${JSON.stringify(text)}`)
  }
  for (const line of json.split('\n').filter((one) => one !== '')) {
    JSON.parse(line)
    if (raw.test(line)) throw new Error(`a control character in JSON: ${JSON.stringify(line)}`)
  }
  const good = report.hosts.find(({ host }) => host === 'good')
  if (good?.failure) throw new Error(`the other host failed: ${JSON.stringify(good.failure)}`)
  if (JSON.stringify(report).includes('"INTERNAL"')) throw new Error(`INTERNAL: ${JSON.stringify(report.hosts)}`)
  const paint = picocolors.createColors(false)
  const kept = readDeployment(directory, 'last')
  if (kept.outcome === 'not readable') throw new Error('the record cannot be read')
  const how = { paint, color: false, verbose: true }
  const shown = [
    ...describeDeployment(kept, { now: new Date(), verbose: true, paint, stackOptions: '' }),
    await describeLog(readLog(directory, 'last', 'evil') ?? [], how),
  ].join('\n')
  const steering = raw.exec(shown)
  if (steering) throw new Error(`a control character in the log: ${JSON.stringify(shown.slice(-300))}`)
  listDeployments(directory)
}

const nasty = [
  ...['\x1b]0;owned\x07', '\x1b[2J\x1b[H', '\x9b31m', '\u202egnp.exe', '\0', 'a\nb', '\r', '../../etc/passwd', '%s%n'],
  ...[
    '__proto__',
    'constructor',
    'good',
    'evil',
    'x'.repeat(70_000),
    '\ud800',
    '',
    'null',
    '\u2028',
    '-oProxyCommand=x',
  ],
]
const text = fc.oneof(fc.constantFrom(...nasty), fc.string({ unit: 'binary' }), fc.string())
const value = fc.oneof(
  { weight: 3, arbitrary: text },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 1e308, 0.5, 2 ** 60, null, [], {}, true, 'failed') },
)
const names = [
  'start',
  'applying',
  'progress',
  'resource',
  'warning',
  'end',
  'error',
  'exit',
  'done',
  'host',
  'connection',
  'phase',
]
const field = (name: string) =>
  [name, fc.oneof({ weight: 3, arbitrary: text }, { weight: 1, arbitrary: value })] as const
const failure = fc.record(
  {
    ...Object.fromEntries(['code', 'message', 'hint', 'output', 'resource', 'attempted', 'recovery'].map(field)),
    source: fc.record({ file: text, line: fc.oneof(fc.integer(), value) }),
    problems: fc.array(fc.record({ code: text, message: text }), { maxLength: 3 }),
  },
  { requiredKeys: [] },
)
const resource = fc.record(
  {
    ...Object.fromEntries(['name', 'type', 'key', 'role', 'event', 'words', 'reason', 'output'].map(field)),
    outcome: fc.oneof(fc.constantFrom('changed', 'planned', 'failed', 'unknown', 'skipped'), value),
    durationMs: fc.oneof(fc.double(), value),
    patch: fc.array(fc.record({ op: value, path: text, value }), { maxLength: 3 }),
    diff: fc.array(text, { maxLength: 3 }),
    failure,
  },
  { requiredKeys: ['outcome', 'durationMs'] },
)
const runReport = fc.record(
  {
    outcome: fc.oneof(fc.constantFrom('changed', 'planned', 'failed', 'unchanged', 'interrupted'), value),
    durationMs: fc.oneof(fc.double(), value),
    counts: fc.oneof(
      fc.constant(counts),
      fc.dictionary(fc.constantFrom(...Object.keys(counts), '__proto__'), fc.oneof(fc.integer(), value)),
    ),
    resources: fc.array(resource, { maxLength: 4 }),
    warnings: fc.array(text, { maxLength: 3 }),
    id: value,
    roles: value,
  },
  { requiredKeys: ['outcome', 'durationMs', 'counts', 'resources', 'warnings'] },
)
const event = fc
  .record(
    {
      event: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: value }),
      ...Object.fromEntries(
        [
          'name',
          'line',
          'message',
          'host',
          'phase',
          'outcome',
          'step',
          'state',
          'detail',
          'reason',
          'code',
          'time',
        ].map(field),
      ),
      durationMs: value,
      status: value,
      report: fc.oneof(runReport, value),
      failure: fc.oneof(failure, value),
      missing: fc.oneof(fc.constant(undefined), value),
      roleEvent: value,
      mode: fc.constantFrom('run', 'plan'),
      roles: fc.array(text, { maxLength: 2 }),
      events: fc.array(text, { maxLength: 2 }),
      resources: fc.integer(),
    },
    { requiredKeys: ['event'] },
  )
  .map((one) => Buffer.from(lines(one)))
const garbage = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc
    .constantFrom(
      `${'['.repeat(20_000)}${']'.repeat(20_000)}\n`,
      `{"event":"end","report":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}\n`,
      `{"event":"progress","name":"x","line":"x","more":${'['.repeat(9_000)}${']'.repeat(9_000)}}\n`,
      '{"event":"warning","message":"\\u001b]0;x\\u0007","__proto__":{"polluted":true}}\n',
      '\n'.repeat(500),
    )
    .map((one) => Buffer.from(one)),
)
const eventStream = fc.array(fc.oneof({ weight: 4, arbitrary: event }, { weight: 1, arbitrary: garbage }), {
  maxLength: 12,
})
const runs = fc
  .tuple(fc.boolean(), eventStream, fc.boolean())
  .map(([header, all, ends]) =>
    Buffer.concat([Buffer.from(header ? started : ''), ...all, Buffer.from(ends ? lines(exit) : '')]),
  )
const release = fc.record(
  { id: text, commit: text, current: fc.boolean() },
  { requiredKeys: ['id', 'commit', 'current'] },
)
const status = fc.record({
  roles: fc.array(text, { maxLength: 3 }),
  lastRun: fc.constant(null),
  lock: fc.oneof(fc.constant(null), fc.record({ by: text, since: text, message: text })),
  apps: fc.array(
    fc.record({
      name: text,
      unreleased: fc.boolean(),
      stopped: fc.oneof(fc.constant(null), fc.record({ by: text, at: text })),
      current: fc.oneof(fc.constant(null), fc.record({ id: text, commit: text, revision: text })),
      services: fc.array(fc.record({ name: text, state: text, up: fc.boolean(), readiness: text }), { maxLength: 3 }),
    }),
    { maxLength: 3 },
  ),
})
const asks = fc
  .oneof(
    value,
    status,
    fc.record({
      apps: fc.array(fc.record({ name: text, releases: fc.array(release, { maxLength: 3 }) }), { maxLength: 3 }),
    }),
    fc.array(fc.record({ app: text, revision: text, commit: fc.oneof(text, fc.constant(null)) }), { maxLength: 3 }),
  )
  .map((one) => Buffer.from(`\n{"asked":true}\n${lines(one)}`))
const answers = fc.oneof({ weight: 4, arbitrary: asks }, { weight: 1, arbitrary: garbage })
const words = fc.record({ run: runs, ask: answers, code: fc.constantFrom(0, 0, 0, 1, 4, 127, 255) })

t.test('reports the end of a run for any stream of a host', { timeout: 1_200_000 }, async (t) => {
  const directory = scratch(t)
  let ran = 0
  const action = fc.constantFrom<Action>('configure', 'deploy', 'setup', 'plan', 'status', 'rollback', 'shutdown')
  await fc.assert(
    fc.asyncProperty(words, action, async (words, action) => {
      await check(await rolled(words, action, `${directory}/${ran++}`))
      fs.rmSync(`${directory}/${ran - 1}`, { recursive: true, force: true })
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 200) },
  )
  t.equal(({} as Record<string, unknown>).polluted, undefined)
  t.ok(ran >= 200, `${ran} streams`)
})

t.test('limits what it reads of an endless stream', async (t) => {
  const endless = (line: string) => Buffer.from(line.repeat(Math.ceil((34 << 20) / line.length)))
  for (const [name, run] of [
    ['before the run starts', endless('welcome\n')],
    ['in one line', Buffer.concat([Buffer.from(started), endless('x')])],
  ] as const) {
    const output = await rolled({ run, ask: honest.ask, code: 0 }, 'configure', scratch(t))
    await check(output)
    t.match(output.report.hosts, [{ host: 'evil', failure: { code: 'REMOTE_FAILED' } }, { host: 'good' }], name)
  }
  const warning = Buffer.from(started + lines({ event: 'warning', message: 'again' }).repeat(5_000) + lines(exit))
  const { json } = await rolled({ run: warning, ask: honest.ask, code: 0 }, 'configure', scratch(t))
  t.equal(json.split('"event":"warning"').length - 1, 200, 'warnings have a limit')
})

t.test('gives up a host that accepts commands and answers none, and continues with the other one', async (t) => {
  const kinds: Readonly<Record<string, (command: string) => Promise<RemoteProcess> | null>> = {
    'no command at all': () => new Promise(() => undefined),
    'not the lock': (command) => (command.includes('held') ? Promise.resolve(mute()) : null),
    'not the question': (command) => (command.includes('"asked":true') ? Promise.resolve(mute()) : null),
    'nothing after the start of the run': (command) => {
      if (command.includes('state=ended') || command.includes('tail -c')) return Promise.resolve(mute())
      if (!command.includes('runs=$2 run=$3')) return null
      const process = mute()
      ;(process.stdout as PassThrough).write(started)
      return Promise.resolve(process)
    },
    'not the start of the run': (command) => (command.includes('runs=$2 run=$3') ? Promise.resolve(mute()) : null),
  }
  for (const [name, silent] of Object.entries(kinds))
    for (const action of ['deploy', 'status'] as const) {
      if (action === 'status' && /lock|run/.test(name)) continue
      const wire = wireOf(honest)
      const exec = async (command: string) => silent(command) ?? wire.exec(command)
      const output = await rolled({ ...honest, wire: { ...wire, exec } }, action, scratch(t))
      await check(output)
      const failure = name.startsWith('nothing after')
        ? { code: 'HOST_LOST', message: /^the host became unreachable in the middle of its run: .*not answered/ }
        : { code: 'HOST_SILENT', message: /^the host accepts the connection but has not answered a command/ }
      t.match(output.report.hosts, [{ host: 'evil', failure }, { host: 'good' }], `${action}: ${name}`)
    }
})

t.test('exit status 0 is a success only with a report of success', async (t) => {
  const failed = { ...report, outcome: 'failed' }
  const kinds: Readonly<Record<string, readonly unknown[]>> = {
    'no report': [{ event: 'start', mode: 'run', roles: [], events: [], resources: 0 }],
    'a report without counts': [{ event: 'end', report: { ...report, counts: {} } }],
    'a report of a failure': [{ event: 'end', report: failed }],
    'an interrupted run': [{ event: 'end', report: { ...report, outcome: 'interrupted' } }],
    'a valid report, then an invalid one': [
      { event: 'end', report },
      { event: 'end', report: null },
    ],
  }
  for (const [name, events] of Object.entries(kinds)) {
    const run = started + lines(...events, exit)
    const output = await rolled({ ...honest, run }, 'configure', scratch(t))
    t.match(output.report, { outcome: 'failed' }, name)
    t.match(output.report.hosts, [{ host: 'evil', outcome: 'failed', failure: { code: 'REMOTE_FAILED' } }], name)
  }
})

t.test('an error has no long texts of the host', async (t) => {
  const long = '\x1b]0;owned\x07'.repeat(5000)
  const wire = wireOf(honest)
  const kinds: Readonly<Record<string, (command: string) => RemoteProcess | null>> = {
    'an error of the lock': (command) => (command.includes('held') ? withErrors('', long, 3) : null),
    'an error of a script': (command) =>
      command.includes('asked') ? processOf('\n{"missing":["/x"]}\n', 0) : withErrors('\nconverge: begins\n', long, 3),
    'names of directories': (command) => {
      if (!command.includes('asked')) return null
      return processOf(
        `\n${JSON.stringify({ missing: Array.from({ length: 2000 }, (_, at) => `/${at}${long}`) })}\n`,
        0,
      )
    },
    'programs that are missing': (command) =>
      command.includes('asked')
        ? processOf('\n{"missing":["node"]}\n', 0)
        : processOf(`\nconverge: begins\nlacks=${long}\n`, 0),
    'millions of facts': (command) =>
      command.includes('asked')
        ? processOf('\n{"missing":["node"]}\n', 0)
        : processOf(`\nconverge: begins\n${'lacks=tar\n'.repeat(3_000_000)}`, 0),
    'the name of a kernel': (command) =>
      command.includes('asked')
        ? processOf('\n{"missing":["node"]}\n', 0)
        : processOf(`\nconverge: begins\nkernel=${'x'.repeat(4000)}\n`, 0),
  }
  for (const [name, answer] of Object.entries(kinds)) {
    const exec = async (command: string) => answer(command) ?? wire.exec(command)
    const seen = await rolled(
      { ...honest, wire: { ...wire, exec } },
      name.includes('lock') ? 'configure' : 'status',
      scratch(t),
    )
    await check(seen)
    const failure = seen.report.hosts.find(({ host }) => host === 'evil')?.failure
    t.ok(failure, name)
    t.ok((failure?.message.length ?? 0) < 1000, `${name}: ${failure?.message.length} characters`)
    t.ok((failure?.output?.length ?? 0) < 25_000, `${name}: ${failure?.output?.length} characters of output`)
  }
})

t.test('a script that the host does not start is named as such', async (t) => {
  const wire = wireOf(honest)
  const kinds: Readonly<Record<string, (command: string) => RemoteProcess | null>> = {
    'an empty status': (command) => (command.includes('"asked":true') ? processOf('\n{"asked":true}\n', 0) : null),
    'no start of a run': (command) => (command.includes('runs=$2 run=$3') ? processOf('', 0) : null),
  }
  for (const [name, answer] of Object.entries(kinds)) {
    const exec = async (command: string) => answer(command) ?? wire.exec(command)
    const action = name.includes('status') ? 'status' : 'configure'
    const seen = await rolled({ ...honest, wire: { ...wire, exec } }, action, scratch(t))
    await check(seen)
    const message =
      action === 'status' ? /^converge status gave no answer/ : /^the shell of the account ended with status 0/
    t.match(seen.report.hosts, [{ host: 'evil', failure: { message } }, { host: 'good' }], name)
  }
})
