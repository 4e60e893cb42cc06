/**
 * Each attribute that reaches a configuration file, with texts that mean something in some configuration language: it is
 * refused with its key, or it is one value. No text adds a directive.
 */
import fc from 'fast-check'
import t from 'tap'
import { ConvergeError, InvalidInput } from '../../core/model/errors.ts'
import { certain, hostilePlaces, outcome, type Place, put, skeletonsOf, texts } from '../support/hostile_places.ts'

async function attack({ role, json, path, isEnvironment, good }: Place, text: string): Promise<'refused' | 'written'> {
  const what = `${role}: ${path.join('.')} = ${JSON.stringify(text)}`
  const result = await outcome(role, put(json, path, text))
  if (result instanceof ConvergeError) {
    const problems = result instanceof InvalidInput ? result.problems : [result]
    const isNamed = problems.every(({ source, attribute }) => attribute !== undefined || source?.file === 'site.json')
    if (!isNamed) throw new Error(`${what} is refused without its key and place: ${problems[0]?.message}`)
    return 'refused'
  }
  for (const [file, skeleton] of skeletonsOf(result, isEnvironment)) {
    const known = good.flatMap((files) => files.get(file) ?? [])
    if (known.length > 0 && !known.includes(skeleton)) throw new Error(`${what} changes ${file}:\n${result[file]}`)
    if (/(^|\n)(evil|\[evil\])/.test(result[file] ?? '')) throw new Error(`${what} adds a line to ${file}`)
  }
  return 'written'
}

t.test('no text of an attribute adds a directive to a configuration', { timeout: 300_000 }, async (t) => {
  const places = await hostilePlaces()
  const counts = { refused: 0, written: 0 }
  for (const place of places) for (const text of certain) counts[await attack(place, text)]++
  const reached = new Set(places.map(({ path }) => path.join('.')))
  t.ok(reached.size > 80, `${reached.size} attributes reach a file, ${places.length} ways`)
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...places), texts, async (place, text) => {
      counts[await attack(place, text)]++
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 600) },
  )
  t.ok(counts.refused > 300 && counts.written > 300, JSON.stringify(counts))
})
