/** Compares how converge reads ssh_config with `ssh -G` for generated configurations. */
import { execFile } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { resolveTarget, type SshTarget } from '../../core/fleet/ssh/target.ts'
import { type HostSettings, readUserConfig } from '../../core/fleet/ssh/user_config.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { needs, scratch } from '../support/machine.ts'

/** More runs find more: 2000 take a minute. */
const runs = Number(process.env.SSH_CONFIG_RUNS ?? 200)
const can = needs(t, ['root', 'overlay', 'ssh'])
const timeout = 30_000 + 100 * runs
const test = (name: string, run: (t: Test) => Promise<void>) => t.test(name, { skip: !can, timeout }, run)
t.setTimeout(2 * timeout)
const execute = promisify(execFile)

/** Files below the home of the account; the first one read is `.ssh/config`. */
type Files = Readonly<Record<string, string>>

interface Reading {
  readonly hostname: string
  readonly port: string
  readonly user: string
  readonly identityFiles: readonly string[]
  readonly identitiesOnly: string
  readonly knownHosts: string
  readonly connectTimeout: string
  readonly hostKeyAlias: string
  /** `none` if neither is set. */
  readonly proxy: string
}

/**
 * Reads the configuration with ssh, with the files mounted over the home of the account.
 * @returns null if ssh rejects them
 */
async function bySsh(home: string, host: string): Promise<Reading | null> {
  const own = userInfo().homedir
  const script = 'mount --bind "$1" "$2" && mount --bind "$1/system" /etc/ssh/ssh_config && exec ssh -G -- "$3"'
  const args = ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', home, own, host]
  const { stdout, stderr } = await execute('unshare', args).catch(
    (error: { code: number; stdout: string; stderr: string }) =>
      error.code === 255 ? { stdout: '', stderr: error.stderr } : Promise.reject(error),
  )
  if (stdout === '') return /bad configuration options|percent_expand|line \d+/.test(stderr) ? null : fail(stderr)
  const lines = stdout.split('\n').map((line) => line.split(/ (.*)/s) as [string, string | undefined])
  const all = (keyword: string) => lines.flatMap(([name, value = '']) => (name === keyword ? [value] : []))
  const one = (keyword: string, otherwise = '') => all(keyword)[0] ?? otherwise
  const jump = one('proxyjump', 'none').replace(/^none$/i, 'none')
  const known = one('userknownhostsfile').replaceAll(`${own}/`, '~/')
  return {
    hostname: one('hostname'),
    port: one('port'),
    user: one('user'),
    // A key that the system's file names again is listed once.
    identityFiles: [...new Set(all('identityfile').filter((file) => !/^~\/\.ssh\/id_/.test(file)))],
    identitiesOnly: one('identitiesonly'),
    knownHosts: known,
    connectTimeout: one('connecttimeout') === '0' ? 'none' : one('connecttimeout'),
    hostKeyAlias: one('hostkeyalias', 'none'),
    proxy: jump === 'none' ? one('proxycommand', 'none') : jump,
  }
}

function fail(text: string): never {
  throw new Error(`ssh -G: ${text}`)
}

interface Own {
  readonly reading: Reading | null
  readonly warnings: readonly string[]
  readonly error: string | null
}

async function byConverge(home: string, host: string): Promise<Own> {
  let warnings: ReadonlySet<string> = new Set()
  try {
    const user = userInfo().username
    const config = await readUserConfig({ home, user, agent: null, systemFile: join(home, 'system') })
    warnings = config.warnings
    const settings = config.settings(host)
    // ProxyJump is compared as written: a command, or a host that jumps through itself, is an error.
    const target = resolveTarget({ name: host, address: host, jump: 'none' }, config)
    return { reading: readingOf(target, settings, home), warnings: [...warnings], error: null }
  } catch (thrown) {
    if (!(thrown instanceof ConvergeError)) throw thrown
    return { reading: null, warnings: [...warnings], error: thrown.message }
  }
}

function readingOf(target: SshTarget, settings: HostSettings, home: string): Reading {
  const raw = (keyword: string) => settings.get(keyword)?.map(({ values }) => values.join(' ')) ?? []
  const [jump, command] = [raw('proxyjump')[0], raw('proxycommand')[0]]
  const files = target.knownHosts.user.map((file) => file.replace(`${home}/`, '~/')).join(' ')
  return {
    hostname: target.address,
    port: String(target.port),
    user: target.user,
    identityFiles: raw('identityfile'),
    identitiesOnly: target.identitiesOnly ? 'yes' : 'no',
    knownHosts: raw('userknownhostsfile')[0] ?? files,
    connectTimeout: target.connectTimeout === null ? 'none' : String(target.connectTimeout),
    hostKeyAlias: raw('hostkeyalias')[0] === undefined ? 'none' : target.certifiedAs,
    proxy: (/^none$/i.test(jump ?? 'none') ? command : jump) ?? 'none',
  }
}

function lay(home: string, files: Files): void {
  rmSync(home, { recursive: true, force: true })
  for (const [name, text] of Object.entries({ '.ssh/config': '', system: '', ...files })) {
    mkdirSync(dirname(join(home, name)), { recursive: true, mode: 0o700 })
    writeFileSync(join(home, name), text, { mode: 0o600 })
  }
}

/**
 * Checks that both readings agree, or that converge warns about a setting that it does not support.
 * @param refusals whether converge must reject what ssh rejects: ssh also reads the values of sections for other hosts
 */
async function compare(home: string, files: Files, host: string, { refusals = false } = {}): Promise<Own> {
  lay(home, files)
  const [ssh, own] = await Promise.all([bySsh(home, host), byConverge(home, host)])
  const show = JSON.stringify({ files, host, ssh, own }, null, 1)
  if (own.warnings.length > 0) return own
  if (refusals && ssh === null && own.error === null) throw new Error(`ssh refuses what converge reads: ${show}`)
  if (ssh !== null && JSON.stringify(own.reading) !== JSON.stringify(ssh)) throw new Error(`they differ: ${show}`)
  return own
}

const hosts = ['web1', 'Web1', 'web2.example.org', 'db-1', '10.0.0.1']
const pattern = fc.constantFrom(
  'web1',
  'WEB1',
  'web*',
  'w?b1',
  '*',
  '!web1',
  '!web*',
  '*.example.org',
  'db-?',
  '10.0.0.*',
  '?',
  'web1,db-1',
  '[w]eb1',
)
const separator = fc.constantFrom(' ', '  ', '\t', '=', ' = ', ' =', '= ', '\t=\t')
const quoted = (text: string) =>
  fc.constantFrom(text, `"${text}"`, `${text} # comment`, `"${text}" `, `'${text}'`, `${text}\t`)

const setting = fc
  .oneof(
    {
      weight: 3,
      arbitrary: fc.tuple(
        fc.constant('Port'),
        fc.constantFrom('22', '2201', '65535', '022', '0', '65536', '-1', 'many', '2 2', '1e3'),
      ),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(
        fc.constantFrom('User', 'user', 'USER'),
        fc.constantFrom('deploy', 'root', 'Root', 'a b', 'x"y"z', 'a\\ b'),
      ),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(
        fc.constantFrom('HostName', 'hostname'),
        fc.constantFrom('%h.example.org', 'web2.example.org', '10.0.0.1', '100%%', '%h', '%n', 'db-1', '%'),
      ),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(
        fc.constant('ConnectTimeout'),
        fc.constantFrom('5', '5s', '1m', '2h30m', '1H', '1w2d', 'none', '0', '5x', '1.5', 's', '-1', '10 s'),
      ),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(
        fc.constant('IdentityFile'),
        fc.constantFrom('~/.ssh/a', '/keys/%h-%r', 'none', '~/b', '/keys/%u/%p/%d', '/k/%%/%n/%i/%L/%l', '~/.ssh/a'),
      ),
    },
    fc.tuple(fc.constant('IdentitiesOnly'), fc.constantFrom('yes', 'no', 'TRUE', 'false', 'Yes', 'maybe', '1')),
    fc.tuple(
      fc.constant('UserKnownHostsFile'),
      fc.constantFrom('/a /b', '~/x', 'none', '/dev/null', '"/with blank" /c', '/a /b # x'),
    ),
    fc.tuple(fc.constant('ProxyJump'), fc.constantFrom('gate', 'none', 'NONE', 'bob@gate:2022')),
    fc.tuple(fc.constant('ProxyCommand'), fc.constantFrom('none', 'nc x "y" # z')),
    fc.tuple(fc.constant('HostKeyAlias'), fc.constantFrom('cluster', 'Cluster')),
    fc.tuple(fc.constantFrom('ForwardAgent', 'SendEnv', 'LogLevel'), fc.constantFrom('yes')),
  )
  .filter(([keyword, value]) => !(keyword === 'LogLevel' && value === 'yes'))
  .chain(([keyword, value]) =>
    fc
      .tuple(separator, fc.oneof({ weight: 5, arbitrary: fc.constant(value) }, quoted(value)))
      .map(([between, text]) => `${keyword}${between}${text}`),
  )

const criterion = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('', '!'),
      fc.constantFrom('host', 'originalhost', 'Host'),
      fc.constantFrom('web1', 'WEB1', 'web*', '*.example.org', 'db-1,web1', '!web1,*'),
    )
    .map(([not, name, value]) => `${not}${name} ${value}`),
  fc
    .tuple(
      fc.constantFrom('', '!'),
      fc.constantFrom('user', 'localuser'),
      fc.constantFrom('root', 'deploy', 'ROOT', 'r*'),
    )
    .map(([not, name, value]) => `${not}${name} ${value}`),
  fc.constantFrom('final', '!final', 'canonical', 'host="web1"', 'originalhost=web1'),
)
const match = fc.oneof(
  { weight: 4, arbitrary: fc.array(criterion, { minLength: 1, maxLength: 3 }).map((all) => all.join(' ')) },
  fc.constantFrom(
    'all',
    'final all',
    'canonical all',
    'exec true',
    'host web1 exec true',
    'all host web1',
    'host',
    'ALL',
  ),
)
const include = fc.constantFrom(
  'conf.d/[0-9]*.conf',
  'conf.d/*',
  'conf.d/[!0-9]*',
  'conf.d/?0-a.conf',
  'conf.d/[[:digit:]]0-[a-b].conf',
  '~/.ssh/conf.d/10-a.conf',
  'conf.d/{10-a,x}.conf',
  'absent',
  'conf.d/10-a.conf conf.d/x.conf',
  '"conf.d/with blank"',
  'conf.d',
  'conf.d/.*',
)
const line = fc.oneof(
  { weight: 10, arbitrary: setting.map((text) => ` ${text}`) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom('Host', 'host', 'HOST'), separator, fc.array(pattern, { minLength: 1, maxLength: 3 }))
      .map(([keyword, between, all]) => `${keyword}${between}${all.join(' ')}`),
  },
  { weight: 3, arbitrary: match.map((text) => `Match ${text}`) },
  { weight: 3, arbitrary: include.map((text) => `Include ${text}`) },
  fc.constantFrom('', '# comment', '\t', 'Host "web1"', '\fPort 1'),
)
const text = (min: number, max: number) =>
  fc
    .tuple(fc.array(line, { minLength: min, maxLength: max }), fc.constantFrom('\n', '\n', '\r\n'))
    .map(([lines, end]) => lines.concat('').join(end))
const withoutInclude = text(0, 4).map((all) => all.replace(/^Include.*$/gm, ''))
const files = fc.record({
  '.ssh/config': text(1, 12),
  '.ssh/conf.d/10-a.conf': withoutInclude,
  '.ssh/conf.d/20-b.conf': withoutInclude,
  '.ssh/conf.d/x.conf': withoutInclude,
  '.ssh/conf.d/.hidden': withoutInclude,
  '.ssh/conf.d/with blank': withoutInclude,
  '.ssh/conf.d/deep/c': fc.constant('Port 9\n'),
  system: text(0, 3),
})

test('reads generated configurations as ssh -G does', async (t) => {
  const home = scratch(t)
  let read = 0
  const property = fc.asyncProperty(files, fc.constantFrom(...hosts), async (all, host) => {
    const own = await compare(join(home, 'home'), all, host)
    if (own.reading) read++
  })
  await fc.assert(property, { numRuns: runs })
  t.ok(read > runs / 10, `${read} of ${runs} configurations are valid`)
})

test('refuses a setting that ssh refuses', async (t) => {
  const home = join(scratch(t), 'home')
  // The hosts of ProxyJump are checked only when converge connects to them.
  const property = fc.asyncProperty(
    setting.filter((line) => !/^ProxyJump.*['"]/.test(line)),
    async (text) => {
      await compare(home, { '.ssh/config': `Host *\n ${text}\n` }, 'web1', { refusals: true })
    },
  )
  await fc.assert(property, { numRuns: runs })
  t.pass('both agree')
})
