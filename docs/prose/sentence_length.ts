/** A textlint rule: no sentence has more words than its limit. */
import type { TextlintRuleCreator } from '@textlint/kernel'

export interface SentenceLengthOptions {
  /** Words. */
  readonly max: number
}

export const sentenceLength: TextlintRuleCreator<SentenceLengthOptions> = (context, options) => {
  const { Syntax, RuleError, report, getSource, locator } = context
  return {
    [Syntax.Paragraph](node) {
      const source = getSource(node)
      let start = 0
      for (const sentence of source.split(/(?<=[.!?:;](?:["')`*_]*))\s+/)) {
        const index = source.indexOf(sentence, start)
        start = index + sentence.length
        const words = wordsIn(sentence)
        if (words <= options.max) continue
        const message = `a sentence of ${words} words: split it, at most ${options.max}`
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
