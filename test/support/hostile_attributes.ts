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
const copiedVerbatim =
  /(^|\.)(additional_(config|servers|ssl_config)|default_(ssl_)?config|buildout_additional_config|subsite_config\.\*)$|^jetty_app\.(files|ini)/
/** Attributes whose blanks separate the words of a directive, or names. */
const takesSeveralWords = /^(haproxy\.balance|certbot_domains|memcached\.listen_addr|redis\.config\.listen_addr)$/

/** Texts that are tried with each attribute. */
export const textsForEveryAttribute = [
  'a; evil on',
  'a;}\nevil {',
  '"',
  '"; evil; "',
  '#evil',
  'a\\',
  '${evil}',
  'a ; evil',
]
/** Texts with special characters of at least one configuration language. */
export const hostileTexts = [
  ...textsForEveryAttribute,
  ...['a\nevil = 1', 'a\n[evil]\nx = y', 'a\r\nevil: 1', "'", 'a # evil', '\\', '$evil', '$${evil}', '%(evil)s', 'a%b'],
  ...['%', 'a b', ' a ', '{ evil }', '}', '{"evil"}', '`evil`', '$(evil)', 'a\tb', 'a\0b', '[evil]', 'a,b', '-evil'],
  ...['\u2028evil', '\u0085evil', 'a\x0bevil', 'a\x0cevil', 'a\'b"c', '<evil>', 'a=b', '~', '*', '{"', '"}'],
]
const specialCharacter = fc.constantFrom(...'ab;{}"\'\\#$%()[] \t\n\r=<>`,:|&~*'.split(''), '${', '%(', '\nevil')
export const generatedTexts = fc
  .oneof(fc.constantFrom(...hostileTexts), fc.string({ unit: specialCharacter, minLength: 1, maxLength: 8 }))
  .filter((text) => text.trim() !== '')

/** Values without special characters: each attribute accepts some of them. */
export const validTexts = [
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
export function withAttribute(json: Json, path: AttributePath, value: string): Json {
  const copy = structuredClone(json)
  let parent = copy
  for (const [index, key] of path.entries()) {
    const property = key === '*' ? (Object.keys(parent)[0] ?? 'x') : key === '#' ? '0' : key
    const isLast = index === path.length - 1
    if (isLast) parent[property] = value
    else parent[property] ??= path[index + 1] === '#' ? [] : {}
    if (!isLast) parent = parent[property] as Json
  }
  return copy
}

/** Returns the configuration files that a role writes, or the error that refuses its attributes. */
export async function configurationOrError(role: string, json: Json): Promise<Files | ConvergeError> {
  try {
    return await configurationOf(role, json)
  } catch (error) {
    if (error instanceof ConvergeError) return error
    throw error
  }
}

/**
 * Returns the directives of each file, without their values.
 * @param isEnvironment whether the attribute is an environment variable
 */
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
  /** The directives of each file without the attribute, and with each valid value. */
  readonly validSkeletons: readonly Map<string, string>[]
}

/** Returns the attribute with its valid files; null if it reaches no file in the situation. */
async function hostileAttributeOf(
  situation: Situation,
  base: Files,
  path: AttributePath,
): Promise<HostileAttribute | null> {
  const { role, json } = situation
  const isEnvironment = /(environment(_variables)?\.\*|^opsworks\.stack\.name)$/.test(path.join('.'))
  const validFiles: Files[] = []
  for (const text of validTexts) {
    const files = await configurationOrError(role, withAttribute(json, path, text))
    if (!(files instanceof ConvergeError) && JSON.stringify(files) !== JSON.stringify(base)) validFiles.push(files)
    // Most texts do not reach any file of a role.
    if (validFiles.length === 0 && text === '/zqxmark' && !(files instanceof ConvergeError)) return null
  }
  if (validFiles.length === 0) return null
  return {
    ...situation,
    path,
    isEnvironment,
    validSkeletons: [base, ...validFiles].map((files) => skeletonsOf(files, isEnvironment)),
  }
}

/**
 * Returns each attribute that reaches a file, once for each situation, except for those whose text is copied into a
 * configuration as it is and those that take several words.
 * @param hasWantedFiles decides by the paths of its files whether a situation is included
 */
export async function hostileAttributes(
  hasWantedFiles: (files: readonly string[]) => boolean = () => true,
): Promise<readonly HostileAttribute[]> {
  const attributes = textAttributes().filter(
    (path) => !copiedVerbatim.test(path.join('.')) && !takesSeveralWords.test(path.join('.')),
  )
  const found: HostileAttribute[] = []
  for (const situation of hostileSituations) {
    const base = await configurationOf(situation.role, situation.json)
    if (!hasWantedFiles(Object.keys(base))) continue
    for (const path of attributes) {
      if (path[0] === 'deploy' && !('deploy' in situation.json)) continue
      const attribute = await hostileAttributeOf(situation, base, path)
      if (attribute !== null) found.push(attribute)
    }
  }
  return found
}
