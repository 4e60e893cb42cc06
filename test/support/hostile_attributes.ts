/**
 * Finds the attributes that reach a configuration file, and generates texts with special characters of the
 * configuration languages.
 */
import fc from 'fast-check'
import { ConvergeError } from '../../core/model/errors.ts'
import { languageOf } from './config_directives.ts'
import { hostileSituations, type Situation } from './hostile_situations.ts'
import { configurationOf, type Files } from './rendering.ts'
import { type AttributePath, textAttributes } from './text_attributes.ts'

type Json = { [key: string]: unknown }

/** Attributes whose text is meant to be copied into a configuration as it is. */
const verbatim =
  /(^|\.)(additional_(config|servers|ssl_config)|default_(ssl_)?config|buildout_additional_config|subsite_config\.\*)$|^jetty_app\.(files|ini)/
/** Several words of a directive, or several names separated by blanks. */
const wordy = /^(haproxy\.balance|certbot_domains|memcached\.listen_addr|redis\.config\.listen_addr)$/

export const certain = ['a; evil on', 'a;}\nevil {', '"', '"; evil; "', '#evil', 'a\\', '${evil}', 'a ; evil']
export const hostile = [
  ...certain,
  ...['a\nevil = 1', 'a\n[evil]\nx = y', 'a\r\nevil: 1', "'", 'a # evil', '\\', '$evil', '$${evil}', '%(evil)s', 'a%b'],
  ...['%', 'a b', ' a ', '{ evil }', '}', '{"evil"}', '`evil`', '$(evil)', 'a\tb', 'a\0b', '[evil]', 'a,b', '-evil'],
  ...['\u2028evil', '\u0085evil', 'a\x0bevil', 'a\x0cevil', 'a\'b"c', '<evil>', 'a=b', '~', '*', '{"', '"}'],
]
const piece = fc.constantFrom(...'ab;{}"\'\\#$%()[] \t\n\r=<>`,:|&~*'.split(''), '${', '%(', '\nevil')
export const texts = fc
  .oneof(fc.constantFrom(...hostile), fc.string({ unit: piece, minLength: 1, maxLength: 8 }))
  .filter((text) => text.trim() !== '')

/** Valid values: each attribute accepts some of them. */
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

/** Sets the attribute at the path to a text; `*` stands for the first key, `#` for the first item. */
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
      // zope.conf cannot express every variable; the process then receives it in another way.
      const lines = languageOf(path).read(text)
      return [path, (isEnvironment ? lines.filter((line) => line !== 'more') : lines).join('\n')]
    }),
  )
}

export interface HostileAttribute extends Situation {
  readonly path: AttributePath
  readonly isEnvironment: boolean
  /** The contents of the files for valid values. */
  readonly good: readonly Map<string, string>[]
}

/** Returns where the attribute reaches a file in a situation; null if it reaches none. */
async function hostileAttributeOf(
  situation: Situation,
  base: Files,
  path: AttributePath,
): Promise<HostileAttribute | null> {
  const { role, json } = situation
  const isEnvironment = /(environment(_variables)?\.\*|^opsworks\.stack\.name)$/.test(path.join('.'))
  const good: Files[] = []
  for (const mark of marks) {
    const files = await outcome(role, put(json, path, mark))
    if (!(files instanceof ConvergeError) && JSON.stringify(files) !== JSON.stringify(base)) good.push(files)
    // Most texts do not reach any file of a role.
    if (good.length === 0 && mark === '/zqxmark' && !(files instanceof ConvergeError)) return null
  }
  if (good.length === 0) return null
  return { ...situation, path, isEnvironment, good: [base, ...good].map((files) => skeletonsOf(files, isEnvironment)) }
}

/**
 * Returns all such attributes, except for those whose text is copied into a configuration as it is.
 * @param counts decides whether a situation with these files is included
 */
export async function hostileAttributes(
  counts: (files: readonly string[]) => boolean = () => true,
): Promise<readonly HostileAttribute[]> {
  const attributes = textAttributes().filter((path) => !verbatim.test(path.join('.')) && !wordy.test(path.join('.')))
  const found: HostileAttribute[] = []
  for (const situation of hostileSituations) {
    const base = await configurationOf(situation.role, situation.json)
    if (!counts(Object.keys(base))) continue
    for (const path of attributes) {
      if (path[0] === 'deploy' && !('deploy' in situation.json)) continue
      const attribute = await hostileAttributeOf(situation, base, path)
      if (attribute !== null) found.push(attribute)
    }
  }
  return found
}
