/** Manages one database of MariaDB with its character set; or its absence. */
import * as z from 'zod'
import { defineResource } from '../../core/model/resource.ts'
import { mysqlName, mysqlText } from '../../core/text/mysql.ts'
import { mysqlNameProp, mysqlServerProps, mysqlServerSuffix, queryLines, runStatements } from './mysql_server.ts'
import { notEmpty } from './not_empty.ts'

const ownDatabases = ['mysql', 'information_schema', 'performance_schema', 'sys']

const props = z
  .strictObject({
    name: mysqlNameProp.describe('Name of the database'),
    characterSet: z
      .string()
      .regex(/^[a-z][a-z0-9]*$/, { error: 'a character set, such as utf8mb4' })
      .optional()
      .describe('Character set of new tables; default: unchanged, or that of the server for a new database'),
    collation: z
      .string()
      .regex(/^[a-z][a-z0-9_]*$/, { error: 'a collation, such as utf8mb4_unicode_ci' })
      .optional()
      .describe('Order of texts in new tables; default: unchanged, or that of the character set'),
    absent: z.boolean().optional().describe('Remove the database instead; refused while it has tables. Default false'),
    withData: z.boolean().optional().describe('With absent: remove it with its tables and data. Default false'),
    ...mysqlServerProps,
  })
  .refine(({ absent, name }) => !absent || !ownDatabases.includes(name.toLowerCase()), {
    error: 'a database that MariaDB does not need for itself',
    path: ['name'],
  })
type Props = z.output<typeof props>

const state = z.strictObject({
  exists: z.boolean(),
  /** Null for what is not declared, here and below. */
  characterSet: z.string().nullable(),
  collation: z.string().nullable(),
  /** Tables and views of a database that the declaration removes. */
  objects: z.number().nullable(),
})
type State = z.output<typeof state>

const absentState: State = { exists: false, characterSet: null, collation: null, objects: null }

const found = z.object({ characterSet: z.string(), collation: z.string(), objects: z.number() })

/** Names of databases are compared byte by byte: `Shop` is another one than `shop`. */
function select(name: string): string {
  const tables = `(SELECT COUNT(*) FROM information_schema.TABLES WHERE BINARY TABLE_SCHEMA = ${mysqlText(name)})`
  return `SELECT JSON_OBJECT('characterSet', DEFAULT_CHARACTER_SET_NAME, 'collation', DEFAULT_COLLATION_NAME,
    'objects', ${tables}) FROM information_schema.SCHEMATA WHERE BINARY SCHEMA_NAME = ${mysqlText(name)};\n`
}

/** utf8 is a name of utf8mb3. */
const fullName = (name: string) => name.replace(/^utf8(?=_|$)/, 'utf8mb3')

export const mysql_database = defineResource(
  {
    type: 'mysql_database',
    doc: 'Keeps a database of a MariaDB server on this host with the declared character set, or removes it. Data is removed only if `withData` is set.',
    mirrors: "Ansible's mysql_db, pyinfra's mysql.database; CREATE DATABASE",
    examples: [
      { name: 'shop', characterSet: 'utf8mb4', collation: 'utf8mb4_unicode_ci' },
      { name: 'former', absent: true, withData: true },
    ],
    reach: 'system',
    key: (props) => `${props.name}${mysqlServerSuffix(props)}`,
    props,
    state,
    readsAhead: true,
  },
  {
    async read(host, props): Promise<State> {
      const [line] = await queryLines(host, props, select(props.name))
      if (line === undefined) return absentState
      const { characterSet, collation, objects } = found.parse(JSON.parse(line))
      const declared = (prop: string | undefined, value: string) =>
        prop === undefined ? null : fullName(prop) === fullName(value) ? prop : value
      return {
        exists: true,
        characterSet: declared(props.characterSet, characterSet),
        collation: declared(props.collation, collation),
        objects: props.absent ? objects : null,
      }
    },
    desired(props, now): State {
      const { name, characterSet = null, collation = null, absent, withData } = props
      if (!absent) return { exists: true, characterSet, collation, objects: null }
      if (now.objects !== null && now.objects > 0 && !withData)
        throw notEmpty(`the database ${name} is not empty: it has tables or views (${now.objects})`, {
          dump: 'mariadb-dump',
          type: 'mysql_database',
          name,
        })
      return absentState
    },
    apply(host, props, { now }) {
      const name = mysqlName(props.name)
      if (props.absent) return runStatements(host, props, [`DROP DATABASE ${name}`])
      return runStatements(host, props, [`${now.exists ? 'ALTER' : 'CREATE'} DATABASE ${name}${options(props)}`])
    },
    predict: () => undefined,
  },
)

function options({ characterSet, collation }: Props): string {
  const set = characterSet === undefined ? '' : ` CHARACTER SET ${mysqlText(characterSet)}`
  return collation === undefined ? set : `${set} COLLATE ${mysqlText(collation)}`
}
