/** The prose check finds planted words and long sentences, on their lines, and leaves code alone. */
import t from 'tap'
import { findingsIn } from '../../docs/prose/findings.ts'

const long = `The host ${'converges a resource, and then '.repeat(9)}ends.`

t.test('finds words and long sentences in a page', async (t) => {
  const page = `# Title\n\nThe host is told of it.\n\n\`whoever\` is code.\n\n\`\`\`\nmended\n\`\`\`\n\n${long}\n`
  const found = await findingsIn(page, 'page')
  t.match(found, [
    { line: 3, message: /^is told => / },
    { line: 11, message: /^a sentence of \d+ words/ },
  ])
  t.equal(found.length, 2)
  t.strictSame(await findingsIn('What you need: a host.\n', 'page'), [], 'a heading may begin with What')
})

t.test('finds words and long sentences in comments and texts of code', async (t) => {
  const code = [
    '/** What comes back from a host. */',
    'export const mended = 1',
    '// Reads `whoever`, a name.',
    "export const message = 'the run goes on without it'",
    'export const other = `the host $' + '{mended} has to answer`',
    `// ${long}`,
    "export const short = 'mended'",
  ].join('\n')
  const found = await findingsIn(code, 'code')
  t.strictSame(
    found.map(({ line }) => line),
    [1, 4, 5, 6],
  )
  t.match(found[0], { message: /^What => / })
})
