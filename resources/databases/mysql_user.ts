/** Manages one user of MariaDB: its password and privileges; or its absence. */
import { createHash } from 'node:crypto'
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { mysqlDatabasePattern, mysqlName, mysqlText } from '../../core/text/mysql.ts'
import { mysqlNameProp, mysqlServerProps, mysqlServerSuffix, queryLines, runStatements } from './mysql_server.ts'

const privilege = z
  .string()
  .regex(/^(?!USAGE$)[A-Z]+( [A-Z]+)*$/, { error: 'a privilege in upper case, such as SELECT or ALL' })
const target = z
  .string()
  .regex(/^(\*\.\*|[^.*`\p{Cc}]+\.(\*|[^.*`\p{Cc}]+))$/u, { error: 'DATABASE.*, DATABASE.TABLE or *.*' })

const props = z
  .strictObject({
    name: mysqlNameProp.describe('Name of the user'),
    host: z
      .string()
      .max(255)
      .regex(/^[\w.:%/-]+$/, { error: 'a host name, an address or a pattern such as 10.0.0.%' })
      .default('localhost')
      .describe('Host that the user logs in from; default localhost, by the socket or by 127.0.0.1'),
    password: z
      .string()
      .min(1)
      .optional()
      .meta({ sensitive: true })
      .describe('Its password; never shown; default: unchanged; a new user without one cannot log in'),
    unixSocket: z
      .boolean()
      .optional()
      .describe('Log in by the socket, as the account of the same name, without a password; default false'),
    grants: z
      .record(target, z.array(privilege).min(1))
      .optional()
      .describe(
        'Privileges by DATABASE.*, DATABASE.TABLE or *.*; others on databases and tables are removed; default: unchanged',
      ),
    absent: z.boolean().optional().describe('Remove the user instead; default false'),
    ...mysqlServerProps,
  })
  .refine(({ password, unixSocket }) => password === undefined || !unixSocket, {
    error: 'give password or unixSocket, not both',
    path: ['unixSocket'],
  })
  .refine(({ absent, name, host }) => !absent || host !== 'localhost' || !['root', 'mariadb.sys'].includes(name), {
    error: 'a user that MariaDB does not need for itself',
    path: ['name'],
  })
type Props = z.output<typeof props>

const state = z.strictObject({
  exists: z.boolean(),
  /** How the user logs in; null if it is not declared. */
  login: z.string().nullable(),
  /** Privileges by target; null if they are not declared. */
  grants: z.record(z.string(), z.array(z.string())).nullable(),
})
type State = z.output<typeof state>

const absentState: State = { exists: false, login: null, grants: null }
const declaredPassword = 'password as declared'
const bySocket = 'unix_socket'
const nativePassword = 'mysql_native_password'

/** mysql.global_priv: how a user logs in. */
const authentication = z.object({
  plugin: z.string().optional(),
  authentication_string: z.string().optional(),
  auth_or: z.array(z.unknown()).optional(),
})

export const mysql_user = defineResource(
  {
    type: 'mysql_user',
    doc: 'Keeps a user of a MariaDB server on this host with the declared password and privileges; or removes it.',
    mirrors: "Ansible's mysql_user, pyinfra's mysql.user and mysql.privileges; CREATE USER, GRANT",
    examples: [
      { name: 'shop', password: 's3cret', grants: { 'shop.*': ['ALL'] } },
      { name: 'backup', unixSocket: true, grants: { '*.*': ['SELECT', 'LOCK TABLES', 'SHOW VIEW'] } },
      { name: 'former', host: '%', absent: true },
    ],
    reach: 'system',
    key: (props) => `${props.name}@${props.host}${mysqlServerSuffix(props)}`,
    props,
    state,
    readsAhead: true,
  },
  {
    async read(host, props, context): Promise<State> {
      if (props.password !== undefined) context.secret(props.password)
      const { name } = props
      const condition = `BINARY User = ${mysqlText(name)} AND Host = ${mysqlText(props.host)}`
      const [line] = await queryLines(
        host,
        props,
        `SELECT JSON_COMPACT(Priv) FROM mysql.global_priv WHERE ${condition};\n`,
      )
      if (line === undefined) return absentState
      const isLoginDeclared = props.password !== undefined || props.unixSocket
      return {
        exists: true,
        login: isLoginDeclared ? loginOf(props, authentication.parse(JSON.parse(line)), context) : null,
        grants: props.grants === undefined ? null : await readGrants(host, props, context),
      }
    },
    desired(props): State {
      if (props.absent) return absentState
      const { password, unixSocket, grants } = props
      return {
        exists: true,
        login: password !== undefined ? declaredPassword : unixSocket ? bySocket : null,
        grants: grants === undefined ? null : declaredGrants(grants),
      }
    },
    async apply(host, props, { now, desired }, context) {
      const user = userOf(props)
      if (props.absent) return runStatements(host, props, [`DROP USER ${user}`])
      const changesLogin = now.exists && now.login !== desired.login
      await runStatements(host, props, [
        ...(now.exists ? [] : [`CREATE USER ${user} ${identifiedBy(props, context)}`]),
        ...(changesLogin ? [`ALTER USER ${user} ${identifiedBy(props, context)}`] : []),
        ...grantChanges(user, now.grants ?? {}, desired.grants ?? {}),
      ])
    },
    predict: () => undefined,
  },
)

const userOf = ({ name, host }: Props) => `${mysqlText(name)}@${mysqlText(host)}`

/** The hash that the server stores. With it, neither the log of the server nor its replicas get the password. */
function hashOf(password: string): string {
  const sha1 = (data: string | Buffer) => createHash('sha1').update(data).digest()
  return `*${sha1(sha1(password)).toString('hex').toUpperCase()}`
}

function identifiedBy({ password, unixSocket }: Props, context: Context): string {
  if (unixSocket) return `IDENTIFIED VIA ${bySocket}`
  const hash = password === undefined ? 'invalid' : hashOf(password)
  if (password !== undefined) context.secret(hash)
  return `IDENTIFIED VIA ${nativePassword} USING ${mysqlText(hash)}`
}

function loginOf({ password }: Props, found: z.output<typeof authentication>, context: Context): string {
  const { plugin = nativePassword, authentication_string: stored = '', auth_or: several } = found
  if (stored.startsWith('*')) context.secret(stored)
  if (several !== undefined) return 'several ways'
  if (plugin !== nativePassword) return plugin
  if (stored === '') return 'no password'
  return password !== undefined && stored === hashOf(password) ? declaredPassword : 'another password'
}

/** Names that the server prints in another way. */
const printedNames: Readonly<Record<string, string>> = {
  ALL: 'ALL PRIVILEGES',
  'REPLICATION CLIENT': 'BINLOG MONITOR',
  'SHOW MASTER STATUS': 'BINLOG MONITOR',
  'REPLICATION REPLICA': 'REPLICATION SLAVE',
  'REPLICA MONITOR': 'SLAVE MONITOR',
  'DELETE VERSIONING ROWS': 'DELETE HISTORY',
}

const sorted = (names: readonly string[]) => [...new Set(names)].sort()

function declaredGrants(grants: NonNullable<Props['grants']>): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(grants).map(([target, names]) => [target, sorted(names.map((name) => printedNames[name] ?? name))]),
  )
}

const patternPrefix = 'pattern '
const quotedName = '`(?:[^`]|``)*`'
const grantLine = new RegExp(`^GRANT (.+?) ON (\\*|${quotedName})\\.(\\*|${quotedName}) TO .*?( WITH GRANT OPTION)?$`)

/** Reads the privileges on databases and tables. Those on procedures, and roles, are not this resource's. */
async function readGrants(host: HostReader, props: Props, context: Context): Promise<Record<string, string[]>> {
  const lines = await queryLines(host, props, `SHOW GRANTS FOR ${userOf(props)};\n`)
  const grants: Record<string, string[]> = {}
  for (const line of lines) {
    for (const [hash] of line.matchAll(/\*[0-9A-F]{40}/g)) context.secret(hash)
    const [, privileges = '', database = '', table = '', option] = grantLine.exec(line) ?? []
    if (database === '') continue
    const names = privileges.split(/, (?![^(]*\))/).filter((name) => name !== 'USAGE')
    if (option !== undefined) names.push('GRANT OPTION')
    if (names.length > 0) grants[targetOf(unquoted(database), unquoted(table))] = sorted(names)
  }
  return grants
}

const unquoted = (name: string) => (name === '*' ? name : name.slice(1, -1).replaceAll('``', '`'))

/** The name of a database in a grant for all its tables is a pattern, in which a backslash escapes wildcards. */
function targetOf(database: string, table: string): string {
  if (table !== '*' || database === '*') return `${database}.${table}`
  const isPattern = /(^|[^\\])[_%]/.test(database)
  return isPattern ? `${patternPrefix}${database}.*` : `${database.replace(/\\([_%])/g, '$1')}.*`
}

function quotedTarget(target: string): string {
  if (target.startsWith(patternPrefix)) return `${mysqlName(target.slice(patternPrefix.length, -2))}.*`
  const dot = target.indexOf('.')
  const [database, table] = [target.slice(0, dot), target.slice(dot + 1)]
  if (database === '*') return '*.*'
  return table === '*' ? `${mysqlDatabasePattern(database)}.*` : `${mysqlName(database)}.${mysqlName(table)}`
}

type Grants = Readonly<Record<string, readonly string[]>>

function grantChanges(user: string, now: Grants, desired: Grants): string[] {
  const targets = sorted([...Object.keys(now), ...Object.keys(desired)])
  return targets.flatMap((target) => {
    const [before, after] = [now[target] ?? [], desired[target] ?? []]
    const quoted = quotedTarget(target)
    const isAll = (name: string) => after.includes('ALL PRIVILEGES') && name !== 'GRANT OPTION'
    const surplus = before.filter((name) => !after.includes(name) && !isAll(name))
    const missing = after.filter((name) => !before.includes(name))
    // Privileges on single columns have their names beside them, and ALL includes each other one.
    const isWhole = surplus.some((name) => !/^[A-Z ]+$/.test(name)) || surplus.includes('ALL PRIVILEGES')
    const revoked = isWhole ? ['ALL PRIVILEGES'] : surplus.filter((name) => name !== 'GRANT OPTION')
    const granted = (isWhole ? after : missing).filter((name) => name !== 'GRANT OPTION')
    return [
      ...(revoked.length > 0 ? [`REVOKE ${revoked.join(', ')} ON ${quoted} FROM ${user}`] : []),
      ...(surplus.includes('GRANT OPTION') ? [`REVOKE GRANT OPTION ON ${quoted} FROM ${user}`] : []),
      ...(granted.length > 0 ? [`GRANT ${granted.join(', ')} ON ${quoted} TO ${user}`] : []),
      ...(missing.includes('GRANT OPTION') ? [`GRANT USAGE ON ${quoted} TO ${user} WITH GRANT OPTION`] : []),
    ]
  })
}
