/** Reads the pages of the documentation and extracts their fenced blocks. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const project = fileURLToPath(new URL('../..', import.meta.url))

export interface Block {
  /** Path of the page, relative to the project. */
  readonly page: string
  /** Line of the opening fence. */
  readonly line: number
  readonly language: string
  /** The heading, without its `#` signs. */
  readonly heading: string
  /**
   * The block's key in the table of examples: `docs/php.md > Hot`, and `docs/php.md > Hot > 2` for the second one below
   * it.
   */
  readonly key: string
  readonly text: string
}

export const where = ({ page, line, key }: Block): string => `${page}:${line} (${key})`

/** Returns the README and all pages below docs/, by path. */
export function pages(): Map<string, string> {
  const below = readdirSync(`${project}docs`, { recursive: true, encoding: 'utf8' })
  const paths = ['README.md', ...below.filter((path) => path.endsWith('.md')).map((path) => `docs/${path}`)].sort()
  return new Map(paths.map((path) => [path, readFileSync(`${project}${path}`, 'utf8')]))
}

export function allBlocks(): Block[] {
  return [...pages()].flatMap(([page, text]) => blocksOf(page, text))
}

const fence = /^(\s*)(```+|~~~+)\s*(\S*)/

export function blocksOf(page: string, text: string): Block[] {
  const found: Block[] = []
  const lines = text.split('\n')
  let heading = ''
  let count = 0
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? ''
    const title = /^#+\s+(.*?)\s*$/.exec(line)
    if (title) {
      heading = title[1] ?? ''
      count = 0
    }
    const opened = fence.exec(line)
    if (!opened) continue
    const [, indent = '', mark = '', language = ''] = opened
    const end = lines.findIndex((other, index) => index > at && other.trim() === mark)
    if (end < 0) throw new Error(`${page}:${at + 1}: this fence is never closed`)
    const content = lines.slice(at + 1, end).map((one) => (one.startsWith(indent) ? one.slice(indent.length) : one))
    count += 1
    const key = `${page} > ${heading}${count > 1 ? ` > ${count}` : ''}`
    found.push({ page, line: at + 1, language, heading, key, text: `${content.join('\n')}\n` })
    at = end
  }
  return found
}
/** Returns the page without its fenced blocks; line numbers stay the same. */
export function prose(text: string): string {
  const lines = text.split('\n')
  for (const { line, text: content } of blocksOf('', text))
    for (let at = line - 1; at < line + content.split('\n').length; at++) lines[at] = ''
  return lines.join('\n')
}
