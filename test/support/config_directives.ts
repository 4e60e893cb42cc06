/**
 * Reduces a configuration file to its directives without values: files with equal skeletons have the same directives.
 * Parses each file in the same way as its program.
 */

/** The lines of a skeleton. */
type Skeleton = readonly string[]

interface Language {
  readonly name: string
  readonly path: RegExp
  readonly read: (text: string) => Skeleton
}

/** Returns words, `;` and braces; a quoted word is one word. */
function nginx(text: string): Skeleton {
  const found: string[] = []
  let depth = 0
  let words: string[] = []
  const word =
    /"(?:\\[\s\S]|[^"\\])*"|'(?:\\[\s\S]|[^'\\])*'|#[^\n]*|[{};]|(?:\\[\s\S]|[^\s;{}\\])(?:\\[\s\S]|\$\{[^}]*\}|[^\s;{}\\])*|[\s\S]/g
  for (const [token] of text.matchAll(word)) {
    if (/^\s$/.test(token) || token.startsWith('#')) continue
    if (token === ';' || token === '{') {
      found.push(`${depth} ${words[0] ?? ''} ${words.length}${token}`)
      words = []
    }
    if (token === '{') depth++
    else if (token === '}') found.push(`${--depth} }`)
    else if (token !== ';') words.push(token)
  }
  if (words.length > 0 || depth !== 0) found.push(`open: ${words.length} words, depth ${depth}`)
  return found
}

/** Returns the words of each line, with quotes and backslashes parsed as haproxy does. */
function haproxy(text: string): Skeleton {
  return text.split('\n').flatMap((line) => {
    const words = [...line.matchAll(/#.*|(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s#\\"'])+|["']/g)].map(([word]) => word)
    const own = words.filter((word) => !word.startsWith('#'))
    return own.length === 0 ? [] : [`${own[0]} ${own.length}${own.includes('"') || own.includes("'") ? ' open' : ''}`]
  })
}

/** Returns all tokens except texts, numbers and comments. */
function vcl(text: string): Skeleton {
  const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|#[^\n]*|"""[\s\S]*?"""|\{"[\s\S]*?"\}|"[^"\n]*"|[\w.-]+|\S/g
  return [...text.matchAll(token)].flatMap(([word]) => {
    if (/^(\/\*|\/\/|#)/.test(word)) return []
    if (/^("|\{")/.test(word)) return [word === '"' ? 'open' : 'text']
    return [/^[\d.]+\w*$/.test(word) ? 'number' : word]
  })
}

/** Returns sections and keys; lines for which `more` is true belong to the value before them. */
function ini(text: string, isMore: (line: string) => boolean): Skeleton {
  return text.split('\n').flatMap((line) => {
    if (/^\s*([;#]|$)/.test(line)) return []
    if (isMore(line)) return ['more']
    if (/^\[/.test(line)) return [line]
    return [/^([^=]*?)\s*\+?=/.exec(line)?.[1] ?? `? ${line}`]
  })
}

function phpFpm(text: string): Skeleton {
  return text.split('\n').flatMap((line) => {
    const [key] = ini(line, () => false)
    if (key === undefined) return []
    const value = line.slice(line.indexOf('=') + 1).trim()
    const outside = value.replace(/"(?:\\.|[^"\\])*"|'[^']*'/g, '')
    const opens = /\$\{/.test(value.replace(/'[^']*'/g, '')) ? ' expands' : ''
    return [`${key}${/[";]/.test(outside) ? ' open' : ''}${opens}`]
  })
}

/** Returns the kinds of lines; an unescaped percent sign ends the command, and the rest is its standard input. */
function cron(text: string): Skeleton {
  return text.split('\n').flatMap((line) => {
    if (/^\s*(#|$)/.test(line)) return []
    if (/^\s*\w+\s*=/.test(line)) return [line.split('=')[0]?.trim() ?? '']
    return [/(^|[^\\])%/.test(line) ? 'job with input' : 'job']
  })
}

function systemd(text: string): Skeleton {
  const lines = text.split('\n')
  return lines.flatMap((line, at) => {
    const isMore = at > 0 && /\\$/.test(lines[at - 1] ?? '')
    return ini(line, () => isMore)
  })
}

/** Continuation lines of a value are indented; they include directives of zope.conf. */
const buildout = (text: string) => ini(text, (line) => /^\s/.test(line))

const supervisor = (text: string) => {
  // The number of lines in a value depends on the attributes only.
  const lines = ini(text, (line) => /^\s/.test(line)).filter((line) => line !== 'more')
  const cut = text.split('\n').some((line) => /^\w+=.*\s;/.test(line))
  return cut ? [...lines, 'a comment within a value'] : lines
}

/** Returns the words of each line; the start script of Debian's package lets a shell expand them. */
function memcached(text: string): Skeleton {
  return text.split('\n').map((line) => `${line.split(/\s+/).length}${/[`$;&|<>()]/.test(line) ? ' expands' : ''}`)
}

function redis(text: string): Skeleton {
  const word = /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\S+/g
  return text.split('\n').map((line) => {
    const words = line.match(word) ?? []
    return line.startsWith('#') ? 'comment' : `${words[0] ?? ''} ${words.length}`
  })
}

/** Returns all tokens outside of texts and comments. */
function rsyslog(text: string): Skeleton {
  const token = /"(?:\\.|[^"\\])*"|#[^\n]*|[\w.-]+|\S/g
  return [...text.matchAll(token)].flatMap(([word]) => {
    if (word.startsWith('#')) return []
    return [word.startsWith('"') ? (word === '"' ? 'open' : 'text') : word]
  })
}

const linesOf = (text: string): Skeleton => text.split('\n').map((_, at) => String(at))

const languages: readonly Language[] = [
  { name: 'nginx', path: /\/nginx\//, read: nginx },
  { name: 'haproxy', path: /haproxy\.cfg$/, read: haproxy },
  { name: 'vcl', path: /\.vcl$/, read: vcl },
  { name: 'php-fpm', path: /\/fpm\/|php-fpm.*\.conf$|pool.*\.conf$/, read: phpFpm },
  { name: 'supervisor', path: /supervisor.*\.conf$/, read: supervisor },
  { name: 'cron', path: /\/cron\.d\//, read: cron },
  { name: 'systemd', path: /\/systemd\//, read: systemd },
  { name: 'logrotate', path: /\/logrotate\.d\//, read: nginx },
  { name: 'buildout', path: /\.cfg$/, read: buildout },
  { name: 'newrelic.ini', path: /\.ini$/, read: (text) => ini(text, () => false) },
  { name: 'memcached', path: /\/memcached\.conf$/, read: memcached },
  { name: 'redis', path: /\/redis\.conf$/, read: redis },
  { name: 'rsyslog', path: /\/rsyslog\.d\//, read: rsyslog },
  { name: 'lines', path: /./, read: linesOf },
]

export function languageOf(path: string): Language {
  const found = languages.find((one) => one.path.test(path))
  if (found === undefined) throw new Error(`no language for ${path}`)
  return found
}
