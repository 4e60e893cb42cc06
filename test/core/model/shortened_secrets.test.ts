/** Tests which parts of a secret remain when a text is cut in the middle. */
import fc from 'fast-check'
import t from 'tap'
import { knownFailure } from '../../../core/model/known_failures.ts'
import { Secrets } from '../../../core/model/secrets.ts'
import { shortenMiddle } from '../../../core/model/shorten.ts'
import { plain } from '../../../core/report/printable.ts'
import { removeNamedCache } from '../../../resources/zope/temporary_cache.ts'

t.test('displays no part of a secret beside a cut', async (t) => {
  const secret = 'correct horse battery staple'
  const secrets = new Secrets()
  secrets.add(secret)
  for (let at = 0; at <= secret.length; at++) {
    const text = shortenMiddle(`start ${secret.slice(0, at)}`, `${secret.slice(at)} end`, 1000)
    const shown = secrets.mask(text)
    for (const word of ['horse', 'battery', 'correct', 'staple']) t.notMatch(shown, word, `${at}: ${shown}`)
    t.match(shown, /^start .* end$/)
  }
  t.equal(secrets.mask(shortenMiddle('a b', 'c d', 5)), 'a … 9 characters left out … d')
})

/** Repetitions of these once made a mask or a pattern take quadratic time: 80 KB took 12 seconds. */
const units = [
  'x',
  'A',
  ' ',
  '\n',
  '\n ',
  '\\',
  '-',
  '&',
  '?token=',
  '--password=',
  'password="',
  "password='",
  'password: "\\',
]
const others = [
  '://a:',
  'authorization: ',
  'a:',
  '$',
  '%',
  ';',
  '\x1b[',
  '<zeoclient\n',
  'client a\n',
  'but ',
  'npm error ',
]

t.test('masks a long text of one repeated piece to its end', async (t) => {
  const secrets = new Secrets()
  for (const secret of ['hunter2hunter2', 'pa ss"wor\'d%', '$$$$;;;;', 'aaaaaaaaaaaa']) secrets.add(secret)
  secrets.useNames({ secret: ['my_name'], open: [] })
  for (const unit of [
    ...units,
    ...others,
    'hunter2hunter',
    'pa ss',
    "No such file or directory: '/releases/",
    'Address already in us',
  ]) {
    const text = unit.repeat(Math.ceil(200_000 / unit.length))
    secrets.maskForeign(text)
    plain(text)
    removeNamedCache(text)
    t.equal(knownFailure({ output: text, status: 1 }), null, JSON.stringify(unit))
  }
})

t.test('removes named caches from a zope.conf, whatever its lines are', async () => {
  const old = (text: string) =>
    text.replace(/^[ \t]*<zeoclient\b[\s\S]*?^[ \t]*<\/zeoclient>/gim, (found) =>
      found.replace(/^[ \t]*client[ \t]+\S.*\n?/gim, ''),
    )
  const line = fc.constantFrom(
    '<zeoclient>',
    ' <zeoclient x>',
    '</zeoclient>',
    '  client one',
    'client',
    'server a',
    '',
    '<a>',
  )
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 12 }),
      (lines) => removeNamedCache(lines.join('\n')) === old(lines.join('\n')),
    ),
  )
})
