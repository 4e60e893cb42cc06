/** Runs `converge stack userdata HOST`: writes the user data that initializes a new host of the stack. */
import { fstatSync } from 'node:fs'
import { newHostKey, publicKeysFor, publicKeysIn, refuseKnownHost, storeHostKey } from '../../fleet/ssh/new_host.ts'
import { resolveTarget } from '../../fleet/ssh/target.ts'
import { readUserConfig } from '../../fleet/ssh/user_config.ts'
import { isHostName, userData } from '../../fleet/stack/user_data.ts'
import { shellWords } from '../../text/shell.ts'
import type { ExitStatus } from '../exit_status.ts'
import { writeOutputFile } from '../output_file.ts'
import { printContent, printError } from '../print.ts'
import { withHome } from './hosts.ts'
import { stackInputs } from './inputs.ts'
import { requestedHost } from './requested_host.ts'
import type { StackCommand } from './stack_command.ts'

export async function userdata<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { args } = call
  const { stack } = await stackInputs(call)
  const host = requestedHost(stack, args.argument)
  const { name } = host
  const config = await readUserConfig()
  const target = resolveTarget(withHome(host), config)
  for (const message of config.warnings) print(`warning: ${message}`)
  const authorizedKeys = args.authorizedKey ? await publicKeysIn(args.authorizedKey) : await publicKeysFor(target)
  if (args.hostKey) refuseKnownHost(target)
  const hostKey = args.hostKey ? await newHostKey(name) : null
  const sudo = host.sudo === false || target.user === 'root' ? 'none' : host.sudo === 'password' ? 'password' : 'free'
  const file = args.stack === undefined ? [] : ['--stack', args.stack]
  const where = [...file, ...(stack.environment === null ? [] : ['--environment', stack.environment])]
  const trust = hostKey === null ? ['--accept-new'] : []
  const text = userData({
    stack: stack.name,
    nextCommand: `converge ${shellWords(['stack', 'setup', ...where, '--host', name, ...trust])}`,
    name,
    authorizedKeys,
    hostKey,
    sudo,
    user: target.user,
    port: target.port,
  })
  if (args.output === undefined) printContent(text)
  else write(args.output, text)
  if (hostKey !== null && args.output === undefined && isReadByOthers(1))
    print('warning: the private key of the host is in a file that others may read: chmod 600 it, or use --output')
  if (!isHostName(name))
    print(
      `warning: "${name}" is not a valid host name (letters, digits and dashes): the host keeps the name of its image`,
    )
  if (hostKey !== null) print(`${name} is known by its new key from now on, in ${storeHostKey(target, hostKey)}`)
  if (sudo === 'password')
    print(
      `warning: sudo asks ${target.user} for a password, and the account has none yet: add passwd (mkpasswd -m sha-512 prints it) to the account there`,
    )
  return 0
}

function print(text: string): void {
  printError(`${text}\n`)
}

function isReadByOthers(descriptor: number): boolean {
  const stats = fstatSync(descriptor)
  return stats.isFile() && (stats.mode & 0o077) !== 0
}

function write(file: string, text: string): void {
  writeOutputFile(file, text, {
    failure: `cannot write ${file}`,
    code: 'NOT_WRITABLE',
    hint: 'give --output a file in a directory that exists and that you may write to',
  })
}
