/** Manages the locales that the host has, and the default locale of its sessions and services. */
import * as z from 'zod'
import { resolvedPath } from '../../core/host/resolved_path.ts'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { minutes } from '../../core/model/units.ts'
import { requireRoot } from '../accounts/account_files.ts'
import { readLines } from '../files/text_lines.ts'

const listFile = '/etc/locale.gen'
const defaultsFile = '/etc/default/locale'
/** The locales that the package `locales` can generate, with their character sets. */
const supportedFile = '/usr/share/i18n/SUPPORTED'

const localeName = z.string().regex(/^[A-Za-z][\w-]*(\.[\w-]+)?(@\w+)?$/, { error: 'a locale, such as de_CH.UTF-8' })

const props = z
  .strictObject({
    lang: localeName.optional().describe('Default locale (LANG) of sessions and services; default: unchanged'),
    variables: z
      .record(
        z.string().regex(/^LC_(?!ALL$)[A-Z]+$/, { error: 'a variable such as LC_TIME, but not LC_ALL' }),
        localeName,
      )
      .default({})
      .describe('Default locales of single categories, such as { LC_TIME: "C.UTF-8" }; others stay unchanged'),
    generate: z
      .array(localeName)
      .default([])
      .describe('Further locales to generate, besides `lang` and those in `variables`'),
  })
  .refine((props) => namesOf(props).length > 0, { error: 'lang, variables or generate is required', path: ['lang'] })
type Props = z.output<typeof props>

const examples: z.input<typeof props>[] = [
  { lang: 'de_CH.UTF-8', generate: ['en_US.UTF-8', 'fr_CH.UTF-8'] },
  { lang: 'en_US.UTF-8', variables: { LC_TIME: 'C.UTF-8' } },
]

const state = z.strictObject({
  /** By locale. `missing`: it is not generated, or its line in /etc/locale.gen is missing. */
  locales: z.record(z.string(), z.enum(['present', 'missing', 'unknown', 'no list'])),
  /** The declared variables in /etc/default/locale; null where one is not set. */
  variables: z.record(z.string(), z.string().nullable()),
})
type State = z.output<typeof state>

interface Locales {
  readonly lang?: string | undefined
  readonly variables: Readonly<Record<string, string>>
  readonly generate: readonly string[]
}

function namesOf({ lang, variables, generate }: Locales): string[] {
  return [...new Set([...(lang === undefined ? [] : [lang]), ...Object.values(variables), ...generate])]
}

function declaredVariables({ lang, variables }: Props): Record<string, string> {
  return lang === undefined ? variables : { LANG: lang, ...variables }
}

/** Returns a name as `locale -a` prints it: the C library ignores case and signs of the character set. */
function normalized(name: string): string {
  const [, language = '', charset = '', modifier = ''] = /^([^.@]*)(?:\.([^@]*))?(@.*)?$/.exec(name) ?? []
  return `${language}${charset === '' ? '' : `.${charset.toLowerCase().replace(/[^a-z0-9]/g, '')}`}${modifier}`
}

/** These need no line in /etc/locale.gen: the C library and its Debian package contain them. */
const isBuiltIn = (name: string) => ['C', 'POSIX', 'C.utf8'].includes(normalized(name))

/** Returns the line of /etc/locale.gen for each locale that the host can generate. */
function supportedLines(host: HostReader): ReadonlyMap<string, string> {
  const lines = (host.readText(supportedFile) ?? '').split('\n').map((line) => line.trim())
  return new Map(lines.map((line) => [normalized(line.split(/\s+/)[0] ?? ''), line]))
}

const isLineOf = (line: string, name: string) =>
  !line.startsWith('#') && normalized(line.trim().split(/\s+/)[0] ?? '') === normalized(name)

async function availableLocales(host: HostReader): Promise<ReadonlySet<string>> {
  const { stdout } = await host.cached('locale -a', () => host.query(['locale', '-a']))
  return new Set(stdout.split('\n').map(normalized))
}

const assignment = /^\s*(?:export\s+)?(\w+)=(.*)$/

/** Returns the values of a file with assignments of the shell; of several the last one counts. */
function assignments(lines: readonly string[]): ReadonlyMap<string, string> {
  const pairs = lines.flatMap((line): [string, string][] => {
    const [, name, value = ''] = assignment.exec(line) ?? []
    return name === undefined ? [] : [[name, value.trim().replace(/^(["'])(.*)\1$/, '$2')]]
  })
  return new Map(pairs)
}

/** Adds the missing lines. A commented line keeps its position. */
function writeList(host: Host, missing: readonly string[]): void {
  const { lines } = readLines(host, listFile)
  const supported = supportedLines(host)
  const changed = [...lines]
  for (const name of missing) {
    if (changed.some((line) => isLineOf(line, name))) continue
    const target = supported.get(normalized(name)) ?? ''
    const comment = changed.findIndex((line) => line.replace(/^#\s*/, '').trim() === target)
    changed.splice(comment < 0 ? changed.length : comment, comment < 0 ? 0 : 1, target)
  }
  if (changed.join('\n') !== lines.join('\n'))
    host.writeFile(listFile, changed.map((line) => `${line}\n`).join(''), { mode: '0644' })
}

function writeDefaults(host: Host, props: Props): void {
  const path = resolvedPath(host, defaultsFile)
  const { lines } = readLines(host, path)
  const target = declaredVariables(props)
  const others = lines.filter((line) => !((assignment.exec(line)?.[1] ?? '') in target))
  const assignments = Object.entries(target).map(([name, value]) => `${name}=${value}`)
  host.writeFile(path, [...others, ...assignments].map((line) => `${line}\n`).join(''), { mode: '0644' })
}

const hasVariables = ({ variables }: State, desired: State) =>
  Object.entries(desired.variables).every(([name, value]) => variables[name] === value)

const missingLocales = ({ locales }: State) =>
  Object.entries(locales).flatMap(([name, found]) => (found === 'present' ? [] : [name]))

export const locale = defineResource(
  {
    type: 'locale',
    doc: 'Generates locales with locale-gen, and keeps the default locale in /etc/default/locale. Programs that run already keep the earlier one until they restart.',
    mirrors: "Chef's locale resource, Ansible's locale_gen, pyinfra's server.locale; locale-gen(8), update-locale(8)",
    examples,
    reach: 'system',
    key: (props) => (Object.keys(declaredVariables(props)).length > 0 ? defaultsFile : namesOf(props).join(' ')),
    props,
    state,
    readsAhead: true,
  },
  {
    async read(host, props): Promise<State> {
      const names = namesOf(props)
      const listed = readLines(host, listFile).lines
      const supported = supportedLines(host)
      const available = names.every(isBuiltIn) ? new Set<string>() : await availableLocales(host)
      const stateOf = (name: string) => {
        if (isBuiltIn(name)) return 'present'
        if (listed.some((line) => isLineOf(line, name)) && available.has(normalized(name))) return 'present'
        if (host.stat(supportedFile) === null) return 'no list'
        return supported.has(normalized(name)) ? 'missing' : 'unknown'
      }
      const set = assignments(readLines(host, resolvedPath(host, defaultsFile)).lines)
      return {
        locales: Object.fromEntries(names.map((name) => [name, stateOf(name)])),
        variables: Object.fromEntries(
          Object.keys(declaredVariables(props)).map((name) => [name, set.get(name) ?? null]),
        ),
      }
    },
    desired(props, now): State {
      for (const [name, found] of Object.entries(now.locales)) {
        if (found === 'no list')
          throw new ConvergeError(`cannot generate the locale ${name}: the package locales is not installed`, {
            code: 'NO_PROGRAM',
            hint: "declare it before this: packages(r, { names: ['locales'] })",
          })
        if (found === 'unknown')
          throw new ConvergeError(`unknown locale ${name}`, {
            code: 'UNKNOWN_LOCALE',
            hint: `correct its name: ${supportedFile} lists the locales of this host`,
          })
      }
      return {
        locales: Object.fromEntries(Object.keys(now.locales).map((name) => [name, 'present' as const])),
        variables: declaredVariables(props),
      }
    },
    async apply(host, props, { now, desired }, context) {
      const missing = missingLocales(now)
      requireRoot(host, [['locale-gen']])
      if (missing.length > 0) {
        writeList(host, missing)
        context.progress(`generating ${missing.join(', ')}`)
        // Without this option it removes the other locales first, and generates them again.
        await host.run(['locale-gen', '--keep-existing'], { timeout: minutes(30) })
      }
      if (!hasVariables(now, desired)) writeDefaults(host, props)
    },
    predict(host, props, { now, desired }) {
      requireRoot(host, [['locale-gen']])
      writeList(host, missingLocales(now))
      if (!hasVariables(now, desired)) writeDefaults(host, props)
    },
    paths: (props) => [listFile, ...(Object.keys(declaredVariables(props)).length > 0 ? [defaultsFile] : [])],
  },
)
