/** Finds the prose of a TypeScript file: its comments, and the texts that people read. */
import ts from 'typescript'

export interface Passage {
  /** On one line, with each `${…}` replaced by a word. */
  readonly text: string
  /** Of the first character; counted from 1. */
  readonly line: number
}

/** A text of three words in a row is a sentence or a part of one; anything shorter is a name, a path or a command. */
const prose = /\p{L}[\p{Ll}'-]* \p{Ll}[\p{Ll}'-]* \p{Ll}/u

/** @returns the comments and texts of a source file, in their order */
export function passagesOf(source: string): Passage[] {
  const file = ts.createSourceFile('source.ts', source, ts.ScriptTarget.Latest, true)
  const lineOf = (position: number) => file.getLineAndCharacterOfPosition(position).line + 1
  const passages: Passage[] = []
  const visited = new Set<number>()
  const addComments = (ranges: readonly ts.CommentRange[] | undefined) => {
    for (const { pos, end } of ranges ?? []) {
      if (visited.has(pos)) continue
      visited.add(pos)
      passages.push({ text: commentText(source.slice(pos, end)), line: lineOf(pos) })
    }
  }
  const visit = (node: ts.Node) => {
    addComments(ts.getLeadingCommentRanges(source, node.getFullStart()))
    addComments(ts.getTrailingCommentRanges(source, node.getEnd()))
    const first = lineOf(node.getStart())
    // A text of several lines is a script or a file of a host, whose lines are not one sentence.
    for (const [index, text] of (messageText(node)?.split('\n') ?? []).entries())
      if (prose.test(text))
        passages.push({ text: oneLine(text), line: ts.isStringLiteral(node) ? first : first + index })
    ts.forEachChild(node, visit)
  }
  visit(file)
  return passages.sort((a, b) => a.line - b.line)
}

function messageText(node: ts.Node): string | null {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text
  if (!ts.isTemplateExpression(node)) return null
  return node.head.text + node.templateSpans.map(({ literal }) => `value${literal.text}`).join('')
}

function commentText(comment: string): string {
  const inner = comment.startsWith('//') ? comment.slice(2) : comment.slice(2, -2)
  const lines = inner.split('\n').map((line) => line.replace(/^\s*\*+/, ''))
  return oneLine(lines.join('\n').replace(/@(?:param|returns|throws|example|default|see|source)\b/g, '. '))
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}
