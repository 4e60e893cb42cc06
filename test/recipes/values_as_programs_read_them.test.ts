/**
 * Tests hostile texts in attributes with the programs that read the files: php-fpm, Varnish and cron accept each file.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { ConvergeError } from '../../core/model/errors.ts'
import {
  type HostileAttribute,
  hostile,
  hostileAttributes,
  marks,
  outcome,
  put,
} from '../support/hostile_attributes.ts'
import { needs, scratch } from '../support/machine.ts'
import type { Files } from '../support/rendering.ts'

interface Program {
  readonly name: 'php-fpm' | 'varnishd' | 'crontab'
  readonly files: RegExp
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
    for (const [name, content] of Object.entries(files))
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
    for (const [, dump] of await this.ofEach({ role, json, path }, marks)) good.add(directives(dump))
    for (const [program, dump, text, what] of await this.ofEach({ role, json, path }, hostile)) {
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
      const files = await outcome(role, put(json, path, text))
      if (files instanceof ConvergeError) continue
      const what = `${role}: ${path.join('.')} = ${JSON.stringify(text)}`
      for (const [program, name, dump] of this.dumpsOf(files, what))
        all.push([program, dump, text, `${what} in ${name}`])
    }
    return all
  }
}

t.test('each program accepts the configuration that was written for it', { timeout: 300_000 }, async (t) => {
  const installed = programs.filter(({ name }) => needs(t, [name]))
  if (installed.length < programs.length) return
  const checker = new Checker(`${scratch(t)}/file`, installed)
  const found = await hostileAttributes((files) => installed.some((program) => program.files.test(files.join('\n'))))
  for (const attribute of found) await checker.attack(attribute)
  t.strictSame(checker.wrong, [])
  for (const { name } of installed) t.ok((checker.written[name] ?? 0) > 100, `${name}: ${checker.written[name]} values`)
})
