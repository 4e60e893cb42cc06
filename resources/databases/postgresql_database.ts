/** Manages one database of PostgreSQL with its owner, encoding and locale; or its absence. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { notEmpty } from './not_empty.ts'
import { existsOrPlanned, recordPlanned } from './planned_objects.ts'
import { requireRole } from './postgresql_role.ts'
import { postgresqlName, readJson, runSql, type Server, serverProps, serverSuffix } from './postgresql_server.ts'

const ownDatabases = ['postgres', 'template0', 'template1']

const props = z
  .strictObject({
    name: postgresqlName.describe('Name of the database'),
    owner: postgresqlName.optional().describe('Role that owns it; default: unchanged, or the account of the server'),
    encoding: z
      .string()
      .regex(/^[A-Za-z0-9_-]+$/, { error: 'an encoding, such as UTF8' })
      .optional()
      .describe('Its encoding; cannot be changed later; default: any, or that of the template'),
    locale: z
      .string()
      .regex(/^[\w.@-]+$/, { error: 'a locale, such as C.UTF-8 or de_CH.UTF-8' })
      .optional()
      .describe('Its order and character classes; cannot be changed later; default: any, or those of the template'),
    template: postgresqlName
      .optional()
      .describe('Database that a new one is a copy of; default: template0 with an encoding or locale, else template1'),
    connectionLimit: z
      .int()
      .min(-1)
      .max(100_000)
      .optional()
      .describe('How many connections it takes, -1 for any number; default: unchanged'),
    absent: z.boolean().optional().describe('Remove the database instead; refused while it has tables. Default false'),
    withData: z.boolean().optional().describe('With absent: remove it with its tables and data. Default false'),
    ...serverProps,
  })
  .refine(({ absent, name }) => !absent || !ownDatabases.includes(name), {
    error: 'a database that PostgreSQL does not need for itself',
    path: ['name'],
  })
type Props = z.output<typeof props>

const state = z.strictObject({
  exists: z.boolean(),
  /** Null for what is not declared, here and below. */
  owner: z.string().nullable(),
  encoding: z.string().nullable(),
  locale: z.string().nullable(),
  connectionLimit: z.number().nullable(),
  /** Tables, sequences and large objects of a database that the declaration removes. */
  objects: z.number().nullable(),
})
type State = z.output<typeof state>

const absentState: State = {
  exists: false,
  owner: null,
  encoding: null,
  locale: null,
  connectionLimit: null,
  objects: null,
}

const found = z.object({
  database: z
    .object({
      owner: z.string(),
      encoding: z.string(),
      collate: z.string(),
      ctype: z.string(),
      connectionLimit: z.number(),
    })
    .nullable(),
  hasOwner: z.boolean(),
})

const select = `SELECT json_build_object(
  'database', (SELECT json_build_object('owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding),
    'collate', datcollate, 'ctype', datctype, 'connectionLimit', datconnlimit)
    FROM pg_database WHERE datname = :'name'),
  'hasOwner', EXISTS (SELECT FROM pg_authid WHERE rolname = :'owner'));`

/** The tables that extensions have created do not count. */
const countObjects = `SELECT (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'm', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
  + (SELECT count(*) FROM pg_largeobject_metadata);`

/** The name under which a dry run remembers it. */
const plannedDatabase = (name: string, server: Server) => `postgresql_database ${name}${serverSuffix(server)}`

export const postgresql_database = defineResource(
  {
    type: 'postgresql_database',
    doc: 'Keeps a database of a PostgreSQL server on this host with the declared owner, or removes it. Data is removed only if `withData` is set.',
    mirrors: "Chef's postgresql_database, Ansible's postgresql_db, pyinfra's postgresql.database; CREATE DATABASE",
    examples: [
      { name: 'shop', owner: 'shop' },
      { name: 'relstorage', owner: 'plone', encoding: 'UTF8', locale: 'C.UTF-8' },
      { name: 'former', absent: true, withData: true },
    ],
    reach: 'system',
    key: (props) => `${props.name}${serverSuffix(props)}`,
    props,
    state,
    readsAhead: true,
  },
  {
    async read(host, props): Promise<State> {
      const { name, owner = props.account } = props
      const answer = await readJson(host, props, found, { statements: select, values: { name, owner } })
      const database = answer?.database ?? null
      if (!props.absent) requireRole(host, props, owner, answer?.hasOwner ?? false)
      if (database === null) return absentState
      const declared = <T>(prop: unknown, value: T) => (prop === undefined ? null : value)
      return {
        exists: true,
        owner: declared(props.owner, database.owner),
        encoding: declared(props.encoding, sameOr(props.encoding, database.encoding)),
        locale: declared(props.locale, localeOf(props, database)),
        connectionLimit: declared(props.connectionLimit, database.connectionLimit),
        objects: props.absent ? await readObjects(host, props) : null,
      }
    },
    desired(props, now): State {
      if (props.absent) return removedState(props, now)
      for (const name of ['encoding', 'locale'] as const) requireSame(props, name, now)
      const { owner = null, encoding = null, locale = null, connectionLimit = null } = props
      return { exists: true, owner, encoding, locale, connectionLimit, objects: null }
    },
    async apply(host, props, { now }) {
      const { name, owner, connectionLimit } = props
      if (props.absent) return remove(host, props)
      if (!now.exists) await create(host, props)
      else if (owner !== undefined && owner !== now.owner)
        await runSql(host, props, { statements: 'ALTER DATABASE :"name" OWNER TO :"owner";', values: { name, owner } })
      if (connectionLimit === undefined || connectionLimit === now.connectionLimit) return
      const statements = `ALTER DATABASE :"name" CONNECTION LIMIT ${connectionLimit};`
      await runSql(host, props, { statements, values: { name } })
    },
    predict(host, props) {
      recordPlanned(host, plannedDatabase(props.name, props), !props.absent)
    },
  },
)

/**
 * Whether a database exists on the server.
 * @param planned what it is in a dry run that would have created or removed it
 * @throws NO_DATABASE if it neither exists nor is planned
 */
export async function requireDatabase(host: HostReader, server: Server, name: string): Promise<'exists' | 'planned'> {
  const values = { name, owner: '' }
  const answer = await readJson(host, server, found, { statements: select, values })
  const exists = (answer?.database ?? null) !== null
  if (!existsOrPlanned(host, plannedDatabase(name, server), exists))
    throw new ConvergeError(`PostgreSQL has no database ${name}`, {
      code: 'NO_DATABASE',
      hint: `correct its name, or declare it before this: postgresql_database(r, { name: '${name}' })`,
    })
  return exists ? 'exists' : 'planned'
}

const normalized = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9@.]/g, '')

/** Returns the declared spelling of a value if it means the same, such as utf-8 for UTF8. */
function sameOr(declared: string | undefined, actual: string): string {
  return declared !== undefined && normalized(declared) === normalized(actual) ? declared : actual
}

function localeOf({ locale }: Props, { collate, ctype }: { readonly collate: string; readonly ctype: string }): string {
  const [order, classes] = [sameOr(locale, collate), sameOr(locale, ctype)]
  return order === classes ? order : `${order}, characters ${classes}`
}

async function readObjects(host: HostReader, props: Props): Promise<number> {
  const sql = { database: props.name, statements: countObjects, values: {} }
  return (await readJson(host, props, z.number(), sql)) ?? 0
}

function removedState({ name, withData }: Props, now: State): State {
  if (now.objects !== null && now.objects > 0 && !withData)
    throw notEmpty(`the database ${name} is not empty: it has tables, sequences or large objects (${now.objects})`, {
      dump: 'pg_dump',
      type: 'postgresql_database',
      name,
    })
  return absentState
}

function requireSame(props: Props, name: 'encoding' | 'locale', now: State): void {
  if (!now.exists || now[name] === (props[name] ?? null)) return
  throw new ConvergeError(`the database ${props.name} has the ${name} ${now[name]}, not ${props[name]}`, {
    code: 'CANNOT_CHANGE',
    hint: `declare the ${name} ${now[name]}, or dump the database, remove it and restore it into a new one`,
  })
}

async function create(host: Host, props: Props): Promise<void> {
  const { name, owner = props.account, encoding, locale } = props
  const template = props.template ?? (encoding === undefined && locale === undefined ? 'template1' : 'template0')
  const options = [
    `OWNER :"owner" TEMPLATE :"template"`,
    ...(encoding === undefined ? [] : [`ENCODING :'encoding'`]),
    ...(locale === undefined ? [] : [`LC_COLLATE :'locale' LC_CTYPE :'locale'`]),
  ]
  const statements = `CREATE DATABASE :"name" ${options.join(' ')};`
  await runSql(host, props, { statements, values: { name, owner, template, encoding, locale } })
}

async function remove(host: Host, props: Props): Promise<void> {
  const { name } = props
  try {
    await runSql(host, props, { statements: 'DROP DATABASE :"name";', values: { name } })
  } catch (error) {
    if (!(error instanceof ConvergeError) || !/is being accessed by other users/.test(error.output ?? '')) throw error
    throw new ConvergeError(`the database ${name} is not removed: programs are connected to it`, {
      code: 'DATABASE_IN_USE',
      output: error.output,
      hint: 'stop the programs that use it, which this shows: SELECT pid, application_name, datname FROM pg_stat_activity',
      cause: error,
    })
  }
}
