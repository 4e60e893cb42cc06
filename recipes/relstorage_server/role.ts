/** Defines the role relstorage-server: PostgreSQL or MariaDB with the database and the account of RelStorage. */
import { derived } from '../../core/model/reference.ts'
import { execute } from '../../resources/commands/execute.ts'
import { mysql_database } from '../../resources/databases/mysql_database.ts'
import { mysql_user } from '../../resources/databases/mysql_user.ts'
import { postgresql_database } from '../../resources/databases/postgresql_database.ts'
import { postgresql_role } from '../../resources/databases/postgresql_role.ts'
import { block_in_file } from '../../resources/files/block_in_file.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { versioned_program } from '../../resources/packages/versioned_program.ts'
import type { SiteNode } from '../node.ts'
import { type PackagedService, packagedServiceRole } from '../packaged_service/role.ts'
import { databaseKind } from '../plone/database_kind.ts'
import { appName } from '../plone/site.ts'
import { databaseAccount } from '../plone/storage.ts'
import { isSet } from '../site/attribute_writer.ts'
import { isLoopbackOnly, stackAddresses } from '../site/listen_addresses.ts'
import { privateAddresses } from '../site/private_addresses.ts'
import { reportedVersion } from './mariadb_version.ts'

const header = '# Written by converge, changes are overwritten.'

interface Account {
  readonly name: string
  readonly user: string
  readonly password: string
  readonly port: number
  /** Addresses at which the server listens. */
  readonly addresses: readonly string[]
}

function relstorageServer(node: SiteNode): PackagedService {
  const { values, kind, port, ...given } = databaseAccount(node, appName(node, 'zeo-client'))
  for (const key of ['name', 'user', 'password'] as const)
    if (!isSet(given[key].value))
      values.refuse(given[key].key, 'is not set', 'set it: the server makes the database and the account with it')
  if (kind !== databaseKind('postgres') && kind !== databaseKind('mysql'))
    values.refuse('plone_instances.relstorage.db.type', 'is no server that converge installs', 'set postgres or mysql')
  if (kind === databaseKind('mysql') && node.plone_instances.relstorage.keep_history !== false)
    values.refuse(
      'plone_instances.relstorage.keep_history',
      'is not false, and RelStorage cannot store history in MariaDB',
      'set it to false, or set plone_instances.relstorage.db.type to postgres',
    )
  values.check()
  const key = 'plone_instances.relstorage.server.listen_addr'
  const account = {
    name: `${given.name.value}`,
    user: `${given.user.value}`,
    password: `${given.password.value}`,
    port: port ?? kind?.port ?? 0,
    addresses: stackAddresses(node, node.plone_instances.relstorage.server.listen_addr, key),
  }
  return kind === databaseKind('postgres') ? postgresql(node, account) : mariadb(node, account)
}

const socketDirectory = '/var/run/postgresql'
const postgresqlClusters = '/etc/postgresql/'

function postgresql(node: SiteNode, { name, user, password, port, addresses }: Account): PackagedService {
  return {
    name: 'postgresql',
    packageName: 'postgresql',
    program: 'psql',
    ready: {
      kind: 'command',
      title: 'pg_isready',
      command: ['pg_isready', '-q', '-h', socketDirectory, '-p', `${port}`],
      environment: {},
    },
    files: (r) => {
      const { version } = versioned_program(r, { path: postgresqlClusters })
      const clusterFile = (path: string) => derived(version, (number) => `${postgresqlClusters}${number}/main/${path}`)
      const lines = [`listen_addresses = '${addresses.join(',')}'`, `port = ${port}`]
      const owner = { owner: 'postgres', group: 'postgres' }
      // The file below is one of several in conf.d; the owner of the cluster is the package's.
      directory(r, { path: clusterFile('conf.d'), mode: '0755', ...owner })
      const settings = file(r, {
        path: clusterFile('conf.d/converge.conf'),
        content: `${header}\n${lines.join('\n')}\n`,
        mode: '0644',
        ...owner,
      })
      const block = admittedHosts(node, addresses).map(
        (address) => `host all ${hbaName(user)} ${address} scram-sha-256\n`,
      )
      const rules = { path: clusterFile('pg_hba.conf'), name: 'hosts of the stack', block: block.join('') }
      const admitted = block_in_file(r, rules)
      execute(r, {
        name: 'PostgreSQL reads which hosts it admits',
        // A server that does not run yet reads the file when it starts.
        command: ['sh', '-c', reloadIfRunning, 'sh', socketDirectory, `${port}`],
        user: 'postgres',
        when: [admitted],
      })
      return [settings]
    },
    afterStart(r) {
      // A backup is verified in a database of its own.
      postgresql_role(r, { name: user, password, port, createDatabase: true })
      postgresql_database(r, { name, owner: user, port, encoding: 'UTF8' })
    },
  }
}

const reloadIfRunning =
  'if pg_isready -q -h "$1" -p "$2"; then psql -XAtqw -h "$1" -p "$2" -c "SELECT pg_reload_conf()"; fi'

/** Formats a name so that it is no keyword of pg_hba.conf. */
function hbaName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Returns who may log in over the network, as CIDR; the package admits 127.0.0.1. */
function admittedHosts(node: SiteNode, addresses: readonly string[]): string[] {
  if (isLoopbackOnly(addresses)) return []
  const { network } = node.plone_instances.relstorage.server
  if (isSet(network)) return network.split(/[\s,]+/).filter(isSet)
  return privateAddresses(node).map((address) => `${address}/${address.includes(':') ? 128 : 32}`)
}

/** Databases that the account may make beside its own, to verify and restore a backup. */
const scratchNames = ['verify', 'restoring', 'before_restore']

function mariadb(_: SiteNode, { name, user, password, port, addresses }: Account): PackagedService {
  const settings = [
    '[mysqld]',
    `bind-address = ${addresses.join(',')}`,
    `port = ${port}`,
    '# RelStorage uses SQL that MariaDB does not have, unless the server reports an earlier version.',
    `version = ${reportedVersion}`,
  ]
  return {
    name: 'mariadb',
    packageName: 'mariadb-server',
    program: 'mariadbd',
    ready: {
      kind: 'command',
      title: 'mariadb-admin ping',
      command: ['mariadb-admin', '--silent', 'ping'],
      environment: {},
    },
    files: (r) => [
      file(r, {
        path: '/etc/mysql/mariadb.conf.d/90-converge.cnf',
        content: `${header}\n${settings.join('\n')}\n`,
        mode: '0644',
      }),
    ],
    afterStart(r) {
      mysql_database(r, { name, characterSet: 'utf8mb4' })
      const own = [name, ...scratchNames.map((purpose) => `${name}_${purpose}`)]
      mysql_user(r, {
        name: user,
        password,
        host: isLoopbackOnly(addresses) ? 'localhost' : '%',
        grants: Object.fromEntries(own.map((one) => [`${one}.*`, ['ALL']])),
      })
    },
  }
}

export default packagedServiceRole(
  'relstorage-server',
  'The database of RelStorage: PostgreSQL or MariaDB',
  relstorageServer,
)
