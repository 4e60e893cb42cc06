/** Imitates a MariaDB server on the host in memory, which can refuse the login of root. */
import type { CommandHandler } from '../../core/host/virtual.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { mariadb as imitated } from '../../recipes/testing/mariadb.ts'

export { giveMariadb, readMariadb } from '../../recipes/testing/mariadb.ts'

export const mariadb: CommandHandler = (argv, options, host) => {
  if (host.stat('/var/lib/mysql.denied') === null) return imitated(argv, options, host)
  throw new ConvergeError('mariadb exited with status 1', {
    code: 'COMMAND_FAILED',
    output: "ERROR 1698 (28000): Access denied for user 'root'@'localhost'",
  })
}
