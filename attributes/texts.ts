/** Defines schemas for attributes that are texts: lines, paths, names, and words of configuration files. */
import * as z from 'zod'
import { expectedDomain } from '../core/model/domain_name.ts'
import { expectedRevision } from '../core/model/git_source.ts'
import { noted, shared } from './schema_notes.ts'

const wholeNumber = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value)

/** Accepts whole numbers as text (`"revision": 20240501`); others arrive as written in the file, see `verbatim`. */
export const textOf = (value: unknown): unknown => (wholeNumber(value) ? String(value) : value)

const withoutEndSlash = (value: unknown): unknown =>
  typeof value === 'string' && value.length > 1 ? value.replace(/(?!^)\/+$/, '') : value

export const textNotes = { accepts: 'text', verbatim: true }

/** Text on one line, without control characters other than tabs; a number is the text that the file has. */
export const line = () =>
  shared('line', () =>
    noted(
      z.preprocess(
        textOf,
        z.string().regex(/^[^\0-\x08\n-\x1f\x7f-\x9f\u2028\u2029]*$/, { error: 'text on one line' }),
      ),
      textNotes,
    ),
  )

/** A port of TCP, as a part of a pattern. */
export const portPattern = '0*(?:[1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d\\d|655[0-2]\\d|6553[0-5])'

const wrongPort = `(?!${portPattern}(?:\\s|$))\\d+(?:\\s|$)`

const addresses = new RegExp(`^(?!(?:.*\\s)?\\S*:${wrongPort})[^\\0-\\x08\\n-\\x1f\\x7f-\\x9f\\u2028\\u2029]*$`)

const expectedAddresses = { error: 'text on one line with ports from 1 to 65535' }

/** Addresses such as `host:port` with spaces between them; only the ports are checked. */
export const addressesWithPorts = () =>
  shared('addressesWithPorts', () =>
    noted(z.preprocess(textOf, z.string().regex(addresses, expectedAddresses)), textNotes),
  )

/** The same; a list of them is accepted. */
export const addressListWithPorts = () =>
  shared('addressListWithPorts', () =>
    noted(
      z.preprocess(
        (value) => (Array.isArray(value) ? value.join(' ') : value),
        z.string().regex(addresses, expectedAddresses),
      ),
      { accepts: 'text or list', verbatim: true },
    ),
  )

/** Text of one kind. */
export const pattern = (regex: RegExp, expected: string) =>
  noted(z.preprocess(textOf, z.string().regex(regex, { error: expected })), textNotes)

const trimmed = (value: unknown): unknown => {
  const text = textOf(value)
  return typeof text === 'string' ? text.trim() : text
}

/** Text of one kind, without blanks at its ends. */
const notation = (key: string, regex: RegExp, expected: string) =>
  shared(key, () => noted(z.preprocess(trimmed, z.string().regex(regex, { error: expected })), textNotes))

/** A time as haproxy.cfg has it. */
export const haproxyTime = () =>
  notation('haproxyTime', /^\d+(us|ms|s|m|h|d)?$/, 'a time in HAProxy notation, such as 60s')

/** A whole number that a configuration file has as text. */
export const countText = () => notation('countText', /^\d+$/, 'a whole number')

/** One word of a configuration file: printable ASCII characters without blanks. */
export const printableWord = () => notation('printableWord', /^[!-~]+$/, 'one word without blanks')

/** Words of haproxy.cfg, without characters that start a comment, a quote or another directive. */
export const haproxyWords = () =>
  notation('haproxyWords', /^[\w()., -]+$/, 'words in HAProxy notation, such as leastconn')

/** A name in a list of buildout, in which `#` and `;` would begin a comment. */
export const buildoutName = () =>
  notation('buildoutName', /^(?![#;])[^\0-\x08\n-\x1f\x7f]*$/, 'a name on one line without # or ; at its start')

/** A size of a tmpfs. */
export const tmpfsSize = () => notation('tmpfsSize', /^\d+[kmg%]?$/i, 'a size such as 512M, 1G or 50%')

/** Addresses that a server listens on, with spaces between them. */
export const listenAddresses = () =>
  notation('listenAddresses', /^[\w.:*-]+([ ,]+[\w.:*-]+)*$/, 'IP addresses or host names with spaces between them')

/** Networks in CIDR notation, with spaces or commas between them. */
export const cidrNetworks = () =>
  notation('cidrNetworks', /^[\da-f.:]+\/\d{1,3}([ ,]+[\da-f.:]+\/\d{1,3})*$/, 'networks such as 10.0.0.0/16')

/** The address of a host, which stands in configuration files as it is; an empty one means none. */
export const hostAddress = () =>
  notation('hostAddress', /^(?!-)(?:[\w.-]*|[\da-f:.]*:[\da-f:.]*(?:%[\w.-]+)?)$/i, 'an IP address or a host name')

export const buildoutFile = () =>
  notation(
    'buildoutFile',
    /^(?![#;])[^\0-\x08\n-\x1f\x7f]+$/,
    'the name of a buildout file, on one line without # or ; at its start',
  )

/**
 * Text of one kind.
 * @param expected returns what is expected instead of a text; null for a valid one
 */
export const checkedText = (key: string, expected: (text: string) => string | null) =>
  shared(key, () =>
    noted(
      z.preprocess(
        textOf,
        z.string().superRefine((text, context) => {
          const message = expected(text)
          if (message !== null) context.addIssue({ code: 'custom', message })
        }),
      ),
      textNotes,
    ),
  )

/** A host name that a web server answers for; may have a wildcard or be a regular expression of nginx. */
export const domainName = () => checkedText('domainName', expectedDomain)

/** A revision of a git repository; an empty one means none. */
export const revision = () => checkedText('revision', (text) => (text === '' ? null : expectedRevision(text)))

/** A size as nginx writes it: it stands in its configuration as it is. */
export const nginxSize = () =>
  shared('nginxSize', () =>
    noted(
      z.preprocess(textOf, z.string().regex(/^\d+[kmg]?$/i, { error: 'a size of nginx: a number with k, m or g' })),
      {
        accepts: 'text',
      },
    ),
  )

/** The name of an account or a group; no configuration file needs to quote it. */
export const accountName = () =>
  shared('accountName', () =>
    noted(
      z.preprocess(
        textOf,
        z.string().regex(/^\w[\w.-]{0,30}[\w.$-]?$/, {
          error: 'the name of an account: letters, digits, dots, dashes and underscores, 32 at most',
        }),
      ),
      textNotes,
    ),
  )

/** Text of any number of lines; a number is the text that the file has. */
export const text = () =>
  shared('text', () =>
    noted(z.preprocess(textOf, z.string().regex(/^[^\0]*$/, { error: 'text without NUL characters' })), textNotes),
  )

/** File systems refuse a longer name in the middle of a run. */
const shortParts = /^(?!.*[^/]{256})/
const expectedShortParts = 'a path whose names have at most 255 characters'

const absolutePath = () =>
  z
    .string()
    .regex(/^\/[^\r\n\0]*$/, { error: 'an absolute path', abort: true })
    .regex(/^(?!.*\/\.{1,2}(\/|$))/, { error: "an absolute path without '.' or '..' parts" })
    .regex(shortParts, { error: expectedShortParts })

/** An absolute path; slashes at its end are dropped. */
export const path = () => shared('path', () => z.preprocess(withoutEndSlash, absolutePath()))

/**
 * An absolute path that stands in configuration files: supervisor, nginx, cron and others give these signs a meaning, and
 * Python makes no virtualenv below a `:`.
 */
export const configuredPath = () =>
  shared('configuredPath', () =>
    z.preprocess(
      withoutEndSlash,
      absolutePath().regex(/^[^\p{Cc}\p{Surrogate}"'\\$%`:;#*?[\]{}]*$/u, {
        error: 'a path without control characters and without " \' \\ $ % ` : ; # * ? [ ] { }',
      }),
    ),
  )

const systemDirectory = new RegExp(
  [
    '^/(bin|boot|dev|etc|home|lib[0-9a-z]*|opt|proc|root|run|sbin|srv|srv/www|sys|tmp|usr|var)?$',
    '^/(boot|dev|etc|proc|sys)/',
    '^/usr/(bin|include|lib[0-9a-z]*|local|sbin|share|src)$',
    '^/var/(backups|cache|lib|local|lock|log|mail|opt|run|spool|tmp|www)$',
  ].join('|'),
)

/** A directory that a run gives to the account of an app or a service: none that belongs to the system. */
export const ownDirectory = <S extends z.ZodType<string, unknown>>(schema: S) =>
  schema.refine((path) => !systemDirectory.test(path), { error: 'a directory of its own, not one of the system' })

/** A path below another directory, as it is written. */
export const pathBelow = () =>
  z
    .string()
    .regex(/^(?!\.?$)[^/\0-\x1f\x7f-\x9f\u2028\u2029-][^\0-\x1f\x7f-\x9f\u2028\u2029]*$/, {
      error: 'a relative path',
      abort: true,
    })
    .regex(/^(?!(.*\/)?\.\.(\/|$))/, { error: "a path without '..' parts" })
    .regex(shortParts, { error: expectedShortParts })

/** Drops empty and `.` parts: `./log//x/` is `log/x`. */
const withoutEmptyParts = (value: unknown): unknown => {
  if (typeof value !== 'string' || value.startsWith('/')) return value
  return value
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')
}

/** A path below another directory. */
export const relativePath = () => shared('relativePath', () => z.preprocess(withoutEmptyParts, pathBelow()))

const expectedReleasePath = 'a path in the release other than .git and .converge'
const releasePathPattern = /^(?!\.(git|converge)(\/|$))/

/** A path in a release, except the names that git and converge reserve there. */
export const releasePath = () =>
  shared('releasePath', () =>
    z.preprocess(withoutEmptyParts, pathBelow().regex(releasePathPattern, { error: expectedReleasePath })),
  )

const servedPath = 'a path without $, which begins a variable of nginx'

/** A directory of a release that nginx serves. */
export const servedDirectory = () =>
  shared('servedDirectory', () => z.preprocess(withoutEmptyParts, pathBelow().regex(/^[^$]*$/, { error: servedPath })))

/** The same as the platform writes it. */
export const platformServedDirectory = () =>
  shared('platformServedDirectory', () =>
    platformPath().refine((path) => path?.includes('$') !== true, { error: servedPath }),
  )

/** The name of a host in a request. */
export const hostHeader = () =>
  checkedText('hostHeader', (text) => (/^[^$\0-\x1f\x7f-\x9f\u2028\u2029]*$/.test(text) ? null : 'a host name'))

/** A path below another directory as the platform writes it: slashes at its ends are dropped, and null, '' and / mean none. */
export const platformPath = () =>
  shared('platformPath', () =>
    z.preprocess((value) => {
      const path = typeof value === 'string' ? value.replace(/^\/+|\/+$/g, '') : value
      return path === '' || path === '.' ? undefined : path
    }, relativePath().optional()),
  )

/** Refuses two spellings of one path as keys of a map: one would replace the other. */
const refuseEqualPaths = (value: unknown, context: z.RefinementCtx): unknown => {
  const keys = new Map<unknown, string>()
  for (const key of Object.keys(value instanceof Object ? value : {})) {
    const other = keys.get(withoutEmptyParts(key))
    if (other !== undefined)
      context.addIssue({ code: 'custom', path: [key], message: `another path than ${JSON.stringify(other)}` })
    keys.set(withoutEmptyParts(key), key)
  }
  return value
}

/** Links of a release: directory below `shared` to its name in the release. */
export const links = () => shared('links', () => z.preprocess(refuseEqualPaths, z.record(releasePath(), releasePath())))

/** A SHA-256 digest as 64 hexadecimal digits. */
export const sha256 = () =>
  shared('sha256', () => z.string().regex(/^[0-9a-fA-F]{64}$/, { error: 'a SHA-256 digest of 64 hexadecimal digits' }))

/** A commit by its whole name. */
export const commit = () =>
  shared('commit', () =>
    z.string().regex(/^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$/, { error: 'a commit in full: 40 hexadecimal digits' }),
  )
