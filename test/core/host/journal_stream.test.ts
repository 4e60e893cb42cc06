/** Tests the detection of a standard output that leads to the journal of systemd. */
import { closeSync, fstatSync, openSync } from 'node:fs'
import t from 'tap'
import { isJournalStream } from '../../../core/host/journal_stream.ts'

t.test('recognizes the stream that systemd names, and no other', (t) => {
  const path = `${t.testdir({ output: '', other: '' })}/`
  const [output, other] = [openSync(`${path}output`, 'r'), openSync(`${path}other`, 'r')]
  t.teardown(() => [output, other].forEach(closeSync))
  const { dev, ino } = fstatSync(output)
  t.equal(isJournalStream(output, `${dev}:${ino}`), true)
  t.equal(isJournalStream(other, `${dev}:${ino}`), false, 'the output of a child may be redirected')
  t.equal(isJournalStream(output, ''), false)
  t.end()
})
