/** Imitates mariadb(1) for the resource types of MariaDB: users and databases of one server, as JSON in a file. */

import type { CommandHandler, VirtualHost } from '../../core/host/virtual.ts'

const data = '/var/lib/mysql.json'

interface Database {
  characterSet: string
  collation: string
  objects: number
}

export interface FakeMariadb {
  /** By `name@host`. */
  users: Record<string, { login: object; grants: Record<string, string[]> }>
  databases: Record<string, Database>
}

/** Installs the server on a host, with these users and databases. */
export function giveMariadb(host: VirtualHost, content: Partial<FakeMariadb> = {}): void {
  host.given('/usr/bin/mariadb', '', '0755').given('/run/mysqld/mysqld.sock', { other: true })
  host.given(data, JSON.stringify({ users: {}, databases: {}, ...content }))
}

export function readMariadb(host: VirtualHost): FakeMariadb {
  return { users: {}, databases: {}, ...(JSON.parse(host.readText(data) ?? '{}') as Partial<FakeMariadb>) }
}

const text = "'((?:[^'\\\\]|\\\\.)*)'"
const unescaped = (quoted = '') => quoted.replace(/\\(.)/g, '$1')
const unquoted = (name = '') => name.slice(1, -1).replaceAll('``', '`')

export const mariadb: CommandHandler = ([program], { input = '' }, host) => {
  if (program !== '/usr/bin/mariadb') return null
  const content = readMariadb(host)
  const [first = '', ...others] = input.split(/;\n/).slice(1, -1)
  const find = (pattern: string) => new RegExp(pattern).exec(first)
  const database = find(`BINARY SCHEMA_NAME = ${text}`)
  if (database) return answer(content.databases[unescaped(database[1])])
  const user = find(`BINARY User = ${text} AND Host = ${text}`)
  if (user) return answer(content.users[`${unescaped(user[1])}@${unescaped(user[2])}`]?.login)
  const shown = find(`SHOW GRANTS FOR ${text}@${text}`)
  if (shown) return { stdout: grantLines(content, `${unescaped(shown[1])}@${unescaped(shown[2])}`) }
  for (const statement of [first, ...others]) execute(statement, content)
  host.given(data, JSON.stringify(content))
  return {}
}

const answer = (value: unknown) => ({ stdout: value === undefined ? '' : `${JSON.stringify(value)}\n` })

function grantLines({ users }: FakeMariadb, name: string): string {
  const lines = Object.entries(users[name]?.grants ?? {}).map(([target, privileges]) => {
    const names = privileges.filter((one) => one !== 'GRANT OPTION')
    const option = names.length < privileges.length ? ' WITH GRANT OPTION' : ''
    return `GRANT ${names.join(', ') || 'USAGE'} ON ${target} TO \`x\`@\`localhost\`${option}`
  })
  return ['GRANT USAGE ON *.* TO `x`@`localhost`', 'GRANT `role` TO `x`@`localhost`', ...lines, ''].join('\n')
}

function execute(statement: string, { users, databases }: FakeMariadb): void {
  const find = (pattern: string) => new RegExp(pattern).exec(statement)
  const account = find(`${text}@${text}`)
  const name = account ? `${unescaped(account[1])}@${unescaped(account[2])}` : ''
  const user = users[name]
  const [, database] = find('DATABASE (`.*?`)(?: |$)') ?? []
  const [, set] = find(`CHARACTER SET ${text}`) ?? []
  const [, collation] = find(`COLLATE ${text}`) ?? []
  const [, plugin, hash] = find(`IDENTIFIED VIA (\\w+)(?: USING ${text})?`) ?? []
  const [, privileges = '', target = ''] = find('^(?:GRANT|REVOKE) (.+) ON (\\S+) (?:TO|FROM)') ?? []
  const names = privileges.split(', ').filter((one) => one !== 'USAGE')
  const usual = { characterSet: 'utf8mb4', collation: 'utf8mb4_general_ci', objects: 0 }
  if (statement.startsWith('DROP DATABASE')) delete databases[unquoted(database)]
  else if (database !== undefined)
    databases[unquoted(database)] = {
      ...(databases[unquoted(database)] ?? usual),
      ...(set === undefined ? {} : { characterSet: set }),
      ...(collation === undefined ? {} : { collation }),
    }
  else if (statement.startsWith('DROP USER')) delete users[name]
  else if (plugin !== undefined)
    users[name] = { grants: {}, ...user, login: { plugin, authentication_string: hash ?? '' } }
  else if (statement.startsWith('REVOKE') && user)
    user.grants[target] = (user.grants[target] ?? []).filter(
      (one) => !names.includes(one) && !(names.includes('ALL PRIVILEGES') && one !== 'GRANT OPTION'),
    )
  else if (statement.startsWith('GRANT') && user) {
    const before = names.includes('ALL PRIVILEGES') ? [] : (user.grants[target] ?? [])
    user.grants[target] = [...before, ...names, ...(statement.endsWith('WITH GRANT OPTION') ? ['GRANT OPTION'] : [])]
  } else throw new Error(`unknown statement: ${statement}`)
}
