/** Tests read-only commands on a host that end with an error instead of an answer. */
import { mkdirSync, symlinkSync } from 'node:fs'
import t, { type Test } from 'tap'
import { scratch } from '../../../support/machine.ts'
import { hostAt, shell } from '../../../support/shell_hosts.ts'

/** A host whose program prints these lines, and exits with status 1. */
function hostPrinting(t: Test, ...lines: readonly object[]) {
  const prefix = scratch(t)
  mkdirSync(`${prefix}/usr/local/lib/converge`, { recursive: true })
  symlinkSync(process.execPath, `${prefix}/usr/local/lib/converge/node`)
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
  return hostAt(t, shell(), prefix, `process.stdout.write(${JSON.stringify(text)}); process.exitCode = 1`)
}

const request = { roles: [], documents: [{ name: 'n', kind: 'stack', value: {} }] }
const error = { event: 'error', code: 'UNKNOWN_REVISION', message: 'no branch nope', hint: 'it has: main' }

t.test('reports the error of the command as the error of the query', async (t) => {
  const warning = { event: 'warning', message: 'unused attribute' }
  const answer = { app: 'site', revision: 'main', commit: 'c'.repeat(40) }
  for (const query of ['revisions', 'releases', 'status', 'hooks'] as const)
    for (const before of [[], [warning], [answer, warning]]) {
      const failing = hostPrinting(t, ...before, error)
      await t.rejects(failing.query(query, request), {
        code: 'UNKNOWN_REVISION',
        message: 'no branch nope',
        hint: 'it has: main',
      })
    }
})

t.test('lists the problems of invalid input', async (t) => {
  const problems = [
    { code: 'INVALID', message: 'a is not a number' },
    { code: 'INVALID', message: 'b is unknown' },
  ]
  const invalid = { event: 'error', code: 'INVALID_INPUT', message: '2 problems: invalid input', problems }
  await t.rejects(hostPrinting(t, invalid).query('status', request), {
    code: 'INVALID_INPUT',
    output: 'a is not a number\nb is unknown',
  })
})

t.test('returns an answer that is not an error', async (t) => {
  for (const answer of [{ apps: [] }, { event: 'error', code: 7 }])
    t.strictSame(await hostPrinting(t, answer).query('status', request), answer)
})
