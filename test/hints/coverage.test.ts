/** Every hint of the sources has a proof in these tables, or is on the list of those that still lack one. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { hints } from '../support/hint_sources.ts'
import { isProvenBy, proofs, unprovenHints } from '../support/proven_hints.ts'

const known = JSON.parse(readFileSync(new URL('../support/unproven_hints.json', import.meta.url), 'utf8')) as Record<
  string,
  string[]
>
const listed = Object.entries(known).flatMap(([file, texts]) => texts.map((text) => `${file}: ${text}`))
const unproven = Object.entries(unprovenHints()).flatMap(([file, texts]) => texts.map((text) => `${file}: ${text}`))

t.test('a new hint has a proof', async (t) => {
  for (const hint of unproven) if (!listed.includes(hint)) t.fail(`${hint}: add a proof of it to a table in test/hints`)
  t.ok(hints.length > 400, `${hints.length} hints, ${unproven.length} without a proof`)
})

t.test('the list holds only hints that lack a proof', async (t) => {
  for (const hint of listed)
    if (!unproven.includes(hint)) t.fail(`${hint}: remove it from test/support/unproven_hints.json`)
})

t.test('a proof is of a hint in the sources', async (t) => {
  for (const proof of proofs)
    t.ok(
      hints.some((hint) => isProvenBy(hint, proof)),
      `${proof.source}: ${proof.hint}`,
    )
})
