/** Tests that output of a host which arrives in pieces reveals no part of a secret. */
import t from 'tap'
import { OutputBuffer } from '../../core/cli/stack/limited_output.ts'
import { Secrets } from '../../core/model/secrets.ts'

function known(): Secrets {
  const secrets = new Secrets()
  secrets.add('correct-horse-battery')
  return secrets
}

const key = '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nab/d+4==\n-----END PRIVATE KEY-----\n'
const text = `start\npassword: |\n  former-value\nsaid correct-horse-battery\n${key}end\n`

t.test('hides secrets in output that arrives in pieces of any size, and displays the rest at once', (t) => {
  for (const size of [1, 2, 3, 7, 20, 50, 1000]) {
    let shown = ''
    const output = new OutputBuffer(known(), (part) => {
      shown += part
    })
    for (let at = 0; at < text.length; at += size) output.add(text.slice(at, at + size), 'stdout')
    output.close()
    t.notMatch(shown, /horse|former|MIIE|ab\/d/, `pieces of ${size}`)
    t.match(shown, /^start\npassword: [^\n]*\n {2}\*{8}\nsaid \*{8}\n/)
    t.match(shown, /\nend\n$/)
    t.equal(shown.split('\n').length, text.split('\n').length)
  }
  t.end()
})

t.test('hides a secret where the output exceeds its limit', (t) => {
  for (let at = 0; at < 24; at++) {
    const output = new OutputBuffer(known(), null)
    output.add(
      `${'x '.repeat((1 << 19) - 20)}${'y'.repeat(at)} correct-horse-battery and more ${'z '.repeat(60)}`,
      'stdout',
    )
    const { stdout, truncated } = output.close()
    t.ok(truncated)
    t.notMatch(stdout.slice(-80), /corr|horse/)
  }
  t.end()
})

t.test('hides secrets in one endless line', (t) => {
  let shown = ''
  const output = new OutputBuffer(known(), (part) => {
    shown += part
  })
  for (let at = 0; at < 40; at++) output.add(`${'word '.repeat(13_100)}correct-horse-battery `, 'stdout')
  output.close()
  t.ok(shown.length > 1 << 20)
  t.notMatch(shown, /horse/)
  t.end()
})
