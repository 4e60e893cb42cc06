/**
 * Checks the prose of the project (pages, comments, messages) against docs/prose/rules.yml.
 * Arguments: the files to check; without any, all files but those that docs/prose/pending.txt lists.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TextlintKernel, type TextlintKernelOptions, type TextlintKernelRule } from '@textlint/kernel'
import markdown from '@textlint/textlint-plugin-markdown'
import { passagesOf } from './passages.ts'
import { sentenceLength } from './sentence_length.ts'

const require = createRequire(import.meta.url)
/** It publishes no types. */
const prh = require('textlint-rule-prh') as { readonly default: TextlintKernelRule['rule'] }
const project = fileURLToPath(new URL('../..', import.meta.url))
const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const kernel = new TextlintKernel()
const rulesOf = (...files: readonly string[]): TextlintKernelRule[] => {
  const words = { rulePaths: files.map(pathOf), checkEmphasis: true, checkLink: true, checkBlockQuote: true }
  return [
    { ruleId: 'words', rule: prh.default, options: words },
    { ruleId: 'sentence-length', rule: sentenceLength, options: { max: 40 } },
  ]
}
const rules = { pages: rulesOf('rules.yml'), code: rulesOf('rules.yml', 'code_rules.yml') }
const plugins: TextlintKernelOptions['plugins'] = [{ pluginId: 'markdown', plugin: markdown.default }]

interface Finding {
  readonly line: number
  readonly message: string
}

async function findingsIn(path: string): Promise<Finding[]> {
  const source = readFileSync(`${project}/${path}`, 'utf8')
  const passages = extname(path) === '.md' ? null : passagesOf(source)
  const text = passages === null ? source : passages.map((passage) => passage.text).join('\n\n')
  // Comments are read as Markdown too, so that the code in them is left out.
  const options = { filePath: path, ext: '.md', plugins, rules: passages === null ? rules.pages : rules.code }
  const { messages } = await kernel.lintText(text, options)
  // Passages stand on every second line of the text.
  return messages.map(({ loc, message }) => ({
    line: passages === null ? loc.start.line : (passages[(loc.start.line - 1) / 2]?.line ?? 1),
    message,
  }))
}

const named = process.argv.slice(2)
const pending = readFileSync(`${project}/docs/prose/pending.txt`, 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
const tracked = execFileSync('git', ['ls-files', '*.md', '*.ts', '*.mjs'], { cwd: project, encoding: 'utf8' })
const checked = tracked
  .trim()
  .split('\n')
  .filter((path) => !pending.some((start) => path.startsWith(start)))
let count = 0
for (const path of named.length > 0 ? named : checked)
  for (const { line, message } of await findingsIn(path)) {
    count++
    process.stdout.write(`${path}:${line}: ${message}\n`)
  }
if (count > 0) {
  process.stderr.write(`${count} findings; the rules are in docs/prose/rules.yml\n`)
  process.exitCode = 1
}
