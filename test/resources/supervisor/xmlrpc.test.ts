/** Tests the encoding and decoding of XML-RPC. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { decodeAnswer, encodeCall, type Value } from '../../../resources/supervisor/xmlrpc.ts'

const answer = (inner: string) =>
  `<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n${inner}\n</param>\n</params>\n</methodResponse>\n`

t.test('encodes a call', async (t) => {
  const head = "<?xml version='1.0'?><methodCall><methodName>supervisor.f</methodName><params>"
  t.equal(
    encodeCall('supervisor.f', ['a<&>b', 7, true, false]),
    `${head}<param><value><string>a&lt;&amp;&gt;b</string></value></param><param><value><int>7</int></value></param><param><value><boolean>1</boolean></value></param><param><value><boolean>0</boolean></value></param></params></methodCall>`,
  )
})

for (const [what, text, value] of [
  ['a text with its blanks', '<value><string> a\n\tb </string></value>', ' a\n\tb '],
  ['an empty text', '<value><string></string></value>', ''],
  ['a text without an element', '<value> bare </value>', ' bare '],
  [
    'references',
    '<value><string>&lt;a&gt; &amp;amp; &quot;&apos; &#233;&#x1F600; &who;</string></value>',
    '<a> &amp; "\' é😀 &who;',
  ],
  ['control characters, as logs have them', '<value><string>\x1b[31mred\x00</string></value>', '\x1b[31mred\x00'],
  [
    'numbers',
    '<value><array><data><value><int>-3</int></value><value><i4>4</i4></value><value><double>1.5</double></value></data></array></value>',
    [-3, 4, 1.5],
  ],
  [
    'truth',
    '<value><array><data><value><boolean>1</boolean></value><value><boolean>0</boolean></value></data></array></value>',
    [true, false],
  ],
  ['nothing', '<value><nil/></value>', null],
  ['base64', '<value><base64>w6k=\n</base64></value>', 'é'],
  [
    'an empty struct and an empty array',
    '<value><array><data><value><struct></struct></value><value><array><data>\n</data></array></value></data></array></value>',
    [{}, []],
  ],
  [
    'a struct',
    '<value><struct>\n<member>\n<name>a</name>\n<value><int>1</int></value>\n</member>\n<member><name>b</name><value>x</value></member></struct></value>',
    { a: 1, b: 'x' },
  ],
] as const satisfies readonly (readonly [string, string, Value])[])
  t.test(`decodes ${what}`, async (t) => t.strictSame(decodeAnswer(answer(text)), { value }))

t.test('decodes a member named __proto__', async (t) => {
  const read = decodeAnswer(
    answer('<value><struct><member><name>__proto__</name><value>x</value></member></struct></value>'),
  )
  t.strictSame('value' in read && Object.entries(read.value as object), [['__proto__', 'x']])
})

t.test('decodes a fault', async (t) => {
  const struct =
    '<struct><member><name>faultCode</name><value><int>10</int></value></member><member><name>faultString</name><value><string>BAD_NAME: x</string></value></member></struct>'
  t.strictSame(decodeAnswer(`<methodResponse><fault><value>${struct}</value></fault></methodResponse>`), {
    fault: { code: 10, text: 'BAD_NAME: x' },
  })
})

t.test('refuses any other text', async (t) => {
  for (const text of [
    '',
    '<html><body>Not found</body></html>',
    answer('<value><int>1</int>'),
    answer('<value><string>a</int></value>'),
    answer('<value><wonder>a</wonder></value>'),
    answer('<value><struct><member><value>1</value></member></struct></value>'),
    '<methodResponse><fault><value>oh</value></fault></methodResponse>',
    '<!DOCTYPE x [<!ENTITY a "b">]><methodResponse></methodResponse>',
  ])
    t.throws(() => decodeAnswer(text), { code: 'SUPERVISOR_ANSWER', message: /not XML-RPC/ }, text.slice(0, 60))
})

t.test('decodes what Python encodes', async () => {
  const write = (value: Value): string => {
    if (typeof value === 'string')
      return `<value><string>${value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')}</string></value>`
    if (typeof value === 'number') return `<value><int>${value}</int></value>`
    if (typeof value === 'boolean') return `<value><boolean>${Number(value)}</boolean></value>`
    if (value === null) return '<value><nil/></value>'
    if (Array.isArray(value)) return `<value><array><data>\n${value.map(write).join('\n')}\n</data></array></value>`
    return `<value><struct>\n${Object.entries(value)
      .map(([name, item]) => `<member>\n<name>${name}</name>\n${write(item)}\n</member>`)
      .join('\n')}\n</struct></value>`
  }
  const leaf = fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.boolean(), fc.constant(null))
  const { value: tree } = fc.letrec<{ value: Value }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      leaf,
      fc.array(tie('value')),
      fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), tie('value'), { noNullPrototype: true }),
    ),
  }))
  fc.assert(
    fc.property(tree, (value) => assert.deepStrictEqual(decodeAnswer(answer(write(value))), { value })),
    { numRuns: 200 },
  )
})
