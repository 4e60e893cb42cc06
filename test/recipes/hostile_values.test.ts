/**
 * Each attribute that reaches a configuration file, with texts that mean something in some configuration language: it is
 * refused with its key, or it is one value. No text adds a directive.
 */
import fc from 'fast-check'
import t from 'tap'
import { ConvergeError, InvalidInput } from '../../core/model/errors.ts'
import { hostileSituations, type Situation } from '../support/hostile_situations.ts'
import { configurationOf, type Files } from '../support/rendering.ts'
import { languageOf } from '../support/skeleton.ts'
import { type AttributePath, textAttributes } from '../support/text_attributes.ts'

type Json = { [key: string]: unknown }

/** Texts that stand in a configuration as they are written: that is what they are for. */
const verbatim =
  /(^|\.)(additional_(config|servers|ssl_config)|default_(ssl_)?config|buildout_additional_config|subsite_config\.\*)$|^jetty_app\.(files|ini)/
/** Several words of a directive. */
const wordy = /^haproxy\.balance$/

/** biome-ignore-start lint/suspicious/noTemplateCurlyInString: these are texts of other languages */
const certain = ['a; evil on', 'a;}\nevil {', '"', '"; evil; "', '#evil', 'a\\', '${evil}', 'a ; evil']
const hostile = [
  ...certain,
  ...['a\nevil = 1', 'a\n[evil]\nx = y', 'a\r\nevil: 1', "'", 'a # evil', '\\', '$evil', '$${evil}', '%(evil)s', 'a%b'],
  ...['%', 'a b', ' a ', '{ evil }', '}', '{"evil"}', '`evil`', '$(evil)', 'a\tb', 'a\0b', '[evil]', 'a,b', '-evil'],
  ...['\u2028evil', '\u0085evil', 'a\x0bevil', 'a\x0cevil', 'a\'b"c', '<evil>', 'a=b', '~', '*', '{"', '"}'],
]
const piece = fc.constantFrom(...'ab;{}"\'\\#$%()[] \t\n\r=<>`,:|&~*'.split(''), '${', '%(', '\nevil')
/** biome-ignore-end lint/suspicious/noTemplateCurlyInString: these are texts of other languages */
const texts = fc
  .oneof(fc.constantFrom(...hostile), fc.string({ unit: piece, minLength: 1, maxLength: 8 }))
  .filter((text) => text.trim() !== '')

/** Good values: of each attribute some of them are accepted. */
const marks = [
  'zqxmark',
  '/zqxmark',
  '*.zqxmark.example.com',
  '10.9.8.7',
  '7',
  '7s',
  'zqx:7',
  'http://zqxmark/x',
  'Zqx@mark',
]

/** The attributes with a text at the path; `*` stands for the first key, `#` for the first item. */
function put(json: Json, path: AttributePath, value: string): Json {
  const copy = structuredClone(json)
  let at = copy
  for (const [index, key] of path.entries()) {
    const own = key === '*' ? (Object.keys(at)[0] ?? 'x') : key === '#' ? '0' : key
    const isLast = index === path.length - 1
    if (isLast) at[own] = value
    else at[own] ??= path[index + 1] === '#' ? [] : {}
    if (!isLast) at = at[own] as Json
  }
  return copy
}

async function outcome(role: string, json: Json): Promise<Files | ConvergeError> {
  try {
    return await configurationOf(role, json)
  } catch (error) {
    if (error instanceof ConvergeError) return error
    throw error
  }
}

function skeletonsOf(files: Files, isEnvironment: boolean): Map<string, string> {
  return new Map(
    Object.entries(files).map(([path, text]) => {
      // zope.conf cannot hold each variable; the process has it from elsewhere then.
      const lines = languageOf(path).read(text)
      return [path, (isEnvironment ? lines.filter((line) => line !== 'more') : lines).join('\n')]
    }),
  )
}

interface Place extends Situation {
  readonly path: AttributePath
  readonly isEnvironment: boolean
  /** What the files say with good values. */
  readonly good: readonly Map<string, string>[]
}

/** Where the attribute reaches a file in a situation; null where it does not. */
async function placeOf(situation: Situation, base: Files, path: AttributePath): Promise<Place | null> {
  const { role, json } = situation
  const isEnvironment = /(environment(_variables)?\.\*|^opsworks\.stack\.name)$/.test(path.join('.'))
  const good: Files[] = []
  for (const mark of marks) {
    const files = await outcome(role, put(json, path, mark))
    if (!(files instanceof ConvergeError) && JSON.stringify(files) !== JSON.stringify(base)) good.push(files)
    // Most texts reach no file of a role.
    if (good.length === 0 && mark === '/zqxmark' && !(files instanceof ConvergeError)) return null
  }
  if (good.length === 0) return null
  return { ...situation, path, isEnvironment, good: [base, ...good].map((files) => skeletonsOf(files, isEnvironment)) }
}

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
  const attributes = textAttributes().filter((path) => !verbatim.test(path.join('.')) && !wordy.test(path.join('.')))
  const places: Place[] = []
  const counts = { refused: 0, written: 0 }
  for (const situation of hostileSituations) {
    const base = await configurationOf(situation.role, situation.json)
    for (const path of attributes) {
      if (path[0] === 'deploy' && !('deploy' in situation.json)) continue
      const place = await placeOf(situation, base, path)
      if (place === null) continue
      places.push(place)
      for (const text of certain) counts[await attack(place, text)]++
    }
  }
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
