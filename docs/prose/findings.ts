/** Finds words that the project does not use, and long sentences, by rules.yml and code_rules.yml. */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { TextlintKernel, type TextlintKernelOptions, type TextlintKernelRule } from '@textlint/kernel'
import markdown from '@textlint/textlint-plugin-markdown'
import { passagesOf } from './passages.ts'
import { sentenceLength } from './sentence_length.ts'

const require = createRequire(import.meta.url)
/** It publishes no types. */
const prh = require('textlint-rule-prh') as { readonly default: TextlintKernelRule['rule'] }
const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const kernel = new TextlintKernel()
const rulesOf = (...files: readonly string[]): TextlintKernelRule[] => {
  const words = { rulePaths: files.map(pathOf), checkEmphasis: true, checkLink: true, checkBlockQuote: true }
  return [
    { ruleId: 'words', rule: prh.default, options: words },
    { ruleId: 'sentence-length', rule: sentenceLength(40) },
  ]
}
const rules = { pages: rulesOf('rules.yml'), code: rulesOf('rules.yml', 'code_rules.yml') }
const plugins: NonNullable<TextlintKernelOptions['plugins']> = [{ pluginId: 'markdown', plugin: markdown.default }]

export interface Finding {
  readonly line: number
  readonly message: string
}

/** @param kind a page in Markdown, or TypeScript whose comments and texts are read */
export async function findingsIn(source: string, kind: 'page' | 'code'): Promise<Finding[]> {
  const passages = kind === 'page' ? null : passagesOf(source)
  const text = passages === null ? source : passages.map((passage) => passage.text).join('\n\n')
  // Comments are read as Markdown too, so that the code in them is left out.
  const options = { filePath: 'text.md', ext: '.md', plugins, rules: passages === null ? rules.pages : rules.code }
  const { messages } = await kernel.lintText(text, options)
  // Passages stand on every second line of the text.
  return messages.map(({ loc, message }) => ({
    line: passages === null ? loc.start.line : (passages[(loc.start.line - 1) / 2]?.line ?? 1),
    message,
  }))
}
