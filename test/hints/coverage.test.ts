/**
 * Tests that every hint in the sources has a proof in these tables, or is on one of two lists: hints that still lack a
 * proof, and hints that no test can follow, each with the reason.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { hints } from '../support/hint_sources.ts'
import { isProvenBy, proofs, unprovenHints } from '../support/proven_hints.ts'

function read<T>(name: string): Record<string, T> {
  return JSON.parse(readFileSync(new URL(`../support/${name}`, import.meta.url), 'utf8')) as Record<string, T>
}

const namesOf = (texts: Record<string, readonly string[]>): string[] =>
  Object.entries(texts).flatMap(([file, all]) => all.map((text) => `${file}: ${text}`))
const listed = namesOf(read<string[]>('unproven_hints.json'))
const reasons = new Map(
  Object.entries(read<Record<string, string>>('unrepairable_hints.json')).flatMap(([file, all]) =>
    Object.entries(all).map(([text, reason]) => [`${file}: ${text}`, reason] as [string, string]),
  ),
)
const unproven = namesOf(unprovenHints())

t.test('a new hint has a proof', async (t) => {
  for (const hint of unproven)
    if (!listed.includes(hint) && !reasons.has(hint)) t.fail(`${hint}: add a proof of it to a table in test/hints`)
  t.ok(hints.length > 400, `${hints.length} hints, ${unproven.length} without a proof`)
})

t.test('the list holds only hints that lack a proof', async (t) => {
  for (const hint of listed)
    if (!unproven.includes(hint) || reasons.has(hint))
      t.fail(`${hint}: remove it from test/support/unproven_hints.json`)
})

t.test('a hint that no test can follow has a reason', async (t) => {
  for (const [hint, reason] of reasons) {
    t.ok(unproven.includes(hint), `${hint}: in the sources, and without a proof`)
    t.match(reason, /^\S.{30,}\S$/, `${hint}: a reason in plain words`)
  }
})

t.test('a proof is of a hint in the sources', async (t) => {
  for (const proof of proofs)
    t.ok(
      hints.some((hint) => isProvenBy(hint, proof)),
      `${proof.source}: ${proof.hint}`,
    )
})
