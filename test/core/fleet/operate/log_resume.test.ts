/**
 * Tests logs after a lost connection: each line appears once, also if the log was rotated, or grew by more than is sent
 * again.
 */
import fc from 'fast-check'
import t from 'tap'
import { LogResume } from '../../../../core/fleet/operate/log_resume.ts'

const program = 'site'

/**
 * Follows a log with a lost connection after each part.
 * @returns the lines that are passed on
 */
function follow(parts: readonly (readonly string[])[]): string[] {
  const shown: string[] = []
  const resume = new LogResume(({ line }) => shown.push(line))
  const file: string[] = []
  for (const [at, part] of parts.entries()) {
    const add = (line: string) => resume.add({ program, file: 'a', line })
    if (at > 0) resume.beginResend()
    for (const line of file) add(line)
    // Half of a part is written while the host sends the end of the log again.
    for (const line of part.slice(0, part.length / 2)) add(line)
    resume.endResend()
    for (const line of part.slice(part.length / 2)) add(line)
    file.push(...part)
    // This line is lost, since the connection is closed.
    file.push(`unheard ${at}`)
  }
  return shown
}

const logParts = fc
  .array(fc.nat(15), { minLength: 1, maxLength: 6 })
  .map((counts) => counts.map((count, at) => Array.from({ length: count }, (_, n) => `line ${at}.${n}`)))

t.test('displays each line once after a reconnection', async (t) => {
  fc.assert(
    fc.property(logParts, (parts) => {
      const all = parts.flatMap((part, at) => [...part, `unheard ${at}`])
      // The last connection is not resumed.
      t.strictSame(follow(parts), all.slice(0, -1))
    }),
  )
})

t.test('keeps the lines of several logs apart, also equal ones', async (t) => {
  const shown: string[] = []
  const resume = new LogResume(({ file, line }) => shown.push(`${file} ${line}`))
  const add = (file: string, ...lines: readonly string[]) => {
    for (const line of lines) resume.add({ program, file, line })
  }
  add('a', 'ping', 'ping', 'one')
  add('b', 'ping')
  resume.beginResend()
  add('a', 'ping', 'ping', 'one', 'ping')
  add('b', 'ping', 'pong')
  add('new', 'first')
  t.equal(shown.length, 4, 'nothing before it is known what is new')
  resume.endResend()
  t.strictSame(shown.slice(4), ['a ping', 'b pong', 'new first'])
})

t.test('does not repeat a log of equal lines', async (t) => {
  const shown: string[] = []
  const resume = new LogResume(({ line }) => shown.push(line))
  for (let n = 0; n < 30; n++) resume.add({ program, file: 'a', line: 'ping' })
  resume.beginResend()
  for (let n = 0; n < 50; n++) resume.add({ program, file: 'a', line: 'ping' })
  resume.endResend()
  t.equal(shown.length, 30)
})

t.test('displays all lines of a rotated log', async (t) => {
  for (const known of [0, 1, 3]) {
    const shown: string[] = []
    const resume = new LogResume(({ line }) => shown.push(line))
    for (let n = 0; n < 30; n++) resume.add({ program, file: 'a', line: `old ${n}` })
    for (let n = 0; n < known; n++) resume.add({ program, file: 'a', line: `new ${n}` })
    resume.beginResend()
    for (let n = 0; n < 5; n++) resume.add({ program, file: 'a', line: `new ${n}` })
    resume.endResend()
    t.strictSame(shown.slice(30), ['new 0', 'new 1', 'new 2', 'new 3', 'new 4'], `${known} known`)
  }
})

t.test('displays all lines if there are more than the host sends again', async (t) => {
  const shown: string[] = []
  const resume = new LogResume(({ line }) => shown.push(line))
  resume.skip({ program, file: 'a', line: 'before' })
  resume.beginResend()
  for (let n = 0; n < 5; n++) resume.add({ program, file: 'a', line: `later ${n}` })
  resume.endResend()
  t.equal(shown.length, 5)
})
