/** A host in memory for tests of recipes: files, accounts, packages, services and scripted commands. */
import { AssertionError } from 'node:assert'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import type { Account, CommandOptions, CommandResult, RequestOptions, Response } from '../../core/host/types.ts'
import { type Given, VirtualHost } from '../../core/host/virtual.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { installedPackages, isInstalled } from '../../resources/packages/dpkg.ts'
import { accountPrograms, type Program } from './account_programs.ts'
import { debianPrograms, giveDebian, type PackageContent, packagedPrograms } from './debian.ts'
import { mariadb } from './mariadb.ts'
import { aptGet, givePackage } from './packages.ts'
import { psql } from './postgresql.ts'
import { type GivenService, type ServiceState, Units } from './units.ts'

/** Answers a command of a test. */
export type CommandScript =
  | Partial<CommandResult>
  /** @param argv program and arguments @param host on which the command may change files with `host.given` */
  | ((argv: readonly string[], host: TestHost, options: CommandOptions) => Partial<CommandResult>)

/** An account of a test host. */
export interface GivenAccount {
  readonly name: string
  /** Default: the next number from 1000. */
  readonly uid?: number | undefined
  /** Default: `/home/NAME`. */
  readonly home?: string | undefined
  /** Default: `/bin/bash`. */
  readonly shell?: string | undefined
}

/** A file of a test host: its text, `null` for a directory, `{ link }` for a symbolic link, or a text with owner and mode. */
export type GivenFile =
  | string
  | null
  | { readonly link: string }
  | {
      /** `null` for a directory. */
      readonly content: string | null
      /** Four octal digits; default `0644`, for a directory `0755`. */
      readonly mode?: string | undefined
      /** Name of an account of the host; default: the account that runs converge. */
      readonly owner?: string | undefined
    }

/** The state of a host before a test. */
export interface TestHostOptions {
  /** Files by absolute path; parent directories are created. */
  readonly files?: Readonly<Record<string, GivenFile>> | undefined
  /** Accounts beside root, each with a group of its own name and a home directory. */
  readonly accounts?: readonly (string | GivenAccount)[] | undefined
  /** Groups with their members, by name. */
  readonly groups?: Readonly<Record<string, readonly string[]>> | undefined
  /** Installed packages: names, or versions by name. */
  readonly packages?: readonly string[] | Readonly<Record<string, string>> | undefined
  /**
   * Files and services that packages install. A package without an entry installs one stopped service of its name; cron,
   * sudo, nftables and tzdata also install the files that resource types require.
   */
  readonly packageContents?: Readonly<Record<string, PackageContent>> | undefined
  /** Services of systemd by name: their state, or state and whether they start with the host. */
  readonly services?: Readonly<Record<string, ServiceState | GivenService>> | undefined
  /**
   * Answers of commands, by program or by the beginning of the command line, such as `nginx` or `nginx -t`. The longest
   * match answers. `{}` is success without output.
   */
  readonly commands?: Readonly<Record<string, CommandScript>> | undefined
  /** Answers an HTTP request; null where nothing listens. Default: nothing listens on any port. */
  readonly requests?: ((request: RequestOptions, host: TestHost) => Response | null) | undefined
  /** Contents of downloads, by URL. */
  readonly downloads?: Readonly<Record<string, string | Buffer>> | undefined
  /** Account that runs converge; default root. Another name must be in `accounts`. */
  readonly user?: string | undefined
}

/** Expected attributes of a file. */
export interface ExpectedFile {
  /** The whole text, or a pattern that it matches. */
  readonly content?: string | RegExp | undefined
  /** Four octal digits. */
  readonly mode?: string | undefined
  /** Name of the account. */
  readonly owner?: string | undefined
  /** Name of the group. */
  readonly group?: string | undefined
}

/** Called before each change with its number from 1; throws to simulate a kill. */
export type BeforeChange = (count: number, what: string) => void

/**
 * A Debian host in memory. Nothing of it reaches the disk, and it starts no process.
 *
 * It imitates apt-get, useradd and the like, systemctl, sysctl, hostname, mount and nft. Other programs must be scripted in `commands`.
 *
 * @example
 * const host = new TestHost({
 *   files: { '/etc/motd': 'old\n' },
 *   accounts: ['deploy'],
 *   packages: ['nginx'],
 *   services: { nginx: 'running' },
 *   commands: { 'nginx -t': {} },
 * })
 */
export class TestHost extends VirtualHost {
  /** The commands of recipes that changed something, in order; imitated programs such as apt-get included. */
  readonly commands: (readonly string[])[] = []
  private readonly units: Units
  private run_ = 0

  /**
   * @param options state of the host
   * @param beforeChange called before each change; for tests that interrupt a run
   */
  constructor(options: TestHostOptions = {}, beforeChange?: BeforeChange) {
    const accounts = accountsOf(options)
    const { user = 'root', requests, downloads, commands = {} } = options
    const self = accounts.find(({ name }) => name === user)
    if (self === undefined && user !== 'root')
      throw new ConvergeError(`the test host has no account ${user}`, {
        code: 'NO_ACCOUNT',
        hint: `add it: new TestHost({ accounts: ['${user}'], user: '${user}' })`,
        usage: true,
      })
    const units = new Units()
    const programs = imitated(units, options.packageContents ?? {})
    super({
      self,
      downloads,
      beforeChange,
      requests: requests === undefined ? undefined : (request, host) => requests(request, host as TestHost),
      commands: (argv, given, host) => answer(argv, given, host as TestHost, commands, programs),
    })
    this.units = units
    giveDebian(this)
    this.giveAccounts(accounts, options.groups ?? {})
    for (const line of [...Object.keys(programs), ...Object.keys(commands)]) this.giveProgram(line.split(' ')[0] ?? '')
    const { packages = [] } = options
    const versions = Array.isArray(packages) ? packages.map((name: string) => [name, '1.0']) : Object.entries(packages)
    for (const [name = '', version = ''] of versions) givePackage(this, name, version)
    for (const [name, service] of Object.entries(options.services ?? {}))
      units.add(name, typeof service === 'string' ? { state: service } : service)
    for (const [path, content] of Object.entries(options.files ?? {})) this.giveFile(path, content)
  }

  private giveAccounts(accounts: readonly Account[], groups: Readonly<Record<string, readonly string[]>>): void {
    const lines = accounts.map(({ name, uid, gid, home, shell }) => `${name}:x:${uid}:${gid}::${home}:${shell}`)
    const groupsOfAccounts = accounts.map(({ name, gid }) => `${name}:x:${gid}:`)
    const further = Object.entries(groups).map(([name, members], at) => `${name}:x:${2000 + at}:${members.join(',')}`)
    this.given('/etc/passwd', ['root:x:0:0:root:/root:/bin/bash', ...lines, ''].join('\n'))
    this.given('/etc/group', ['root:x:0:', ...groupsOfAccounts, ...further, ''].join('\n'))
    for (const { name, home } of accounts) this.given(home, null, '0755', name)
  }

  private giveProgram(program: string): void {
    const path = program.startsWith('/') ? program : `/usr/bin/${program}`
    if (this.lstat(path) === null) this.given(path, '', '0755')
  }

  private giveFile(path: string, file: GivenFile): void {
    if (file === null || typeof file === 'string' || 'link' in file) this.given(path, file)
    else this.given(path, file.content, file.mode, file.owner)
  }

  /** Sets up a file before a run: its text, `null` for a directory, or `{ link }`. It does not count as a change. */
  override given(path: string, content: Given, mode?: string, owner?: string): this {
    return super.given(path, content, mode, owner)
  }

  /** Begins another run, which asks again for what the run before had read. */
  beginRun(): void {
    this.run_++
  }

  override cached<T>(key: string, ask: () => Promise<T>): Promise<T> {
    return super.cached(`${this.run_} ${key}`, ask)
  }

  override once<T>(key: string, ask: () => Promise<T>): Promise<T> {
    return super.once(`${this.run_} ${key}`, ask)
  }

  override run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    this.commands.push(argv)
    return super.run(argv, options)
  }

  /** Returns the state of a service of systemd; null for one that does not exist. */
  serviceState(name: string): GivenService | null {
    return this.units.stateOf(name, this)
  }

  /**
   * Asserts that a file exists with this content, mode and owner.
   * @param path absolute path; links are followed
   * @param expected the whole text, a pattern, or several attributes; default: any file
   * @throws AssertionError with the actual values
   * @example host.assertFile('/etc/motd', { content: /Welcome/, mode: '0644', owner: 'root' })
   */
  assertFile(path: string, expected: string | RegExp | ExpectedFile = {}): void {
    this.assertKind(path, 'file')
    const expectation = typeof expected === 'string' || expected instanceof RegExp ? { content: expected } : expected
    const text = this.readText(path) ?? ''
    if (expectation.content instanceof RegExp && !expectation.content.test(text))
      failAssertion(`${path} does not match ${expectation.content}`, text, expectation.content)
    if (typeof expectation.content === 'string' && expectation.content !== text)
      failAssertion(`${path} has another content`, text, expectation.content)
    this.assertOwnership(path, expectation)
  }

  /**
   * Asserts that a directory exists, with this mode and owner.
   * @param path absolute path; links are followed
   * @throws AssertionError with the actual values
   */
  assertDirectory(path: string, expected: Omit<ExpectedFile, 'content'> = {}): void {
    this.assertKind(path, 'directory')
    this.assertOwnership(path, expected)
  }

  /**
   * Asserts that a symbolic link exists.
   * @param target of the link as written; default: any
   * @throws AssertionError with the actual target
   */
  assertLink(path: string, target?: string): void {
    const actual = this.readLink(path)
    if (actual === null)
      failAssertion(`${path} is no link: ${this.lstat(path)?.kind ?? 'it does not exist'}`, null, target)
    if (target !== undefined && actual !== target) failAssertion(`${path} links to ${actual}`, actual, target)
  }

  /**
   * Asserts that nothing exists at a path: no file, directory or link.
   * @throws AssertionError with the actual entry
   */
  assertAbsent(path: string): void {
    const stat = this.lstat(path)
    if (stat !== null) failAssertion(`${path} exists: a ${stat.kind}`, stat.kind, null)
  }

  /**
   * Asserts the state of a service of systemd.
   * @param enabled whether it starts with the host; default: not checked
   * @throws AssertionError with the actual state
   * @example host.assertService('nginx', 'running', true)
   */
  assertService(name: string, state: ServiceState, enabled?: boolean): void {
    const actual = this.serviceState(name)
    if (actual === null) failAssertion(`there is no service ${name}`, null, state)
    if (actual.state !== state) failAssertion(`the service ${name} is ${actual.state}`, actual.state, state)
    if (enabled !== undefined && actual.enabled !== enabled)
      failAssertion(`the service ${name} is ${actual.enabled ? 'enabled' : 'not enabled'}`, actual.enabled, enabled)
  }

  /**
   * Asserts that a package is installed.
   * @param version default: any
   * @throws AssertionError with the installed version
   */
  async assertInstalled(name: string, version?: string): Promise<void> {
    const found = (await installedPackages(this)).get(name)
    if (found === undefined || !isInstalled(found))
      failAssertion(`the package ${name} is not installed`, null, version ?? name)
    if (version !== undefined && found.version !== version)
      failAssertion(`the package ${name} has the version ${found.version}`, found.version, version)
  }

  /**
   * Asserts that a recipe ran a command.
   * @param words beginning of the command: the program and its first arguments
   * @throws AssertionError with the commands that ran
   * @example host.assertRan(['nginx', '-t'])
   */
  assertRan(words: readonly string[]): void {
    if (this.commands.some((argv) => isDeepStrictEqual(argv.slice(0, words.length), words))) return
    const ran = this.commands.map((argv) => argv.join(' '))
    failAssertion(
      `no command began with: ${words.join(' ')}; ${ran.length} ran${ran.length > 0 ? `: ${ran.join('; ')}` : ''}`,
      ran,
      [words.join(' ')],
    )
  }

  private assertKind(path: string, kind: 'file' | 'directory'): void {
    const actual = this.stat(path)?.kind ?? 'absent'
    if (actual !== kind)
      failAssertion(`${path} is ${actual === 'absent' ? 'absent' : `a ${actual}`}, not a ${kind}`, actual, kind)
  }

  private assertOwnership(path: string, { mode, owner, group }: Omit<ExpectedFile, 'content'>): void {
    const stat = this.stat(path)
    if (stat === null) return
    const actual = {
      mode: stat.mode,
      owner: this.accountById(stat.uid)?.name ?? `${stat.uid}`,
      group: this.groupById(stat.gid)?.name ?? `${stat.gid}`,
    }
    const expected = { mode: mode ?? actual.mode, owner: owner ?? actual.owner, group: group ?? actual.group }
    for (const key of ['mode', 'owner', 'group'] as const)
      if (actual[key] !== expected[key]) failAssertion(`${path} has the ${key} ${actual[key]}`, actual, expected)
  }
}

/** The library, if it is bundled. */
const ownFile = fileURLToPath(import.meta.url)

function imitated(units: Units, contents: Readonly<Record<string, PackageContent>>): Readonly<Record<string, Program>> {
  const addServices = (names: readonly string[]) => {
    for (const name of names) if (!units.has(name)) units.add(name, { state: 'stopped', enabled: false })
  }
  return {
    ...accountPrograms,
    ...debianPrograms,
    'apt-get': (args, host) => aptGet(args, host, contents, addServices),
    systemctl: (args, host) => units.systemctl(args, host),
    'apt-cache': () => ({}),
    journalctl: () => ({}),
  }
}

function answer(
  argv: readonly string[],
  options: CommandOptions,
  host: TestHost,
  scripts: Readonly<Record<string, CommandScript>>,
  programs: Readonly<Record<string, Program>>,
): Partial<CommandResult> {
  const line = argv.join(' ')
  const script = Object.keys(scripts)
    .filter((start) => line === start || line.startsWith(`${start} `))
    .sort((one, other) => other.length - one.length)
    .map((start) => scripts[start])[0]
  if (script !== undefined) return typeof script === 'function' ? script(argv, host, options) : script
  const [program = '', ...args] = argv
  if (program === 'psql' && host.which(program) !== null)
    return psql(host, options.environment?.PGDATABASE ?? 'postgres', options.input ?? '')
  if (program === '/usr/bin/mariadb' && host.which('mariadb') !== null)
    return mariadb(argv, options, host) as Partial<CommandResult>
  const own = Object.hasOwn(programs, program) ? programs[program] : packagedProgram(program, host)
  if (own !== undefined) return own(args, host, options.input ?? '')
  throw new ConvergeError(`the test host has no program ${program}, which runs as: ${line}`, {
    code: 'NO_PROGRAM',
    hint: `script its answer: new TestHost({ commands: { '${program}': {} } })`,
  })
}

function packagedProgram(program: string, host: TestHost): Program | undefined {
  return Object.hasOwn(packagedPrograms, program) && host.which(program) !== null
    ? packagedPrograms[program]
    : undefined
}

function accountsOf({ accounts = [] }: TestHostOptions): Account[] {
  return accounts.map((nameOrAccount, at) => {
    const account: GivenAccount = typeof nameOrAccount === 'string' ? { name: nameOrAccount } : nameOrAccount
    const { name, uid = 1000 + at, home = `/home/${name}`, shell = '/bin/bash' } = account
    return { name, uid, gid: uid, home, shell }
  })
}

/** Throws an AssertionError, which test runners show with the difference of the values. Its stack begins at the test. */
export function failAssertion(message: string, actual: unknown, expected: unknown): never {
  const error = new AssertionError({ message, actual, expected, operator: 'converge' })
  const lines = error.stack?.split('\n').filter((line) => !line.includes(ownFile) && !line.includes('node:internal/'))
  throw Object.assign(error, { stack: lines?.join('\n') })
}
