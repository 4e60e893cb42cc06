/** Tests texts that are not valid UTF-8. */
import fc from 'fast-check'
import t from 'tap'
import type { ConvergeError } from '../../../core/model/errors.ts'
import { utf8Text } from '../../../core/model/utf8.ts'

const refusal = (bytes: Buffer): ConvergeError | null => {
  try {
    utf8Text(bytes, 'site.json')
    return null
  } catch (error) {
    return error as ConvergeError
  }
}

t.test('Latin-1: names the first byte, its offset, line and column', (t) => {
  const bytes = Buffer.from('{\n  "é": "M\u00fcller"}', 'latin1')
  t.match(refusal(bytes), {
    code: 'NOT_UTF8',
    message: 'site.json is not UTF-8: byte 0xe9 at offset 5',
    source: { file: 'site.json', line: 2, column: 4 },
    hint: 'iconv -f ISO-8859-1',
    usage: true,
  })
  t.end()
})

t.test('names UTF-16 and UTF-32, with and without a byte order mark', (t) => {
  const text = Buffer.from('{"a": 1}', 'utf16le')
  const swapped = Buffer.from(text).swap16()
  t.match(refusal(text), { message: /encoded as UTF-16LE/, hint: 'iconv -f UTF-16 -t UTF-8' })
  t.match(refusal(swapped), { message: /UTF-16BE/ })
  t.match(refusal(Buffer.concat([Buffer.from([0xff, 0xfe]), text])), { message: /UTF-16LE/ })
  t.match(refusal(Buffer.concat([Buffer.from([0xfe, 0xff]), swapped])), { message: /UTF-16BE/ })
  t.match(refusal(Buffer.from([0xff, 0xfe, 0, 0, 0x7b, 0, 0, 0])), { message: /UTF-32LE/ })
  t.end()
})

t.test('reads any valid text, and names the first wrong byte of any other', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const bytes = Buffer.from(text, 'utf8')
      return text.includes('\0') || utf8Text(bytes, 'f') === text
    }),
  )
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', minLength: 2 }),
      fc.constantFrom(0xff, 0xc0, 0xf8, 0x80),
      (text, wrong) => {
        if (text.includes('\0')) return true
        const before = Buffer.from(`x${text}`, 'utf8')
        const error = refusal(Buffer.concat([before, Buffer.from([wrong]), Buffer.from('after')]))
        return error?.message.endsWith(`at offset ${before.length}`) === true
      },
    ),
  )
  t.end()
})
