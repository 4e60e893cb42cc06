/** Imitates PostgreSQL on the host in memory: answers psql as the resource types call it, with its data in a file of the host. */
import type { CommandHandler, VirtualHost } from '../../core/host/virtual.ts'

const dataFile = '/var/lib/postgresql.json'

interface Role {
  login: boolean
  superuser: boolean
  createDatabase: boolean
  createRole: boolean
  replication: boolean
  connectionLimit: number
  memberOf: string[]
  password: string | null
}

interface Database {
  owner: string
  encoding: string
  collate: string
  ctype: string
  connectionLimit: number
  /** Number of tables and other objects. */
  objects?: number
  /** Whether a program is connected. */
  inUse?: boolean
  extensions?: Record<string, { version: string; schema: string; used?: boolean }>
}

export interface FakePostgresql {
  roles: Record<string, Partial<Role>>
  databases: Record<string, Partial<Database>>
}

const newRole: Role = {
  login: false,
  superuser: false,
  createDatabase: false,
  createRole: false,
  replication: false,
  connectionLimit: -1,
  memberOf: [],
  password: null,
}
const newDatabase: Database = {
  owner: 'postgres',
  encoding: 'UTF8',
  collate: 'C.UTF-8',
  ctype: 'C.UTF-8',
  connectionLimit: -1,
}
const availableExtensions: Readonly<Record<string, string>> = { pg_trgm: '1.6', hstore: '1.8' }

/** Installs the server on a host, with these roles and databases beside its own ones. */
export function givePostgresql(host: VirtualHost, { roles = {}, databases = {} }: Partial<FakePostgresql> = {}): void {
  host.given('/usr/bin/psql', '', '0755').given('/var/run/postgresql/.s.PGSQL.5432', { other: true })
  host.given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\npostgres:x:105:105::/var/lib/postgresql:/bin/sh\n')
  writePostgresql(host, {
    roles: { postgres: { superuser: true }, ...roles },
    databases: { postgres: {}, template1: {}, ...databases },
  })
}

export function readPostgresql(host: VirtualHost): {
  readonly roles: Record<string, Role>
  readonly databases: Record<string, Database>
} {
  const { roles, databases } = JSON.parse(host.readText(dataFile) ?? '{}') as FakePostgresql
  const filled = <T>(all: Record<string, Partial<T>>, usual: T) =>
    Object.fromEntries(Object.entries(all).map(([name, one]) => [name, { ...usual, ...one }]))
  return { roles: filled(roles, newRole), databases: filled(databases, newDatabase) }
}

export function writePostgresql(host: VirtualHost, content: FakePostgresql): void {
  host.given(dataFile, JSON.stringify(content))
}

const error = (message: string) => ({ status: 3, stderr: `psql:<stdin>:1: ERROR:  ${message}\n` })

export const psql: CommandHandler = ([program], { input = '', environment = {} }, host) => {
  if (program !== 'psql') return null
  const values: Record<string, string> = {}
  for (const [, name = '', quoted = ''] of input.matchAll(/^\\set (\w+) '(.*)'$/gm))
    values[name] = quoted.replace(/\\(.)/g, (_, sign: string) => (sign === 'n' ? '\n' : sign))
  const { roles, databases } = readPostgresql(host)
  const database = databases[environment.PGDATABASE ?? '']
  if (database === undefined) return error('no such database')
  const { name = '' } = values
  const role = roles[name]
  const answer = (value: unknown) => ({ stdout: `${JSON.stringify(value)}\n` })
  if (input.includes('json_array_elements_text')) {
    const groups = JSON.parse(values.groups ?? '[]') as string[]
    return answer({ exists: role !== undefined, role: role ?? null, roles: groups.filter((group) => group in roles) })
  }
  if (input.includes('pg_largeobject')) return answer(database.objects ?? 0)
  if (input.includes('pg_available_extensions'))
    return answer({ extension: database.extensions?.[name] ?? null, newest: availableExtensions[name] ?? null })
  if (input.includes('FROM pg_database'))
    return answer({ database: databases[name] ?? null, hasOwner: (values.owner ?? '') in roles })
  for (const statement of input.split('\n').filter((line) => /^[A-Z].* /.test(line))) {
    const refused = execute(statement, values, { roles, databases, database })
    if (refused !== null) return error(refused)
  }
  writePostgresql(host, { roles, databases })
  return {}
}

interface Data {
  readonly roles: Record<string, Role>
  readonly databases: Record<string, Database>
  readonly database: Database
}

/** Returns the error, or null. */
function execute(
  statement: string,
  values: Record<string, string>,
  { roles, databases, database }: Data,
): string | null {
  const { name = '', owner = '', schema, version } = values
  const [verb = '', object = ''] = statement.split(' ')
  const [role, target] = [roles[name], databases[name]]
  const limit = /CONNECTION LIMIT (-?\d+)/.exec(statement)?.[1]
  if (statement.startsWith('CREATE SCHEMA')) return null
  if (verb === 'GRANT') {
    role?.memberOf.push(values[/:"(\w+)" TO/.exec(statement)?.[1] ?? ''] ?? '')
    return null
  }
  if (object === 'ROLE') {
    if (verb === 'DROP' && Object.values(databases).some((one) => one.owner === name))
      return `role "${name}" cannot be dropped because some objects depend on it`
    if (verb === 'DROP') delete roles[name]
    else roles[name] = { ...newRole, memberOf: [], ...role, ...flagsIn(statement) }
    const changed = roles[name]
    if (changed && statement.includes(":'verifier'")) changed.password = values.verifier ?? ''
    if (changed && limit !== undefined) changed.connectionLimit = Number(limit)
    return null
  }
  if (object === 'DATABASE') {
    if (verb === 'DROP' && target?.inUse) return `database "${name}" is being accessed by other users`
    if (verb === 'DROP') delete databases[name]
    else if (verb === 'CREATE') databases[name] = { ...newDatabase, owner, ...localeIn(values) }
    else if (target && limit !== undefined) target.connectionLimit = Number(limit)
    else if (target) target.owner = owner
    return null
  }
  if (object !== 'EXTENSION') return `unknown statement: ${statement}`
  database.extensions ??= {}
  const extension = database.extensions[name]
  if (verb === 'DROP' && extension?.used && !statement.includes('CASCADE')) return 'other objects depend on it'
  if (verb === 'DROP') delete database.extensions[name]
  else
    database.extensions[name] = {
      version: version ?? extension?.version ?? availableExtensions[name] ?? '',
      schema: schema ?? extension?.schema ?? 'public',
    }
  return null
}

function flagsIn(statement: string): Partial<Role> {
  const flags = {
    LOGIN: 'login',
    SUPERUSER: 'superuser',
    CREATEDB: 'createDatabase',
    CREATEROLE: 'createRole',
  } as const
  return Object.fromEntries(
    Object.entries({ ...flags, REPLICATION: 'replication' }).flatMap(([word, flag]) => {
      const found = new RegExp(` (NO)?${word}\\b`).exec(statement)
      return found ? [[flag, found[1] === undefined]] : []
    }),
  )
}

function localeIn({ encoding, locale }: Record<string, string>): Partial<Database> {
  return {
    ...(encoding === undefined ? {} : { encoding }),
    ...(locale === undefined ? {} : { collate: locale, ctype: locale }),
  }
}
