/** Imitates psql(1) for the resource types of PostgreSQL: roles, databases and extensions of one server, as JSON in a file. */
import * as z from 'zod'
import type { CommandResult } from '../../core/host/types.ts'
import type { VirtualHost } from '../../core/host/virtual.ts'

const stored = '/var/lib/postgresql/imitated.json'

const roleSchema = z.object({
  login: z.boolean().default(false),
  superuser: z.boolean().default(false),
  createDatabase: z.boolean().default(false),
  createRole: z.boolean().default(false),
  replication: z.boolean().default(false),
  connectionLimit: z.number().default(-1),
  memberOf: z.array(z.string()).default([]),
  password: z.string().nullable().default(null),
})
const databaseSchema = z.object({
  owner: z.string().default('postgres'),
  encoding: z.string().default('UTF8'),
  collate: z.string().default('C.UTF-8'),
  ctype: z.string().default('C.UTF-8'),
  connectionLimit: z.number().default(-1),
  /** Tables and the like. */
  objects: z.number().default(0),
  /** Whether a program is connected. */
  inUse: z.boolean().default(false),
  extensions: z
    .record(
      z.string(),
      z.object({
        version: z.string(),
        schema: z.string(),
        /** Whether other objects depend on it. */
        used: z.boolean().optional(),
      }),
    )
    .default({}),
})
const serverSchema = z.object({
  roles: z.record(z.string(), roleSchema),
  databases: z.record(z.string(), databaseSchema),
  /** Versions of the extensions that can be created; absent: every extension, in one version. */
  available: z.record(z.string(), z.string()).optional(),
})
export type Server = z.output<typeof serverSchema>
export type GivenServer = z.input<typeof serverSchema>

const anyVersion = '1.0'

const initial: GivenServer = {
  roles: { postgres: { login: true, superuser: true }, pg_read_all_data: {} },
  databases: { postgres: {}, template0: {}, template1: {} },
}

export function readServer(host: VirtualHost): Server {
  return serverSchema.parse(JSON.parse(host.readText(stored) ?? JSON.stringify(initial)))
}

export function writeServer(host: VirtualHost, server: GivenServer): void {
  host.given(stored, JSON.stringify(server), '0600')
}

const failure = (message: string) => ({ status: 3, stderr: `psql:<stdin>:1: ERROR:  ${message}\n` })

/** @param input commands `\set`, and statements that name the values as :'name' and :"name" */
export function psql(host: VirtualHost, database: string, input: string): Partial<CommandResult> {
  const server = readServer(host)
  if (server.databases[database] === undefined) return failure(`database "${database}" does not exist`)
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
    return failure((error as Error).message)
  }
  writeServer(host, server)
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
    return { extension: server.databases[database]?.extensions[name] ?? null, newest: newestOf(server, name) }
  return server.databases[database]?.objects ?? 0
}

function newestOf({ available }: Server, extension: string): string | null {
  return available === undefined ? anyVersion : (available[extension] ?? null)
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
  if (verb === 'DROP') {
    if (extensions[name]?.used === true && !statement.includes('CASCADE'))
      throw new Error(`cannot drop extension ${name} because other objects depend on it`)
    delete extensions[name]
  } else
    extensions[name] = {
      version: statement.includes(":'version'")
        ? value('version')
        : (extensions[name]?.version ?? newestOf(server, name) ?? ''),
      schema: statement.includes(':"schema"') ? value('schema') : (extensions[name]?.schema ?? 'public'),
    }
}

interface Target {
  readonly name: string
  readonly verb: string
  readonly limit: string | undefined
}

function changeDatabase({ databases }: Server, statement: string, { name, verb, limit }: Target, value: Value): void {
  if (verb === 'DROP') {
    if (databases[name]?.inUse === true) throw new Error(`database "${name}" is being accessed by other users`)
    return void delete databases[name]
  }
  const before = databases[name] ?? databaseSchema.parse({})
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
  const before = roles[name] ?? roleSchema.parse({})
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
