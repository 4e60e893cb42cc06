/** Tests which parts of a host's doctor the operator's own doctor passes on. */
import t from 'tap'
import { needsIn } from '../../../core/cli/stack/this_host.ts'

t.test('passes on whether each requirement is met', (t) => {
  const needs = [
    { what: 'git', status: 'ok', met: true, detail: '2.39' },
    { what: 'login', status: 'missing', met: false, detail: 'refused', remedy: 'set the password' },
    { what: 'python', status: 'ok', detail: 'an earlier version sends no mark' },
  ]
  t.strictSame(needsIn({ stdout: JSON.stringify({ needs, time: '2026-11-30T10:00:00Z' }) }), needs)
  t.equal(needsIn({ stdout: 'no JSON' }), null)
  t.end()
})
