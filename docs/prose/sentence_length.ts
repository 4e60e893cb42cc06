/** A textlint rule: no sentence has more words than its limit. */
import type { TextlintRuleReporter } from '@textlint/kernel'

/** @param max words */
export const sentenceLength =
  (max: number): TextlintRuleReporter =>
  (context) => {
    const { Syntax, RuleError, report, getSource, locator } = context
    return {
      [Syntax.Paragraph](node) {
        const source = getSource(node)
        let start = 0
        for (const sentence of source.split(/(?<=[.!?:;](?:["')`*_]*))\s+/)) {
          const index = source.indexOf(sentence, start)
          start = index + sentence.length
          const words = wordsIn(sentence)
          if (words <= max) continue
          const message = `a sentence of ${words} words: split it, at most ${max}`
          report(node, new RuleError(message, { padding: locator.at(index) }))
        }
      },
    }
  }

/** Code counts as one word, and the address of a link as none. */
function wordsIn(sentence: string): number {
  const plain = sentence.replace(/`[^`]*`/g, 'code').replace(/\]\([^)]*\)/g, ']')
  return plain.match(/[\p{L}\p{N}][\p{L}\p{N}'./-]*/gu)?.length ?? 0
}
