/** Tests the exact text of a run's output on a terminal. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { ConvergeError, InvalidInput } from '../../../core/model/errors.ts'
import { describeError, duration } from '../../../core/report/describe.ts'
import type { Counts, ResourceReport, RunReport } from '../../../core/report/events.ts'
import { Terminal, type TerminalOptions } from '../../../core/report/terminal.ts'

const noCounts: Counts = { changed: 0, planned: 0, unknown: 0, unchanged: 0, skipped: 0, failed: 0, notReached: 0 }

async function terminal(options: Partial<TerminalOptions> = {}) {
  const written: string[] = []
  const write = (text: string) => void written.push(text)
  const all = { write, color: false, live: false, width: 80, quiet: false, journal: false, verbose: false, ...options }
  const shown = await new Terminal(all).prepare()
  const text = () => written.splice(0).join('')
  const run = { id: '1', mode: 'run' as const, roles: ['web'], events: ['deploy'], started: '', resources: 3 }
  return {
    shown,
    text,
    start: (mode: 'run' | 'plan' = 'run') => shown.start({ ...run, mode }),
    resource: (report: Partial<ResourceReport>) => {
      shown.resource({
        name: 'file /a',
        type: 'file',
        key: '/a',
        role: 'web',
        event: 'deploy',
        outcome: 'changed',
        durationMs: 1,
        ...report,
      })
      return text()
    },
    end: (outcome: RunReport['outcome'], counts: Partial<Counts>, durationMs = 1840) => {
      shown.end({ ...run, outcome, counts: { ...noCounts, ...counts }, durationMs, resources: [], warnings: [] })
      return text()
    },
  }
}

t.test('prints the summary', async (t) => {
  const { end } = await terminal()
  t.equal(end('unchanged', { unchanged: 341 }), 'nothing to do: 341 unchanged in 1.8 s\n')
  t.equal(end('changed', { changed: 12, unchanged: 341 }), '12 changed, 341 unchanged in 1.8 s\n')
  t.equal(
    end('planned', { planned: 3, unknown: 1, skipped: 2 }),
    '3 would change, 1 known only in the run, 2 skipped in 1.8 s\n',
  )
  t.equal(end('failed', { changed: 1, failed: 1, notReached: 7 }), '1 changed, 1 failed, 7 not reached in 1.8 s\n')
  t.equal(
    end('interrupted', { changed: 1, notReached: 7 }),
    'interrupted: 1 changed, 7 not reached in 1.8 s; run it again to finish\n',
  )
  t.equal(
    end('unchanged', { unchanged: 3, failed: 1 }),
    '1 failed, 3 unchanged in 1.8 s\n',
    'an ignored failure is counted',
  )
})

t.test('formats durations', (t) => {
  const times = [0, 12, 999, 1000, 9999, 10_000, 119_400, 120_000, 150_000, 3_599_900]
  t.strictSame(times.map(duration), [
    '0.00 s',
    '0.01 s',
    '1.00 s',
    '1.0 s',
    '10.0 s',
    '10 s',
    '119 s',
    '2 min 0 s',
    '2 min 30 s',
    '60 min 0 s',
  ])
  t.end()
})

t.test('describes changes in a few words', async (t) => {
  const { resource } = await terminal()
  const kind = (value: string) => [{ op: 'replace' as const, path: '/kind', value }]
  t.equal(resource({ patch: kind('file') }), '  + file /a\n')
  t.equal(resource({ patch: kind('absent') }), '  - file /a removed\n')
  t.equal(
    resource({
      patch: [
        { op: 'replace', path: '/mode', before: '0644', value: '0600' },
        { op: 'remove', path: '/owner', before: 'deploy' },
        { op: 'replace', path: '/cause', before: 'y', value: 'x' },
      ],
    }),
    '  ~ file /a\n      owner: deploy -> (none)\n      mode:  0644 -> 0600\n',
  )
  t.equal(
    resource({ patch: [{ op: 'replace', path: '/mode', before: '0644', value: '0600' }], durationMs: 4200 }),
    '  ~ file /a mode: 0644 -> 0600 4.2 s\n',
  )
  t.equal(
    resource({ patch: [{ op: 'replace', path: '/mode', value: '0600' }] }),
    '  ~ file /a mode: 0600\n',
    'the event of an earlier version has no value before',
  )
  t.equal(
    resource({ outcome: 'unknown', reason: '(known after git_release /r)' }),
    '  ? file /a (known after git_release /r)\n',
  )
  t.equal(resource({ outcome: 'unchanged' }) + resource({ outcome: 'skipped', reason: 'not if x' }), '')
})

t.test('prints a change of text as a diff', async (t) => {
  const { resource } = await terminal()
  const patch = [{ op: 'replace' as const, path: '/content', value: '…' }]
  const lines = (change: (n: number) => string) => Array.from({ length: 9 }, (_, n) => `${change(n)}\n`).join('')
  const texts = { before: lines(String), after: lines((n) => (n === 4 ? 'four' : `${n}`)) }
  t.equal(resource({ patch, texts }), '  ~ file /a\n       2\n       3\n      -4\n      +four\n       5\n       6\n')
  const isNew = [{ op: 'replace' as const, path: '/kind', value: 'file' }]
  t.equal(
    resource({ patch: isNew, texts, comparedWith: { path: '/srv/current/a', isSame: false } }),
    '  + file /a (compared with /srv/current/a)\n       2\n       3\n      -4\n      +four\n       5\n       6\n',
  )
  const [name, path] = ['file /srv/www/site/releases/000042-1a2b3c4d/deploy.cfg', '/srv/www/site/current/deploy.cfg']
  const config = (threads: number) => `[instance]\nrecipe = plone.recipe.zope2instance\nzserver-threads = ${threads}\n`
  t.match(
    readFileSync(new URL('../../../docs/how-a-run-works.md', import.meta.url), 'utf8'),
    resource({
      name,
      patch: isNew,
      texts: { before: config(2), after: config(4) },
      comparedWith: { path, isSame: false },
    }),
    'the lines of the documentation',
  )
  t.equal(
    resource({ patch: isNew, texts: null, comparedWith: { path: '/srv/current/a', isSame: true } }),
    '  + file /a (same content as /srv/current/a)\n',
  )
  const withControls = resource({
    patch,
    texts: { before: 'x\n', after: '\x1b]0;title\x07\x1b[31mred\x1b[0m\ttab\r\n' },
  })
  t.equal(withControls, '  ~ file /a\n      -x\n      +\\x1b]0;title\\x07red\ttab\\x0d\n')
  const withDiff = resource({ patch, diff: ['+a\u202eb\ufeff\x9b'] })
  t.equal(withDiff, '  ~ file /a\n      +a\\u202eb\\ufeff\\x9b\n', 'a given diff is escaped too')
})

t.test('prints a failure with its place, the end of its output, and a hint', async (t) => {
  const { resource } = await terminal({ quiet: true })
  const failure = {
    code: 'COMMAND_FAILED',
    message: 'make exited with status 2',
    source: { file: '/r.ts', line: 3, column: 5 },
    output: 'one\r\ntwo\x1b[1m bold',
    hint: 'look at it',
  }
  t.equal(
    resource({ outcome: 'failed', failure }),
    '  ! file /a failed\n    make exited with status 2 (/r.ts:3:5)\n    | one\n    | two bold\n    hint: look at it\n',
  )
  t.match(resource({ outcome: 'failed', failure, ignored: true }), /^ {2}! file \/a failed \(ignored\)\n/)
})

t.test('shortens the name of a script to one line', async (t) => {
  const { resource } = await terminal()
  const name = `execute set -e\n  first\r\n  second ${'x'.repeat(200)}`
  const patch = [{ op: 'replace' as const, path: '/runs', before: 0, value: 1 }]
  const [line = '', ...more] = resource({ name, patch }).split('\n')
  t.strictSame(more, ['      runs: 0 -> 1', ''])
  t.match(line, /^ {2}~ execute set -e first second x+…$/)
  t.ok(line.length < 170)
})

t.test('names role and event before their resources where a run has several', async (t) => {
  const { shown, text } = await terminal()
  const report = (role: string, event: string, outcome: 'changed' | 'unchanged' | 'failed' = 'changed') => {
    const named = { name: 'file /a', type: 'file', key: '/a', role, event, outcome, durationMs: 1 }
    shown.resource({ ...named, patch: [] })
  }
  const run = { id: '1', mode: 'run' as const, started: '', resources: 3 }
  shown.start({ ...run, roles: ['web', 'db'], events: ['deploy'] })
  report('web', 'deploy')
  report('web', 'deploy')
  report('db', 'setup', 'unchanged')
  report('db', 'deploy', 'failed')
  t.equal(text(), 'web: deploy\n  ~ file /a\n  ~ file /a\ndb: deploy\n  ! file /a failed\n')
  shown.start({ ...run, roles: ['web'], events: ['deploy'] })
  report('web', 'deploy')
  t.equal(text(), '  ~ file /a\n', 'a recovery with one event')
})

t.test('prints the lines that docs/how-a-run-works.md shows', async (t) => {
  const { shown, text } = await terminal()
  const run = { id: 'plan', mode: 'plan' as const, roles: ['web'], events: ['setup', 'deploy'], started: '' }
  const report = (event: string, path: string, type: string, more: Partial<ResourceReport>) =>
    shown.resource({
      name: `${type} ${path}`,
      type,
      key: path,
      role: 'web',
      event,
      outcome: 'planned',
      durationMs: 1,
      ...more,
    })
  shown.start({ ...run, resources: 3 })
  report('setup', '/srv/app', 'directory', { patch: [{ op: 'replace', path: '/mode', before: '0755', value: '0750' }] })
  report('deploy', '/srv/app/motd', 'file', {
    patch: [
      { op: 'replace', path: '/mode', before: null, value: '0644' },
      { op: 'replace', path: '/kind', before: 'absent', value: 'file' },
    ],
    texts: { before: '', after: 'Production\n' },
  })
  report('deploy', '/srv/app/key', 'file', {
    patch: [
      { op: 'replace', path: '/owner', before: 'root', value: 'deploy' },
      { op: 'replace', path: '/content', before: '(sensitive)', value: '(sensitive)' },
    ],
    texts: null,
  })
  const counts = { ...noCounts, planned: 3, unchanged: 12 }
  shown.end({ ...run, outcome: 'planned', counts, durationMs: 90, resources: [], warnings: [] })
  t.match(
    readFileSync(new URL('../../../docs/how-a-run-works.md', import.meta.url), 'utf8'),
    `\n\`\`\`\n${text()}\`\`\`\n`,
  )
})

t.test('prints the commits of a new release as docs/how-a-run-works.md shows them', async (t) => {
  const { resource } = await terminal()
  const [from, to] = ['9c0ffee1', '1a2b3c4d'].map((start) => start.padEnd(40, '0')) as [string, string]
  const commit = (start: string, subject: string, author: string) => ({
    commit: start.padEnd(40, '0'),
    subject,
    author,
  })
  const newest = [commit('1a2b3c4d', 'Fix the prices', 'Ann'), commit('5e6f7a8b', 'Add a page for the press', 'Bob')]
  const text = resource({
    name: 'git_release /srv/www/site/releases',
    words: 'new release 000042-1a2b3c4d of main',
    patch: [{ op: 'replace', path: '/checkedOut', before: false, value: true }],
    commits: { from, to, added: 2, removed: 0, newest },
  })
  t.match(
    readFileSync(new URL('../../../docs/how-a-run-works.md', import.meta.url), 'utf8'),
    `\n\`\`\`\n${text}\`\`\`\n`,
  )
})

t.test('a quiet run in the journal of systemd lists what it changed, without contents', async (t) => {
  const { start, resource, end, text, shown } = await terminal({ quiet: true, journal: true })
  start()
  t.equal(
    resource({ outcome: 'changed', patch: [{ op: 'replace', path: '/content', before: 'a', value: 'token=b' }] }),
    '  ~ file /a\n',
  )
  const restart = { name: 'service_restart web', type: 'service_restart', words: 'restart web', durationMs: 12_000 }
  t.equal(resource({ ...restart, outcome: 'changed', patch: [] }), '  ~ service_restart web restart web 12 s\n')
  t.equal(resource({ outcome: 'unchanged' }), '')
  t.match(end('changed', { changed: 2 }), /^2 changed in/)
  t.equal(end('unchanged', { unchanged: 2 }), '')
  shown.note('a note')
  t.equal(text(), '')
  start('plan')
  t.equal(resource({ outcome: 'planned', patch: [] }) + end('planned', { planned: 1 }), '')
})

t.test('prints less with --quiet, and more with --verbose', async (t) => {
  const quiet = await terminal({ quiet: true })
  quiet.start()
  t.equal(
    quiet.resource({ patch: [] }) +
      quiet.end('changed', { changed: 1 }) +
      quiet.end('unchanged', {}) +
      quiet.end('planned', { planned: 1 }),
    '',
  )
  quiet.shown.warn('careful')
  t.equal(quiet.text(), '  warning: careful\n')
  t.match(quiet.end('failed', { failed: 1 }), /^1 failed in/)
  t.match(quiet.end('interrupted', {}), /^interrupted/)

  const verbose = await terminal({ verbose: true })
  verbose.start()
  t.equal(verbose.text(), 'web: deploy, 3 resources\n')
  t.equal(verbose.resource({ outcome: 'unchanged' }), '  . file /a\n')
  t.equal(
    verbose.resource({ outcome: 'skipped', reason: 'only if it is there' }),
    '  - file /a (skipped: only if it is there)\n',
  )
  verbose.shown.applying('file /a')
  verbose.shown.progress('file /a', 'half way')
  t.equal(verbose.text(), '    file /a: half way\n')
})

t.test('displays the current resource on a terminal', async (t) => {
  const { shown, text, start, resource, end } = await terminal({ live: true, width: 40 })
  start()
  shown.applying('execute build')
  shown.progress('execute build', '\x1b[32mGot\x1b[0m Zope 5.8 and a lot of words after it ')
  t.equal(text(), '', 'a short step is not shown')
  await new Promise((resolve) => setTimeout(resolve, 650))
  const spun = text().split('\r\x1b[K').slice(1)
  t.ok(spun.length >= 2, 'the indicator moves')
  for (const line of spun) {
    t.match(line, /^ {2}\S execute build 0\.\d\d s Got Zope 5\.8$|^ {2}\S execute build 0\.\d\d s Got Zope/)
    t.ok(line.length < 40, 'the line fits the terminal')
  }
  t.match(
    resource({ name: 'execute build', patch: [{ op: 'replace', path: '/runs', value: 1 }] }),
    /^\r\x1b\[K {2}~ execute build/,
  )
  end('changed', { changed: 1 })
  await new Promise((resolve) => setTimeout(resolve, 250))
  t.equal(text(), '', 'the indicator stops')

  const plan = await terminal({ live: true })
  plan.start('plan')
  plan.shown.applying('execute build')
  await new Promise((resolve) => setTimeout(resolve, 450))
  t.equal(plan.text(), '', 'in a plan nothing is under way')
})

t.test('prints colors', async (t) => {
  const { resource, end } = await terminal({ color: true })
  t.equal(resource({ patch: [{ op: 'replace', path: '/kind', value: 'file' }] }), '  \x1b[32m+\x1b[39m file /a\n')
  t.match(end('failed', { failed: 1 }), /^\x1b\[31m1 failed/)
  t.match(end('interrupted', {}), /^\x1b\[33minterrupted/)
})

t.test('prints all errors outside a run', (t) => {
  const one = new ConvergeError('a comma is missing', {
    code: 'X',
    source: { file: 'a.json', line: 2, column: 7 },
    hint: 'write one',
  })
  const other = new ConvergeError('odd \x1b[31msigns\x07', { code: 'Y', output: 'line' })
  t.equal(
    describeError(new InvalidInput([one, other]), false),
    'error: a.json:2:7: a comma is missing\n  hint: write one\nerror: odd signs\\x07\n  | line',
  )
  t.match(describeError(one, true), /^\x1b\[31merror:\x1b\[39m a\.json/)
  t.end()
})

t.test('leaves out the middle of a very long message', async (t) => {
  const message = `unknown key ${'k'.repeat(1_000_000)} in node.json`
  const text = describeError(new ConvergeError(message, { code: 'X', hint: message }), false)
  t.ok(text.length < 13_000, `${text.length} characters`)
  t.match(text, /^error: unknown key … [\d,]+ characters left out … in node\.json\n {2}hint: /)
})

t.test('leaves out the middle of a very long message of a run', async (t) => {
  const { shown, text, resource } = await terminal()
  const long = `unknown key ${'x'.repeat(100_000)}`
  shown.warn(long)
  shown.note(long)
  const failure = { code: 'A', message: long, hint: long, resource: 'file /a', attempted: 'apply' }
  const written = text() + resource({ outcome: 'failed', failure })
  t.ok(written.length < 30_000, `${written.length} characters`)
  t.equal(written.match(/characters left out/g)?.length, 4)
})
