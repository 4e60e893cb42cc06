/**
 * Tests deploys by root while the account of the app renames everything below the app, and replaces it by links to a
 * directory of root's, as fast as possible: root writes, chowns and reads nothing outside.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { JsonObject } from '../../core/node/merge.ts'
import { failureOf } from '../support/contract.ts'
import { needs } from '../support/machine.ts'
import { nodeSettings, WebApp } from './support/web_app.ts'
import { ZeoSite } from './support/zeo_site.ts'

t.setTimeout(480_000)

const rounds = Number(process.env.CONVERGE_TEST_RACES ?? 6)
const account = 33
const canary = 'canary-5d1c'

/**
 * Renames the entries of the app's tree and of root's tree, which has the same names. Leaves nothing renamed when it
 * ends.
 */
const renamer = `
import os, random, signal, sys
app, precious = sys.argv[1:3]
going = True
def end(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, end)
swaps = 0
def entries():
    found = []
    for base, directories, files in os.walk(app):
        depth = base[len(app):].count('/')
        found += [os.path.join(base, name) for name in directories + files if not name.endswith('.away')]
        if depth >= 3: directories[:] = []
    return found
while going:
    for path in random.sample(every, min(len(every), 40)) if (every := entries()) else []:
        target = precious + path[len(app):]
        try:
            os.rename(path, path + '.away')
        except OSError:
            continue
        try:
            os.symlink(target if os.path.lexists(target) else precious, path)
            swaps += 1
        except OSError:
            pass
        for _ in range(random.randrange(400)): pass
        try:
            if os.path.islink(path): os.unlink(path)
            if not os.path.lexists(path): os.rename(path + '.away', path)
        except OSError:
            pass
print(swaps)
`

/** Returns everything about a tree that a write, a chown or a chmod changes. */
function fingerprint(directory: string): string[] {
  const found: string[] = []
  for (const name of fs.readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(directory, name)
    const stat = fs.lstatSync(path)
    const content = stat.isFile() ? createHash('sha256').update(fs.readFileSync(path)).digest('hex') : ''
    found.push(
      [name, stat.mode.toString(8), stat.uid, stat.gid, stat.size, stat.mtimeMs, stat.ctimeMs, content].join(' '),
    )
  }
  return found
}

/** Copies the names of the app's directories and files, owned by root and with a secret in each file. */
function copyOfNames(from: string, to: string): void {
  fs.mkdirSync(to, { mode: 0o711 })
  for (const entry of fs.readdirSync(from, { withFileTypes: true }))
    if (entry.isDirectory() && entry.name !== 'objects') copyOfNames(join(from, entry.name), join(to, entry.name))
    else fs.writeFileSync(join(to, entry.name), `{"${canary}": true}\n`, { mode: 0o600 })
}

/** Restores entries of an exchange that another rename or the end of the renamer has interrupted. */
function restore(directory: string): void {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    const original = path.replace(/(\.away)+$/, '')
    if (original !== path) {
      if (fs.lstatSync(original, { throwIfNoEntry: false })?.isSymbolicLink()) fs.rmSync(original)
      if (fs.lstatSync(original, { throwIfNoEntry: false })) fs.rmSync(path, { recursive: true })
      else fs.renameSync(path, original)
    }
    if (fs.lstatSync(original, { throwIfNoEntry: false })?.isDirectory()) restore(original)
  }
}

interface Outcome {
  readonly name: string
  /** Everything that the run displays. */
  readonly output: string
  readonly failure: string | undefined
}

/** An app that root deploys. */
interface Target {
  readonly role: string
  readonly directory: string
  readonly commit: (version: string) => void
  readonly run: (command: 'deploy' | 'rollback') => Promise<Outcome>
  /** Returns the version of the current release. */
  readonly served: () => Promise<string>
}

async function race(t: Test, target: Target, rounds: number): Promise<void> {
  const { role, directory } = target
  const precious = join(directory, '../../../..', 'precious')
  copyOfNames(directory, precious)
  const before = fingerprint(precious)
  t.ok(before.length > 20, `${before.length} files of root's`)

  const child = spawn('python3', ['-c', renamer, directory, precious], {
    uid: account,
    gid: account,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let swaps = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    swaps += text
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  t.teardown(() => child.kill('SIGKILL'))
  const outcomes = new Map<string, number>()
  for (let round = 0; round < rounds; round++) {
    target.commit(`round-${round}`)
    // The renamer may hide the releases, so that a rollback finds no target.
    const { name, output } = await target.run(round % 3 === 2 ? 'rollback' : 'deploy')
    outcomes.set(name, (outcomes.get(name) ?? 0) + 1)
    t.notMatch(output, canary, `round ${round}: nothing of root's is shown`)
    t.not(name, 'hung', `round ${round}: the run ends`)
    t.strictSame(fingerprint(precious), before, `round ${round}: nothing of root's has changed`)
  }
  child.kill('SIGTERM')
  await ended
  const count = Number(swaps)
  t.ok(count > 100, `${count} links put in place`)
  t.comment(`${role}: ${rounds} runs (${JSON.stringify([...outcomes])}), ${count} links put in place`)

  restore(directory)
  target.commit('last')
  const { failure } = await target.run('deploy')
  t.strictSame(failure, undefined, 'afterwards the next deploy succeeds')
  t.match(await target.served(), /^last/)
  t.strictSame(fingerprint(precious), before)
}

interface Site {
  readonly role: string
  readonly attributes: JsonObject
  /** Directory of the fixtures with the files of the app. */
  readonly fixture?: string
  readonly files?: Readonly<Record<string, string>>
}

async function webTarget(t: Test, { role, attributes, fixture, files = {} }: Site): Promise<Target> {
  const app = await WebApp.make(t, role, attributes)
  app.commit({ ...files, VERSION: 'first' }, fixture)
  await app.done(t, ['setup', 'deploy'])
  return {
    role,
    directory: app.directory,
    commit: (version) => app.commit({ VERSION: version }),
    run: async (command) => {
      const run = await app.run([command]).catch((error: Error) => error)
      if (run instanceof Error) return { name: 'refused', output: run.message, failure: run.message }
      const failure = failureOf(run.report)
      return {
        name: run.report.outcome,
        output: JSON.stringify(run),
        failure: failure === undefined ? undefined : JSON.stringify(failure),
      }
    },
    served: async () => (await app.page()).body,
  }
}

t.test('a server that takes a port', async (t) => {
  if (!needs(t, ['root', 'git', 'nginx', 'python3 venv', 'pip registry'])) return
  await race(t, await webTarget(t, { role: 'port-app', attributes: nodeSettings, fixture: 'example-node-app' }), rounds)
})

t.test('a PHP app', async (t) => {
  if (!needs(t, ['root', 'git', 'nginx', 'php-fpm', 'python3 venv', 'pip registry'])) return
  const page = "<?php echo file_get_contents(__DIR__ . '/../VERSION');"
  const attributes = { php_app: { document_root: 'public', health: { path: '/', deadline_seconds: 20 } } }
  await race(t, await webTarget(t, { role: 'php-app', attributes, files: { 'public/index.php': page } }), rounds)
})

t.test('a ZEO server', async (t) => {
  if (!needs(t, ['root', 'git', 'python3 venv', 'pip registry'])) return
  const site = await ZeoSite.make(t)
  const { status, output } = await site.converge([])
  t.equal(status, 0, output)
  await race(t, site, Math.ceil(rounds / 2))
})
