/**
 * Tests how failures and changes of many hosts are grouped: each is displayed once, none is lost, and different ones
 * stay separate.
 */
import fc from 'fast-check'
import picocolors from 'picocolors'
import t from 'tap'
import { describeChanges, groupChanges } from '../../../../core/fleet/screen/changes.ts'
import { describeFailureGroup, groupFailures, type HostFailure } from '../../../../core/fleet/screen/failures.ts'
import type { FailureReport } from '../../../../core/report/events.ts'
import { isFailure } from '../../../../core/report/replay.ts'
import { change, runReport } from '../../../support/screen.ts'

const paint = picocolors.createColors(false)
const failure = (message: string, more: Partial<FailureReport> = {}): FailureReport => ({ code: 'X', message, ...more })
const on = (host: string, failure: FailureReport): HostFailure => ({ host, phase: 'build', failure: failure })
const hostsOf = (groups: readonly { hosts: readonly string[] }[]) => groups.map(({ hosts }) => hosts)

t.test('the same failure on forty hosts is one paragraph with forty names', (t) => {
  const hosts = Array.from({ length: 40 }, (_, n) => `client${n + 1}`)
  const addresses = Object.fromEntries(hosts.map((host, n) => [host, `10.0.0.${n + 1}`]))
  const groups = groupFailures(
    hosts.map((host, n) =>
      on(
        host,
        failure(
          `${host} (10.0.0.${n + 1}:22) did not answer within ${n}.5 s; process ${n + 1000} since 2026-11-21T07:4${n % 10}:00Z`,
          {
            resource: 'execute make',
            source: { file: '/r.ts', line: 3 },
            output: 'one\ntwo',
            hint: 'look at it',
          },
        ),
      ),
    ),
    addresses,
  )
  t.equal(groups.length, 1)
  t.equal(
    describeFailureGroup(groups[0]!, paint),
    `! client[1-40] failed in build (40 hosts)
    execute make
    client1 (10.0.0.1:22) did not answer within 0.5 s; process 1000 since 2026-11-21T07:40:00Z (/r.ts:3)
    | one
    | two
    hint: look at it
    (in the words of client1; each names itself)`,
  )
  t.end()
})

t.test('unknown host keys are one paragraph with each of the keys', (t) => {
  const unknown = (host: string, key: string) =>
    on(host, {
      code: 'HOST_KEY_UNKNOWN',
      message: `${host}: unknown host key ssh-ed25519 SHA256:${key}`,
      hint: 'look',
    })
  const [group, ...more] = groupFailures([unknown('web1', 'aB+/1'), unknown('web10', 'cD2')])
  t.strictSame(more, [])
  t.equal(
    describeFailureGroup(group!, paint),
    `! web1, web10 failed in build (2 hosts)
    web1: unknown host key ssh-ed25519 SHA256:aB+/1
    hint: look
    (in the words of web1; each names itself)
      web1   SHA256:aB+/1
      web10  SHA256:cD2`,
  )
  t.notMatch(describeFailureGroup(groupFailures([unknown('web1', 'a')])[0]!, paint), /web1 +SHA256/)
  t.end()
})

t.test('keeps different failures apart', (t) => {
  const apart = (...given: HostFailure[]) => hostsOf(groupFailures(given))
  t.strictSame(apart(on('a', failure('x')), on('b', failure('y')), on('c', failure('x'))), [['a', 'c'], ['b']])
  t.strictSame(apart(on('a', failure('x')), on('b', failure('x', { code: 'Y' }))), [['a'], ['b']])
  t.strictSame(apart(on('a', failure('x', { resource: 'r' })), on('b', failure('x'))), [['a'], ['b']])
  t.strictSame(apart(on('web1', failure('no web1')), on('web2', failure('no web1'))), [['web1', 'web2']])
  t.strictSame(apart(on('web1', failure('no web1')), on('web2', failure('no web3'))), [['web1'], ['web2']])
  t.strictSame(
    apart(on('web', failure('role web is broken')), on('db', failure('role web is broken'))),
    [['web', 'db']],
    'a host may have the name of something else',
  )
  t.strictSame(apart(on('a', failure('port 80 is taken')), on('b', failure('port 81 is taken'))), [['a'], ['b']])
  t.end()
})

t.test('lists each of several problems', (t) => {
  const of = (...problems: readonly string[]) =>
    failure(`${problems.length} problems: the recipes cannot be compiled`, {
      problems: problems.map((message) =>
        failure(message, { hint: `no\x9b ${message}`, source: { file: '/r.ts', line: 3 } }),
      ),
    })
  t.ok(isFailure(of('one', 'two')))
  t.notOk(isFailure({ ...failure('x'), problems: 'none' }))
  t.notOk(isFailure({ ...failure('x'), problems: [{ message: 'no code' }] }))
  const [group, ...more] = groupFailures([
    on('web1', of('one', 'two')),
    on('web2', of('one', 'two')),
    on('web3', of('one', 'three')),
  ])
  t.strictSame(hostsOf(more), [['web3']], 'other problems are another failure')
  t.equal(
    describeFailureGroup(group!, paint),
    `! web1, web2 failed in build (2 hosts)
    2 problems: the recipes cannot be compiled
      one (/r.ts:3)
      hint: no\\x9b one
      two (/r.ts:3)
      hint: no\\x9b two`,
  )
  t.end()
})

t.test('a failure cannot imitate other lines', (t) => {
  const output = `${Array.from({ length: 90 }, (_, n) => `line ${n}`).join('\n')}\n\x1b]0;mine\x07\x1b[31mred\x1b[0m\r\n`
  const [group] = groupFailures([
    on(
      'a\x1b[2J',
      failure('bad\n! client9 failed in build', { output, hint: 'do\x9bthis', source: { file: '/r\x1b[A.ts' } }),
    ),
  ])
  const shown = describeFailureGroup(group!, paint)
  t.match(shown, /^! a failed in build\n {4}bad\n {6}! client9 failed in build \(\/r\.ts\)\n {4}\| line 0\n/)
  t.match(shown, /\| line 19\n {4}\| … 21 lines left out\n {4}\| line 41\n/)
  t.match(shown, /\| line 89\n {4}\| \\x1b\]0;mine\\x07red\n {4}hint: do\\x9bthis$/)
  t.notMatch(shown, /\| line 20\n/)
  t.notMatch(shown, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/)
  t.end()
})

t.test('loses no host, and joins only failures that differ in names, times and amounts', (t) => {
  const host = fc.constantFrom('a', 'b', 'web', 'web1', 'web11', '10.0.0.1', 'x.y', 'process')
  const message = fc.oneof(
    fc.constantFrom('web1 is down', 'role web', 'x.y', 'took 3 s', 'took 4 s', 'process 7'),
    fc.string({ maxLength: 8 }),
  )
  fc.assert(
    fc.property(
      fc.array(fc.tuple(host, message), { maxLength: 40 }),
      fc.dictionary(host, fc.ipV4()),
      (given, addresses) => {
        const failures = given.map(([name, text]) => on(name, failure(text)))
        const groups = groupFailures(failures, addresses)
        const found = new Set(groups.flatMap(({ hosts }) => hosts))
        if (found.size !== new Set(given.map(([name]) => name)).size) throw new Error('a host was lost')
        for (const [name, text] of given)
          if (groups.filter(({ hosts, failure }) => failure.message === text && hosts.includes(name)).length > 1)
            throw new Error(`${name} is in two groups with ${text}`)
        // The same message is never displayed twice.
        if (new Set(groups.map((group) => group.failure.message)).size !== groups.length)
          throw new Error('reported twice')
      },
    ),
    { numRuns: 500 },
  )
  t.end()
})

t.test('displays the same change once, with the names of its hosts', (t) => {
  const runs = ['client1', 'client2', 'client3', 'client4', 'db'].map((host) => ({
    host,
    report: runReport([
      ...(host === 'db'
        ? []
        : [
            change('file /etc/motd', {
              diff: ['-one', '+two'],
              patch: [{ op: 'replace', path: '/content', value: 'two' }],
            }),
          ]),
      change('file /etc/hosts'),
      change('service zope1', { outcome: 'failed' }),
      ...(host === 'db'
        ? [change('file /old', { patch: [{ op: 'replace', path: '/kind', value: 'absent' }], diff: ['-gone'] })]
        : []),
      change(`file /etc/${host}.conf`, { patch: [{ op: 'replace', path: '/mode', value: '0644' }] }),
    ]),
  }))
  t.strictSame(describeChanges(groupChanges(runs), false, paint), [
    'client[1-4] (4 hosts)',
    '  ~ file /etc/motd',
    '      -one',
    '      +two',
    'client[1-4], db (5 hosts, in the words of client1)',
    '  ~ file /etc/hosts mode: 0600',
    '  ~ file /etc/client1.conf mode: 0644',
    'db',
    '  - file /old removed',
  ])
  t.end()
})

t.test('every change of every host is in one group', (t) => {
  const host = fc.constantFrom('a', 'b', 'c', 'd')
  const name = fc.constantFrom('file /a', 'file /b', 'git /r/000001-aaaaaaaa', 'git /r/000002-aaaaaaaa', 'execute x')
  const mode = fc.constantFrom('0600', '0644')
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(host, name, mode), { selector: ([h, n]) => `${h} ${n}` }), (all) => {
      const runs = ['a', 'b', 'c', 'd'].map((one) => ({
        host: one,
        report: runReport(
          all
            .filter(([h]) => h === one)
            .map(([, n, m]) => change(n, { patch: [{ op: 'replace', path: '/mode', value: m }] })),
        ),
      }))
      const groups = groupChanges(runs)
      const shown = groups.reduce((sum, { hosts, resources }) => sum + hosts.length * resources.length, 0)
      if (shown !== all.length) throw new Error(`${shown} of ${all.length}`)
      const sets = groups.map(({ hosts }) => [...hosts].sort().join())
      if (new Set(sets).size !== sets.length) throw new Error('the same hosts have two headings')
    }),
  )
  t.end()
})
