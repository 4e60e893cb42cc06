/**
 * Tests hostile texts in attributes with the programs that read the files: php-fpm, nginx, HAProxy, Varnish and cron
 * accept each file.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { ConvergeError } from '../../core/model/errors.ts'
import {
  configurationOrError,
  type HostileAttribute,
  hostileAttributes,
  hostileTexts,
  validTexts,
  withAttribute,
} from '../support/hostile_attributes.ts'
import { needs, scratch } from '../support/machine.ts'
import type { Files } from '../support/rendering.ts'

t.setTimeout(1_200_000)

interface Program {
  readonly name: 'php-fpm' | 'nginx' | 'haproxy' | 'varnishd' | 'crontab'
  readonly files: RegExp
  /** Whether it takes long for each file: only attributes that change the file are tried. */
  readonly isSlow?: boolean
  /** @returns the program's output about the file */
  readonly check: (file: string, content: string) => string
}

function outputOf(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 << 20 })
  if (status !== 0) throw new Error(`${command}: ${error?.message ?? (stderr || stdout).trim()}`)
  return stderr
}

const fpm = readdirSync('/usr/sbin').find((name) => name.startsWith('php-fpm')) ?? 'php-fpm'

/** Replaces accounts in the pool by existing ones, since this test does not depend on them. */
function withKnownAccounts(pool: string, log: string): string {
  return pool
    .replace(/^((?:listen\.)?(?:user|group|owner) = ).*$/gm, '$1www-data')
    .replace('[global]', `[global]\nerror_log = ${log}`)
}

const programs: readonly Program[] = [
  {
    name: 'php-fpm',
    files: /\/fpm\/pool\.d\//m,
    check: (file, content) => {
      const log = `${file}.log`
      writeFileSync(file, withKnownAccounts(content, log))
      return outputOf(fpm, ['-tt', '-y', file])
    },
  },
  {
    name: 'nginx',
    files: /^\/etc\/nginx\/(sites-available|conf\.d)\//m,
    isSlow: true,
    check: (file, content) => {
      const directory = dirname(file)
      const settings = [
        `pid ${file}.pid;`,
        `error_log ${file}.log;`,
        'events {}',
        'include /etc/nginx/modules-enabled/*.conf;',
      ]
      const certificate = content.replace(
        /(ssl_certificate(_key)?|ssl_dhparam) [^;]*;/g,
        `$1 ${directory}/certificate;`,
      )
      writeFileSync(file, `${settings.join('\n')}\nhttp {\n${certificate}\n}\n`)
      outputOf('nginx', ['-t', '-q', '-c', file])
      return ''
    },
  },
  {
    name: 'haproxy',
    files: /haproxy\.cfg$/m,
    isSlow: true,
    check: (file, content) => {
      // HAProxy looks names of hosts up as it starts.
      const servers = content.replace(/^(\s*server \S+ )[\w.-]*[A-Za-z_][\w.-]*:(\d+)/gm, '$1127.0.0.1:$2')
      writeFileSync(file, servers)
      outputOf('haproxy', ['-c', '-q', '-f', file])
      return ''
    },
  },
  {
    name: 'varnishd',
    files: /\.vcl$/m,
    check: (file, content) => {
      writeFileSync(file, content)
      return outputOf('varnishd', ['-C', '-f', file])
    },
  },
  {
    name: 'crontab',
    files: /^crontab\//m,
    check: (file, content) => {
      writeFileSync(file, content)
      return outputOf('crontab', ['-n', file])
    },
  },
]

/** Returns the directives of a pool as php-fpm has read them; two with the same name are kept apart. */
function directives(dump: string): string {
  return [...dump.matchAll(/NOTICE: \t(.*?) = /g)].map(([, name = '']) => name).join()
}

function shownValue(dump: string, key: string): string | undefined {
  const at = dump.indexOf(`NOTICE: \t${key} = `)
  if (at < 0) return undefined
  const from = at + `NOTICE: \t${key} = `.length
  return dump.slice(from, dump.indexOf('\n[', from))
}

/** How php-fpm prints these values. Settings of PHP are written as in php.ini, with the quotes of their author. */
const shownAs: Readonly<Record<string, string>> = {
  'deploy.*.environment_variables.*': 'env[x]',
  'deploy.*.environment.*': 'env[A]',
}

/** Joins the files of nginx, which refer to each other. */
function withOneNginxFile(files: Files): Files {
  const isNginx = (name: string) => programs.some((one) => one.name === 'nginx' && one.files.test(name))
  const [own, others] = [true, false].map((is) => Object.entries(files).filter(([name]) => isNginx(name) === is))
  const text = own?.map(([, content]) => content).join('\n') ?? ''
  return { ...Object.fromEntries(others ?? []), ...(text === '' ? {} : { '/etc/nginx/conf.d/all': text }) }
}

/** Returns the attributes of the roles that write a file of a program; of a slow program, those that change the file. */
async function attributesOf({ files, isSlow = false }: Program): Promise<readonly HostileAttribute[]> {
  const all = await hostileAttributes((names) => files.test(names.join('\n')))
  if (!isSlow) return all
  const found: HostileAttribute[] = []
  for (const attribute of all) {
    const contents = new Set<string>()
    for (const mark of validTexts) {
      const made = await configurationOrError(attribute.role, withAttribute(attribute.json, attribute.path, mark))
      if (made instanceof ConvergeError) continue
      const own = Object.entries(made).filter(([name]) => files.test(name))
      contents.add(own.map(([, content]) => content).join('\n'))
    }
    if (contents.size > 1) found.push(attribute)
  }
  return found
}

/** Runs each program once for each content. */
class Checker {
  readonly written: Record<string, number> = {}
  /** Contents that a program rejects or misreads. */
  readonly wrong: string[] = []
  private readonly dumps = new Map<string, string>()

  constructor(
    private readonly file: string,
    private readonly programs: readonly Program[],
  ) {}

  /** @returns the programs with their output about their file */
  *dumpsOf(files: Files, what: string): Generator<readonly [program: Program, name: string, dump: string]> {
    for (const [name, content] of Object.entries(withOneNginxFile(files)))
      for (const program of this.programs.filter((one) => one.files.test(name)))
        try {
          const dump = this.dumps.get(content) ?? program.check(this.file, content)
          this.dumps.set(content, dump)
          yield [program, name, dump]
        } catch (error) {
          this.wrong.push(`${what} in ${name}: ${(error as Error).message}`)
        }
  }

  async attack({ role, json, path }: HostileAttribute): Promise<void> {
    const key = shownAs[path.join('.')]
    const good = new Set<string>()
    for (const [, dump] of await this.ofEach({ role, json, path }, validTexts)) good.add(directives(dump))
    for (const [program, dump, text, what] of await this.ofEach({ role, json, path }, hostileTexts)) {
      this.written[program.name] = (this.written[program.name] ?? 0) + 1
      if (!good.has(directives(dump))) this.wrong.push(`${what}: other directives`)
      if (program.name !== 'php-fpm' || key === undefined) continue
      if (shownValue(dump, key) !== text) this.wrong.push(`${what}: ${shownValue(dump, key)}`)
    }
  }

  private async ofEach(
    { role, json, path }: Pick<HostileAttribute, 'role' | 'json' | 'path'>,
    texts: readonly string[],
  ): Promise<(readonly [program: Program, dump: string, text: string, what: string])[]> {
    const all: (readonly [Program, string, string, string])[] = []
    for (const text of texts) {
      const files = await configurationOrError(role, withAttribute(json, path, text))
      if (files instanceof ConvergeError) continue
      const what = `${role}: ${path.join('.')} = ${JSON.stringify(text)}`
      for (const [program, name, dump] of this.dumpsOf(files, what))
        all.push([program, dump, text, `${what} in ${name}`])
    }
    return all
  }
}

/** Makes a directory with a certificate, which nginx reads. */
function withCertificate(directory: string): string {
  const [key, certificate] = [`${directory}/key`, `${directory}/crt`]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=a']
  execFileSync('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  writeFileSync(`${directory}/certificate`, `${readFileSync(key)}${readFileSync(certificate)}`)
  return directory
}

for (const program of programs)
  t.test(`${program.name} accepts the configuration that was written for it`, { timeout: 1_200_000 }, async (t) => {
    if (!needs(t, [program.name, 'openssl'])) return
    const checker = new Checker(`${withCertificate(scratch(t))}/file`, [program])
    for (const attribute of await attributesOf(program)) await checker.attack(attribute)
    t.strictSame(checker.wrong, [])
    t.ok((checker.written[program.name] ?? 0) > 100, `${checker.written[program.name]} values`)
  })
