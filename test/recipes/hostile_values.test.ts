/**
 * Tests each attribute that reaches a configuration file with texts that have a meaning in some configuration language:
 * it is rejected with its key, or written as one value. No text adds a directive.
 */
import fc from 'fast-check'
import t from 'tap'
import { ConvergeError, InvalidInput } from '../../core/model/errors.ts'
import {
  configurationOrError,
  generatedTexts,
  type HostileAttribute,
  hostileAttributes,
  hostileTexts,
  skeletonsOf,
  textsForEveryAttribute,
  withAttribute,
} from '../support/hostile_attributes.ts'
import { hostileSituations } from '../support/hostile_situations.ts'

async function attack(
  { role, json, path, isEnvironment, validSkeletons: good }: HostileAttribute,
  text: string,
): Promise<'refused' | 'written'> {
  const what = `${role}: ${path.join('.')} = ${JSON.stringify(text)}`
  const result = await configurationOrError(role, withAttribute(json, path, text))
  if (result instanceof ConvergeError) {
    const problems = result instanceof InvalidInput ? result.problems : [result]
    const isNamed = problems.every(({ source, attribute }) => attribute !== undefined || source?.file === 'site.json')
    if (!isNamed) throw new Error(`${what} is refused without its key and location: ${problems[0]?.message}`)
    return 'refused'
  }
  for (const [file, skeleton] of skeletonsOf(result, isEnvironment)) {
    const known = good.flatMap((files) => files.get(file) ?? [])
    if (known.length > 0 && !known.includes(skeleton)) throw new Error(`${what} changes ${file}:\n${result[file]}`)
    if (/(^|\n)(evil|\[evil\])/.test(result[file] ?? '')) throw new Error(`${what} adds a line to ${file}`)
  }
  return 'written'
}

t.test('no text of an attribute adds a directive to a configuration', { timeout: 1_200_000 }, async (t) => {
  const found = await hostileAttributes()
  const counts = { refused: 0, written: 0 }
  for (const attribute of found) for (const text of textsForEveryAttribute) counts[await attack(attribute, text)]++
  const reached = new Set(found.map(({ path }) => path.join('.')))
  t.ok(reached.size > 70, `${reached.size} attributes reach a file, ${found.length} ways`)
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...found), generatedTexts, async (attribute, text) => {
      counts[await attack(attribute, text)]++
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 600) },
  )
  t.ok(counts.refused > 300 && counts.written > 300, JSON.stringify(counts))
})

t.test('refuses names with blanks between them, or reads them as one name', async (t) => {
  const situation = hostileSituations.find(({ role, json }) => role === 'frontend' && 'certbot_domains' in json)
  if (situation === undefined) throw new Error('no situation with certbot_domains')
  const counts = { refused: 0, written: 0 }
  const check = async (text: string): Promise<void> => {
    const result = await configurationOrError('frontend', withAttribute(situation.json, ['certbot_domains'], text))
    counts[result instanceof ConvergeError ? 'refused' : 'written']++
    if (result instanceof ConvergeError) return
    const all = Object.values(result).join('\n')
    const names = [...all.matchAll(/^\s*server_name (.*)$/gm)].map(([, name = '']) => name)
    for (const name of names) if (!/^[\w.*~-]+;$/.test(name)) throw new Error(`${JSON.stringify(text)}: ${name}`)
    const words = text.split(/[\s,]+/).filter((word) => word !== '')
    for (const word of words) if (!names.includes(`${word};`)) throw new Error(`${JSON.stringify(text)}: no ${word}`)
  }
  for (const text of hostileTexts) await check(text)
  await fc.assert(fc.asyncProperty(generatedTexts, check), { numRuns: 200 })
  t.ok(counts.refused > 50 && counts.written > 3, JSON.stringify(counts))
})
