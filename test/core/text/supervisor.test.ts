/** Tests texts for supervisord with a model of its parser: it reads back the original text. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { supervisorInclude, supervisorValue, supervisorVariable } from '../../../core/text/supervisor.ts'
import { refusalOf } from '../../../core/text/writer.ts'
import { anyText, knownTexts } from './generated_texts.ts'

const space = '[\\t-\\r\\x1c-\\x1f \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]'
const strip = (text: string) => text.replace(new RegExp(`^${space}+|${space}+$`, 'g'), '')

/** Models RawConfigParser with inline comments, then `expand_here`, then the expansion with `%`. */
function readOption(text: string): string {
  const lines = `option=${text}`.split(/\r\n|\r|\n/).map((line, index) => {
    const comment = new RegExp(`(^|${space})[;#]`).exec(line)
    const kept = strip(comment === null ? line : line.slice(0, comment.index + comment[0].length - 1))
    if (index > 0) assert.match(line, /^ |^$/, 'a line that continues the option')
    return strip(line).match(/^[;#]/) ? '' : kept
  })
  const value = strip(lines.join('\n').replace(/^option=/, ''))
  return expanded(value.replaceAll('%(here)s', '/here'))
}

function expanded(text: string): string {
  return text.replace(/%(%|\(here\)(\.0)?s)?/g, (found, what: string | undefined, nothing: string | undefined) => {
    if (what === '%') return '%'
    assert.equal(nothing, '.0', `${found} in ${JSON.stringify(text)}`)
    return ''
  })
}

/** Models `dict_of_key_value_pairs`, for one pair in quotes. */
function readVariable(text: string): string {
  const token = /^A=("[^"]*"|'[^']*')$/s.exec(text)?.[1]
  assert.ok(token !== undefined, text)
  return token.replace(/^['"]+|['"]+$/g, '')
}

t.test('supervisor reads any text as written, or the writer refuses it', async (t) => {
  const arrives = (text: string) => {
    if (refusalOf(supervisorVariable, text) !== null) {
      assert.match(text, /\r|^['"]|['"]$|".*'|'.*"/s)
      return
    }
    assert.equal(readVariable(readOption(supervisorValue(`A=${supervisorVariable(text)}`))), text)
  }
  for (const text of knownTexts) arrives(text)
  fc.assert(fc.property(anyText, arrives), { numRuns: 2000 })
  t.pass()
})

t.test('leaves plain values unchanged', async (t) => {
  t.equal(supervisorValue('/srv/www/site/current/bin/client1 console'), '/srv/www/site/current/bin/client1 console')
  t.equal(supervisorVariable('x y'), '"x y"')
})

t.test('a refusal does not contain the value', async (t) => {
  for (const [text, reason] of [
    ['a\rb', /carriage return/],
    ['"secret', /quote at either end/],
    ['a\'"b', /both kinds/],
    ['a\0', /NUL/],
    ['\ud800', /surrogate/],
  ] as const) {
    const refusal = refusalOf(supervisorVariable, text)
    t.match(refusal?.message, reason)
    t.notMatch(refusal?.message, 'secret')
  }
})

t.test('resolves the files that supervisord includes', async (t) => {
  const config = '/my site/etc/supervisor/supervisord.conf'
  t.equal(
    supervisorInclude('/etc/supervisor/supervisord.conf', '/etc/supervisor/conf.d'),
    '/etc/supervisor/conf.d/*.conf',
  )
  t.equal(
    supervisorInclude(config, '/my site/etc/supervisor/conf.d'),
    'conf.d/*.conf',
    'relative where a path has a blank',
  )
  t.equal(supervisorInclude(config, '/my site/etc/other/conf.d'), '../other/conf.d/*.conf')
  t.equal(supervisorInclude('/x/supervisord.conf', '/x/[a]/conf.d'), '/x/[[]a]/conf.d/*.conf')
  t.throws(() => supervisorInclude(config, '/my site/etc/conf d'), { message: /blank in a path of \[include\]/ })
  t.throws(() => supervisorInclude('/my [site]/s.conf', '/my [site]/conf.d'), { message: /both a blank and one of/ })
})
