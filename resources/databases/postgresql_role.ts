/** Manages one role of PostgreSQL: its rights, password and memberships; or its absence. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { existsOrPlanned, recordPlanned } from './planned_objects.ts'
import {
  postgresqlName,
  readJson,
  runTransaction,
  type Server,
  serverProps,
  serverSuffix,
} from './postgresql_server.ts'
import { belongsTo, isSamePrepared, isVerifier, verifierOf } from './scram.ts'

const right = (text: string) => z.boolean().optional().describe(`${text}; default: unchanged, or false for a new role`)

const props = z.strictObject({
  name: postgresqlName
    .refine((name) => !name.startsWith('pg_'), {
      error: 'a name that does not begin with pg_, which PostgreSQL reserves',
    })
    .describe('Name of the role'),
  password: z
    .string()
    .min(1)
    .refine((text) => isVerifier(text) || isSamePrepared(text), {
      error:
        'a password without ligatures, special spaces and other characters that clients replace before they use it',
    })
    .optional()
    .meta({ sensitive: true })
    .describe('Its password, or what PostgreSQL stores of it (SCRAM-SHA-256$...); never shown; default: unchanged'),
  login: z.boolean().optional().describe('Whether it may log in; default: unchanged, or true for a new role'),
  superuser: right('Whether it has all rights'),
  createDatabase: right('Whether it may create databases'),
  createRole: right('Whether it may create roles'),
  replication: right('Whether it may replicate the server'),
  connectionLimit: z
    .int()
    .min(-1)
    .max(100_000)
    .optional()
    .describe('How many connections it may have, -1 for any number; default: unchanged'),
  memberOf: z
    .array(postgresqlName)
    .optional()
    .describe('Roles that it must be a member of; its other memberships stay'),
  absent: z.boolean().optional().describe('Remove the role instead; refused while it owns something. Default false'),
  ...serverProps,
})
type Props = z.output<typeof props>

const flags = ['login', 'superuser', 'createDatabase', 'createRole', 'replication'] as const

const state = z.strictObject({
  exists: z.boolean(),
  /** Null for what is not declared, here and below. */
  login: z.boolean().nullable(),
  superuser: z.boolean().nullable(),
  createDatabase: z.boolean().nullable(),
  createRole: z.boolean().nullable(),
  replication: z.boolean().nullable(),
  connectionLimit: z.number().nullable(),
  memberOf: z.array(z.string()).nullable(),
  password: z.enum(['as declared', 'another one', 'none']).nullable(),
})
type State = z.output<typeof state>

const absentState: State = {
  exists: false,
  login: null,
  superuser: null,
  createDatabase: null,
  createRole: null,
  replication: null,
  connectionLimit: null,
  memberOf: null,
  password: null,
}

/** A role as the server describes it. */
export const serverRoleSchema = z.object({
  login: z.boolean(),
  superuser: z.boolean(),
  createDatabase: z.boolean(),
  createRole: z.boolean(),
  replication: z.boolean(),
  connectionLimit: z.number(),
  memberOf: z.array(z.string()),
  password: z.string().nullable(),
})

const found = z.object({
  exists: z.boolean(),
  role: serverRoleSchema.nullable(),
  roles: z.array(z.string()),
})

const select = `SELECT json_build_object(
  'exists', EXISTS (SELECT FROM pg_authid WHERE rolname = :'name'),
  'role', (SELECT json_build_object(
    'login', rolcanlogin, 'superuser', rolsuper, 'createDatabase', rolcreatedb, 'createRole', rolcreaterole,
    'replication', rolreplication, 'connectionLimit', rolconnlimit, 'password', rolpassword,
    'memberOf', (SELECT coalesce(json_agg(g.rolname), '[]') FROM pg_auth_members m JOIN pg_authid g ON g.oid = m.roleid
      WHERE m.member = a.oid))
    FROM pg_authid a WHERE rolname = :'name'),
  'roles', (SELECT coalesce(json_agg(rolname), '[]') FROM pg_authid
    WHERE rolname IN (SELECT json_array_elements_text(:'groups')))
);`

const sorted = (names: readonly string[]) => [...new Set(names)].sort()

/** The name under which a dry run remembers it. */
export const plannedRole = (name: string, server: Server) => `postgresql_role ${name}${serverSuffix(server)}`

export const postgresql_role = defineResource(
  {
    type: 'postgresql_role',
    doc: 'Keeps a role of a PostgreSQL server on this host with the declared rights, password and memberships; or removes it.',
    mirrors: "Chef's postgresql_role, Ansible's postgresql_user, pyinfra's postgresql.role; CREATE ROLE",
    examples: [
      { name: 'shop', password: 's3cret' },
      { name: 'reports', login: false, memberOf: ['pg_read_all_data'] },
      { name: 'former', absent: true },
    ],
    reach: 'system',
    key: (props) => `${props.name}${serverSuffix(props)}`,
    props,
    state,
    readsAhead: true,
  },
  {
    async read(host, props, context): Promise<State> {
      if (props.password !== undefined) context.secret(props.password)
      const groups = props.memberOf ?? []
      const values = { name: props.name, groups: JSON.stringify(groups) }
      const answer = await readJson(host, props, found, { statements: select, values })
      const role = answer?.role ?? null
      if (!props.absent) requireRoles(host, props, answer?.roles ?? [])
      if (role === null) return absentState
      if (role.password !== null) context.secret(role.password)
      const declared = <T>(prop: unknown, value: T) => (prop === undefined ? null : value)
      return {
        exists: true,
        login: declared(props.login, role.login),
        superuser: declared(props.superuser, role.superuser),
        createDatabase: declared(props.createDatabase, role.createDatabase),
        createRole: declared(props.createRole, role.createRole),
        replication: declared(props.replication, role.replication),
        connectionLimit: declared(props.connectionLimit, role.connectionLimit),
        memberOf: declared(
          props.memberOf,
          sorted(groups).filter((name) => role.memberOf.includes(name)),
        ),
        password: passwordState(props, role.password),
      }
    },
    desired(props): State {
      if (props.absent) return absentState
      const { login = null, superuser = null, createDatabase = null, createRole = null } = props
      const { replication = null, connectionLimit = null, memberOf, password } = props
      return {
        exists: true,
        login,
        superuser,
        createDatabase,
        createRole,
        replication,
        connectionLimit,
        memberOf: memberOf === undefined ? null : sorted(memberOf),
        password: password === undefined ? null : 'as declared',
      }
    },
    async apply(host, props, { now, desired }, context) {
      if (props.absent) return remove(host, props)
      const groups = sorted(props.memberOf ?? []).filter((name) => !now.memberOf?.includes(name))
      const verifier = now.password === desired.password ? undefined : verifierOf(props.password ?? '')
      if (verifier !== undefined) context.secret(verifier)
      const statements = [
        ...(now.exists ? [] : [`CREATE ROLE :"name" ${props.login === false ? 'NOLOGIN' : 'LOGIN'};`]),
        ...alterations(props, now),
        ...(verifier === undefined ? [] : [`ALTER ROLE :"name" PASSWORD :'verifier';`]),
        ...groups.map((_, index) => `GRANT :"group${index}" TO :"name";`),
      ]
      const values = {
        name: props.name,
        verifier,
        ...Object.fromEntries(groups.map((name, index) => [`group${index}`, name])),
      }
      await runTransaction(host, props, { statements: statements.join('\n'), values })
    },
    predict(host, props) {
      recordPlanned(host, plannedRole(props.name, props), !props.absent)
    },
  },
)

function requireRoles(host: HostReader, props: Props, existing: readonly string[]): void {
  for (const name of props.memberOf ?? []) requireRole(host, props, name, existing.includes(name))
}

/**
 * Requires a role that another object refers to.
 * @throws NO_ROLE
 */
export function requireRole(host: HostReader, server: Server, name: string, exists: boolean): void {
  if (existsOrPlanned(host, plannedRole(name, server), exists)) return
  throw new ConvergeError(`PostgreSQL has no role ${name}`, {
    code: 'NO_ROLE',
    hint: `correct its name, or declare it before this: postgresql_role(r, { name: '${name}' })`,
  })
}

function passwordState({ password, name }: Props, stored: string | null): State['password'] {
  if (password === undefined) return null
  if (stored === null) return 'none'
  return belongsTo(stored, password, name) ? 'as declared' : 'another one'
}

const words = {
  login: 'LOGIN',
  superuser: 'SUPERUSER',
  createDatabase: 'CREATEDB',
  createRole: 'CREATEROLE',
  replication: 'REPLICATION',
} as const

function alterations(props: Props, now: State): string[] {
  const changed = flags.filter((flag) => props[flag] !== undefined && props[flag] !== now[flag])
  const options = changed.map((flag) => `${props[flag] ? '' : 'NO'}${words[flag]}`)
  const { connectionLimit } = props
  if (connectionLimit !== undefined && connectionLimit !== now.connectionLimit)
    options.push(`CONNECTION LIMIT ${connectionLimit}`)
  return options.length === 0 ? [] : [`ALTER ROLE :"name" ${options.join(' ')};`]
}

async function remove(host: Host, props: Props): Promise<void> {
  try {
    await runTransaction(host, props, { statements: 'DROP ROLE :"name";', values: { name: props.name } })
  } catch (error) {
    if (
      !(error instanceof ConvergeError) ||
      !/cannot be dropped because some objects depend on it/.test(error.output ?? '')
    )
      throw error
    throw new ConvergeError(`the role ${props.name} is not removed: it owns something, or has rights to it`, {
      code: 'ROLE_IN_USE',
      output: error.output,
      hint: `in each database that has such objects, run REASSIGN OWNED BY, then DROP OWNED BY, with the role ${props.name}`,
      cause: error,
    })
  }
}
