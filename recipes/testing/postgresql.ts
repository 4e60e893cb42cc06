/** Imitates psql(1) for the resource types of PostgreSQL: roles, databases and extensions of one server, as JSON in a file. */
import * as z from 'zod'
import type { CommandResult } from '../../core/host/types.ts'
import type { VirtualHost } from '../../core/host/virtual.ts'
import { serverRoleSchema } from '../../resources/databases/postgresql_role.ts'

const stored = '/var/lib/postgresql/imitated.json'

const databaseSchema = z.object({
  owner: z.string(),
  encoding: z.string(),
  collate: z.string(),
  ctype: z.string(),
  connectionLimit: z.number(),
  extensions: z.record(z.string(), z.object({ version: z.string(), schema: z.string() })),
})
const serverSchema = z.object({
  roles: z.record(z.string(), serverRoleSchema),
  databases: z.record(z.string(), databaseSchema),
})
type Server = z.output<typeof serverSchema>

const newRole = {
  login: true,
  superuser: false,
  createDatabase: false,
  createRole: false,
  replication: false,
  connectionLimit: -1,
  memberOf: [],
  password: null,
}
const newDatabase = {
  owner: 'postgres',
  encoding: 'UTF8',
  collate: 'C.UTF-8',
  ctype: 'C.UTF-8',
  connectionLimit: -1,
  extensions: {},
}
/** Every extension can be created, in this version. */
const version = '1.0'

const initial: Server = {
  roles: { postgres: { ...newRole, superuser: true }, pg_read_all_data: { ...newRole, login: false } },
  databases: { postgres: newDatabase, template0: newDatabase, template1: newDatabase },
}

/** @param input commands `\set`, and statements that name the values as :'name' and :"name" */
export function psql(host: VirtualHost, database: string, input: string): Partial<CommandResult> {
  const server = serverSchema.parse(JSON.parse(host.readText(stored) ?? JSON.stringify(initial)))
  const values = new Map<string, string>()
  for (const [, name = '', text = ''] of input.matchAll(/^\\set (\w+) '((?:[^'\\]|\\.)*)'$/gm))
    values.set(
      name,
      text.replace(/\\(.)/gs, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped === 'r' ? '\r' : escaped)),
    )
  const sql = input.replace(/^\\set .*\n/gm, '')
  const value = (name: string) => values.get(name) ?? ''
  if (/^\s*SELECT/.test(sql)) return { stdout: `${JSON.stringify(answer(server, database, sql, value))}\n` }
  try {
    for (const statement of sql.split(';').map((one) => one.trim())) execute(server, database, statement, value)
  } catch (error) {
    return { status: 3, stderr: `psql: ERROR:  ${(error as Error).message}` }
  }
  host.given(stored, JSON.stringify(server), '0600')
  return {}
}

type Value = (name: string) => string

function answer(server: Server, database: string, sql: string, value: Value): unknown {
  const name = value('name')
  if (sql.includes("'hasOwner'"))
    return { database: server.databases[name] ?? null, hasOwner: value('owner') in server.roles }
  if (sql.includes("'roles'")) {
    const groups = z.array(z.string()).parse(JSON.parse(value('groups') || '[]'))
    const role = server.roles[name] ?? null
    return { exists: role !== null, role, roles: groups.filter((group) => group in server.roles) }
  }
  if (sql.includes("'extension'"))
    return { extension: server.databases[database]?.extensions[name] ?? null, newest: version }
  // The number of tables: the imitated databases have none.
  return 0
}

const flags = {
  LOGIN: 'login',
  SUPERUSER: 'superuser',
  CREATEDB: 'createDatabase',
  CREATEROLE: 'createRole',
  REPLICATION: 'replication',
} as const

function execute(server: Server, database: string, statement: string, value: Value): void {
  const name = value('name')
  const [verb = '', what = ''] = statement.split(/\s+/)
  if (['', 'BEGIN', 'COMMIT'].includes(verb)) return
  const limit = /CONNECTION LIMIT (-?\d+)/.exec(statement)?.[1]
  if (what === 'DATABASE') return changeDatabase(server, statement, { name, verb, limit }, value)
  if (what === 'ROLE') return changeRole(server, statement, { name, verb, limit }, value)
  if (verb === 'GRANT') return void server.roles[name]?.memberOf.push(value(/:"(group\d+)"/.exec(statement)?.[1] ?? ''))
  const extensions = server.databases[database]?.extensions
  if (what === 'SCHEMA') return
  if (what !== 'EXTENSION' || extensions === undefined) throw new Error(`the test host does not imitate: ${statement}`)
  if (verb === 'DROP') delete extensions[name]
  else
    extensions[name] = {
      version: statement.includes(":'version'") ? value('version') : (extensions[name]?.version ?? version),
      schema: statement.includes(':"schema"') ? value('schema') : (extensions[name]?.schema ?? 'public'),
    }
}

interface Target {
  readonly name: string
  readonly verb: string
  readonly limit: string | undefined
}

function changeDatabase({ databases }: Server, statement: string, { name, verb, limit }: Target, value: Value): void {
  if (verb === 'DROP') return void delete databases[name]
  const before = databases[name] ?? { ...newDatabase, extensions: {} }
  const locale = statement.includes('LC_COLLATE') ? value('locale') : undefined
  databases[name] = {
    ...before,
    owner: statement.includes(':"owner"') ? value('owner') : before.owner,
    encoding: statement.includes('ENCODING') ? value('encoding') : before.encoding,
    collate: locale ?? before.collate,
    ctype: locale ?? before.ctype,
    connectionLimit: limit === undefined ? before.connectionLimit : Number(limit),
  }
}

function changeRole(
  { roles, databases }: Server,
  statement: string,
  { name, verb, limit }: Target,
  value: Value,
): void {
  if (verb === 'DROP') {
    if (Object.values(databases).some(({ owner }) => owner === name))
      throw new Error(`role "${name}" cannot be dropped because some objects depend on it`)
    return void delete roles[name]
  }
  const before = roles[name] ?? { ...newRole, memberOf: [] }
  const words = statement.split(/\s+/)
  const set = Object.entries(flags).flatMap(([word, flag]) =>
    words.includes(word) ? [[flag, true]] : words.includes(`NO${word}`) ? [[flag, false]] : [],
  )
  roles[name] = {
    ...before,
    ...Object.fromEntries(set),
    connectionLimit: limit === undefined ? before.connectionLimit : Number(limit),
    password: words.includes('PASSWORD') ? value('verifier') : before.password,
  }
}
