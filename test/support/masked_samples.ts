/** Tests that a secret in samples of text is masked, and known where such a text is an attribute. */
import type { Test } from 'tap'
import { secretsInside } from '../../core/model/secret_text.ts'
import { Secrets } from '../../core/model/secrets.ts'

/** @param samples by their kind; § stands for the secret */
export function testMasked(t: Test, samples: Readonly<Record<string, readonly string[]>>, secret: string): void {
  for (const [kind, texts] of Object.entries(samples))
    t.test(kind, (t) => {
      for (const sample of texts) {
        const text = sample.replaceAll('§', secret)
        const masked = new Secrets().maskForeign(text)
        t.notMatch(masked, secret, text)
        t.equal(masked.split('\n').length, text.split('\n').length, 'each line stays a line')
        t.ok(
          secretsInside(text).some((one) => one.includes(secret)),
          `${text}: known where it stands in an attribute`,
        )
      }
      t.end()
    })
}
