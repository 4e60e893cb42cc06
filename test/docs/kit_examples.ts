/** Turns the examples of docs/testing-recipes.md into the files of a directory of recipes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { blocksOf, project } from './blocks.ts'

const page = 'docs/testing-recipes.md'

/** @returns the role and the tests by path, and the snapshot that the page shows */
export function kitExamples(): { readonly files: Readonly<Record<string, string>>; readonly snapshot: string } {
  const blocks = blocksOf(page, readFileSync(join(project, page), 'utf8'))
  const [role, ...tests] = blocks.flatMap(({ language, text }) => (language === 'ts' ? [text] : []))
  const files: Record<string, string> = { 'motd.ts': role ?? '' }
  for (const [index, text] of tests.entries()) files[`test/example${index}.test.ts`] = testOf(text)
  return { files, snapshot: blocks.find(({ language }) => language === 'text')?.text ?? '' }
}

/** Turns an example that exports its subject into a test. */
function testOf(text: string): string {
  if (/^(test\(|for )/m.test(text)) return text
  const [, kind = '', subject = ''] = /^export (const|async function) (\w+)/m.exec(text) ?? []
  const call = kind === 'const' && text.includes(`${subject} = new `) ? subject : `${subject}()`
  return `import { test } from 'node:test'\n${text}\ntest('${subject}', async () => void (await ${call}))\n`
}
