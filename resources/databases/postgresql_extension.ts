/** Manages one extension in a database of PostgreSQL, with its version and schema; or its absence. */
import * as z from 'zod'
import type { Host } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { requireDatabase } from './postgresql_database.ts'
import { postgresqlName, readJson, runTransaction, serverProps, serverSuffix } from './postgresql_server.ts'

const props = z.strictObject({
  name: postgresqlName.describe('Name of the extension, such as pg_trgm'),
  database: postgresqlName.describe('Database that has it'),
  schema: postgresqlName
    .optional()
    .describe('Schema of its objects, created if it is missing; default: unchanged, or as the extension decides'),
  version: z
    .string()
    .regex(/^[\w.+~-]+$/, { error: "a version, or 'latest'" })
    .optional()
    .describe("Its version, or 'latest' for the newest on this host; default: unchanged, or the newest for a new one"),
  cascade: z
    .boolean()
    .optional()
    .describe('Install the extensions that it needs; with absent, remove what depends on it. Default false'),
  absent: z.boolean().optional().describe('Remove the extension instead; default false'),
  ...serverProps,
})
type Props = z.output<typeof props>

const state = z.strictObject({
  exists: z.boolean(),
  /** Null if no version is declared. */
  version: z.string().nullable(),
  /** Null if no schema is declared. */
  schema: z.string().nullable(),
  /** The newest version on this host; null if this host does not have the extension, or it must be absent. */
  newest: z.string().nullable(),
})
type State = z.output<typeof state>

const answerSchema = z.object({
  extension: z.object({ version: z.string(), schema: z.string() }).nullable(),
  newest: z.string().nullable(),
})

const selectExtension = `SELECT json_build_object(
  'extension', (SELECT json_build_object('version', extversion, 'schema', nspname)
    FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = :'name'),
  'newest', (SELECT default_version FROM pg_available_extensions WHERE name = :'name'));`

export const postgresql_extension = defineResource(
  {
    type: 'postgresql_extension',
    doc: 'Keeps an extension in a database of a PostgreSQL server on this host, in any version or in a given one; or removes it.',
    mirrors: "Chef's postgresql_extension, Ansible's postgresql_ext; CREATE EXTENSION",
    examples: [
      { name: 'pg_trgm', database: 'shop' },
      { name: 'postgis', database: 'maps', schema: 'geo', version: 'latest' },
    ],
    reach: 'system',
    key: (props) => `${props.name} in ${props.database}${serverSuffix(props)}`,
    props,
    state,
    readsAhead: true,
  },
  {
    async read(host, props): Promise<State> {
      const { name, database } = props
      const databaseState = await requireDatabase(host, props, database)
      // In a dry run, a database that does not exist yet has what every database has.
      const sql = {
        database: databaseState === 'exists' ? database : 'template1',
        statements: selectExtension,
        values: { name },
      }
      const answer = await readJson(host, props, answerSchema, sql)
      const extension = answer?.extension ?? null
      const newest = props.absent ? null : (answer?.newest ?? null)
      if (extension === null) return { exists: false, version: null, schema: null, newest }
      const declared = (prop: unknown, value: string) => (prop === undefined ? null : value)
      return {
        exists: true,
        version: declared(props.version, extension.version),
        schema: declared(props.schema, extension.schema),
        newest,
      }
    },
    desired(props, now): State {
      const { name, version, schema = null, absent } = props
      if (absent) return { exists: false, version: null, schema: null, newest: null }
      if (now.newest === null)
        throw new ConvergeError(`PostgreSQL has no extension ${name} on this host`, {
          code: 'NO_EXTENSION',
          hint: "correct its name, or declare the package that has it before this: packages(r, { names: ['postgresql-15-postgis-3'] })",
        })
      return { exists: true, version: versionOf(version, now.newest), schema, newest: now.newest }
    },
    async apply(host, props, change) {
      const { name, database, schema, absent, cascade } = props
      const version = change.desired.version ?? undefined
      const values = { name, schema, version }
      const options = cascade ? ' CASCADE' : ''
      if (absent) return run(host, props, { database, statements: `DROP EXTENSION :"name"${options};`, values })
      const statements = change.now.exists ? alterations(change) : [creation(props, version)]
      if (schema !== undefined) statements.unshift('CREATE SCHEMA IF NOT EXISTS :"schema";')
      await run(host, props, { database, statements: statements.join('\n'), values })
    },
    predict: () => undefined,
  },
)

function versionOf(declared: string | undefined, newest: string): string | null {
  if (declared === undefined) return null
  return declared === 'latest' ? newest : declared
}

function creation({ schema, cascade }: Props, version: string | undefined): string {
  const inSchema = schema === undefined ? '' : ' SCHEMA :"schema"'
  const ofVersion = version === undefined ? '' : ` VERSION :'version'`
  return `CREATE EXTENSION :"name"${inSchema}${ofVersion}${cascade ? ' CASCADE' : ''};`
}

function alterations({ now, desired }: { readonly now: State; readonly desired: State }): string[] {
  return [
    ...(now.version === desired.version ? [] : [`ALTER EXTENSION :"name" UPDATE TO :'version';`]),
    ...(now.schema === desired.schema ? [] : ['ALTER EXTENSION :"name" SET SCHEMA :"schema";']),
  ]
}

async function run(host: Host, props: Props, sql: Parameters<typeof runTransaction>[2]): Promise<void> {
  try {
    await runTransaction(host, props, sql)
  } catch (error) {
    if (!(error instanceof ConvergeError) || !/other objects depend on it/.test(error.output ?? '')) throw error
    throw new ConvergeError(`the extension ${props.name} is not removed: other objects of ${props.database} use it`, {
      code: 'EXTENSION_IN_USE',
      output: error.output,
      hint: 'remove what the output names, or remove it with the extension: cascade: true',
      cause: error,
    })
  }
}
