/** The places where an attribute reaches a configuration file, and texts that mean something in some configuration language. */
import fc from 'fast-check'
import { ConvergeError } from '../../core/model/errors.ts'
import { hostileSituations, type Situation } from './hostile_situations.ts'
import { configurationOf, type Files } from './rendering.ts'
import { languageOf } from './skeleton.ts'
import { type AttributePath, textAttributes } from './text_attributes.ts'

type Json = { [key: string]: unknown }

/** Texts that stand in a configuration as they are written: that is what they are for. */
const verbatim =
  /(^|\.)(additional_(config|servers|ssl_config)|default_(ssl_)?config|buildout_additional_config|subsite_config\.\*)$|^jetty_app\.(files|ini)/
/** Several words of a directive, or several names with blanks between them. */
const wordy = /^(haproxy\.balance|certbot_domains)$/

/** biome-ignore-start lint/suspicious/noTemplateCurlyInString: these are texts of other languages */
export const certain = ['a; evil on', 'a;}\nevil {', '"', '"; evil; "', '#evil', 'a\\', '${evil}', 'a ; evil']
export const hostile = [
  ...certain,
  ...['a\nevil = 1', 'a\n[evil]\nx = y', 'a\r\nevil: 1', "'", 'a # evil', '\\', '$evil', '$${evil}', '%(evil)s', 'a%b'],
  ...['%', 'a b', ' a ', '{ evil }', '}', '{"evil"}', '`evil`', '$(evil)', 'a\tb', 'a\0b', '[evil]', 'a,b', '-evil'],
  ...['\u2028evil', '\u0085evil', 'a\x0bevil', 'a\x0cevil', 'a\'b"c', '<evil>', 'a=b', '~', '*', '{"', '"}'],
]
const piece = fc.constantFrom(...'ab;{}"\'\\#$%()[] \t\n\r=<>`,:|&~*'.split(''), '${', '%(', '\nevil')
/** biome-ignore-end lint/suspicious/noTemplateCurlyInString: these are texts of other languages */
export const texts = fc
  .oneof(fc.constantFrom(...hostile), fc.string({ unit: piece, minLength: 1, maxLength: 8 }))
  .filter((text) => text.trim() !== '')

/** Good values: of each attribute some of them are accepted. */
export const marks = [
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
export function put(json: Json, path: AttributePath, value: string): Json {
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

export async function outcome(role: string, json: Json): Promise<Files | ConvergeError> {
  try {
    return await configurationOf(role, json)
  } catch (error) {
    if (error instanceof ConvergeError) return error
    throw error
  }
}

export function skeletonsOf(files: Files, isEnvironment: boolean): Map<string, string> {
  return new Map(
    Object.entries(files).map(([path, text]) => {
      // zope.conf cannot hold each variable; the process has it from elsewhere then.
      const lines = languageOf(path).read(text)
      return [path, (isEnvironment ? lines.filter((line) => line !== 'more') : lines).join('\n')]
    }),
  )
}

export interface Place extends Situation {
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

/**
 * All of them, but for attributes whose text stands in a configuration as it is written.
 * @param counts whether a situation with these files is looked at
 */
export async function hostilePlaces(
  counts: (files: readonly string[]) => boolean = () => true,
): Promise<readonly Place[]> {
  const attributes = textAttributes().filter((path) => !verbatim.test(path.join('.')) && !wordy.test(path.join('.')))
  const places: Place[] = []
  for (const situation of hostileSituations) {
    const base = await configurationOf(situation.role, situation.json)
    if (!counts(Object.keys(base))) continue
    for (const path of attributes) {
      if (path[0] === 'deploy' && !('deploy' in situation.json)) continue
      const place = await placeOf(situation, base, path)
      if (place !== null) places.push(place)
    }
  }
  return places
}
