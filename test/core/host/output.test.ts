/** Tests how much output of a failed command is kept and displayed. */
import { Readable } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { LocalHost } from '../../../core/host/local.ts'
import { collectOutput, OutputLog } from '../../../core/host/output.ts'
import { excerpt } from '../../../core/model/excerpt.ts'

const numbered = (count: number, word = 'line') => Array.from({ length: count }, (_, index) => `${word} ${index + 1}`)

t.test('an excerpt has the first and the last lines, and names the file with the rest', async (t) => {
  const lines = numbered(284)
  const shown = excerpt(lines.join('\n'), '/state/runs/000001.jsonl')?.split('\n') ?? []
  t.equal(shown[0], 'line 1')
  t.equal(shown[20], '… 214 lines left out; all of it: /state/runs/000001.jsonl')
  t.equal(shown.at(-1), 'line 284')
  t.equal(shown.length, 71)
  t.equal(excerpt(shown.join('\n')), shown.join('\n'), 'an excerpt is not shortened again')
  for (const blank of ['', '\n', ' \r\n\n']) t.equal(excerpt(blank), undefined)
  t.equal(excerpt(`a\n${'x'.repeat(5000)}`)?.length, 1003)
})

t.test('a log keeps start and end of any output, and counts the lines between', async (t) => {
  const line = fc.tuple(fc.integer({ min: 0, max: 3000 }), fc.constantFrom('a', 'b', 'é'))
  fc.assert(
    fc.property(fc.array(line, { maxLength: 2000 }), fc.integer({ min: 1, max: 3 }), (parts, times) => {
      const lines = Array.from({ length: times }, () => parts)
        .flat()
        .map(([length, sign]) => sign.repeat(length))
      const log = new OutputLog()
      for (const one of lines) log.add(one)
      const text = log.text()
      if (lines.join('\n').length < 200_000) return text === lines.join('\n')
      const kept = text.split('\n')
      const mark = kept.findIndex((one) => one.startsWith('… '))
      if (mark === -1) return text === lines.join('\n')
      const left = Number(/^… (\d+) lines left out/.exec(kept[mark] ?? '')?.[1])
      const [head, tail] = [kept.slice(0, mark), kept.slice(mark + 1)]
      return (
        text.length <= 1_050_000 &&
        head.length + left + tail.length === lines.length &&
        head.every((one, index) => one === lines[index]) &&
        tail.every((one, index) => one === lines[lines.length - tail.length + index])
      )
    }),
    { numRuns: 30 },
  )
  const log = new OutputLog()
  log.add('x'.repeat(3_000_000))
  t.ok(log.text().length < 1_000_000, 'a single line too long')
})

t.test('keeps both streams in the order of arrival', async (t) => {
  const script = 'echo out 1; sleep 0.1; echo err 1 >&2; sleep 0.1; printf "out 2"; exit 3'
  const failure = new LocalHost('/nowhere').run(['sh', '-c', script])
  await t.rejects(failure, { message: /exited with status 3$/, output: 'out 1\nerr 1\nout 2' })
  await t.rejects(new LocalHost('/nowhere').run(['sh', '-c', 'echo; echo " " >&2; exit 1']), {
    message: /exited with status 1, and printed nothing$/,
    output: undefined,
  })
})

t.test('deadlines and signals work during an endless stream', async (t) => {
  let lines = 0
  const endless = new Readable({
    read() {
      // Without this limit, the test would never end.
      this.push(lines < 100_000 ? 'y\n'.repeat(1000) : null)
    },
  })
  collectOutput(endless, () => {
    lines++
  })
  await new Promise((resolve) => endless.once('data', resolve))
  await new Promise((resolve) => setImmediate(resolve))
  endless.destroy()
  t.ok(lines < 20_000, `${lines} lines before other work`)
})
