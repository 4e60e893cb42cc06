/** Runs `converge console`: checks Node and the options, reads the names of the stacks, and starts the console. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { ConvergeError } from '../../model/errors.ts'
import type { Secrets } from '../../model/secrets.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { print } from '../print.ts'
import { fileInWorkingDirectory } from '../stack/inputs.ts'
import { usage } from '../usage.ts'
import { runCommand } from './run.ts'

/** The first version with `node:sqlite` that needs no flag. */
const oldestNode = [22, 13] as const

/** The input that all parts of the command share. */
interface ConsoleCall<N> {
  readonly args: Arguments
  readonly catalogue: Catalogue<N>
  readonly secrets: Secrets
  readonly endProcess: () => void
}

export async function consoleCommand<N>(call: ConsoleCall<N>): Promise<ExitStatus> {
  checkNode(process.versions.node)
  try {
    return await runAction(call)
  } catch (thrown) {
    throw asOwnError(thrown)
  }
}

/** Converts an error of the console's bundle, which has its own copy of the class. */
function asOwnError(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof ConvergeError || thrown.name !== 'ConvergeError') return thrown
  const { message, code, hint, usage, cause } = thrown as ConvergeError
  return new ConvergeError(message, { code, usage, cause, ...(hint === undefined ? {} : { hint }) })
}

async function runAction<N>(call: ConsoleCall<N>): Promise<ExitStatus> {
  const { args, catalogue } = call
  const { startConsole, readStacks, readSettings, inviteAdministrator, backupDatabase } = await import(
    '../../console/main.ts'
  )
  const directory = args.stateDir === undefined ? defaultDirectory() : resolve(args.stateDir)
  const { host, port } = parseListenAddress(args.listen ?? '127.0.0.1:8484')
  const url = args.url === undefined ? null : parsePublicUrl(args.url)
  const keepDays = parseKeepDays(args.keepDays ?? '365')
  switch (args.argument) {
    case undefined:
      break
    case 'invite':
      print(`${url ?? `http://${host}:${port}`}/#/invitation/${inviteAdministrator(directory)}\n`)
      return 0
    case 'backup':
      if (args.secondArgument === undefined)
        throw usage('missing argument FILE', 'name the new file: converge console backup FILE')
      backupDatabase(directory, resolve(args.secondArgument))
      return 0
    case 'install':
      return install(call, { listen: args.listen ?? '127.0.0.1:8484', url, keepDays })
    case 'remove':
      return remove(call)
    default:
      throw usage(
        `unknown argument ${args.argument}: expected install, remove, invite or backup`,
        'converge console --help explains them',
      )
  }
  const settings = args.settings === undefined ? {} : { settings: readSettings(resolve(args.settings), process.env) }
  const program = programOf(catalogue)
  const stacks = await readStacks(program, await stackFiles(args))
  const names = stacks.map(({ name }) => name)
  const duplicate = names.find((name, at) => names.indexOf(name) !== at)
  if (duplicate !== undefined) throw usage(`two stack files have the name ${duplicate}`, 'change "name" in one of them')
  const running = await startConsole({
    directory,
    stacks,
    program,
    host,
    port,
    url,
    keepDays,
    version: catalogue.version,
    ...settings,
    pages: join(catalogue.engineDirectory(), 'console'),
    print: (line) => print(`${line}\n`),
  })
  await new Promise<void>((end) => {
    process.once('SIGINT', end)
    process.once('SIGTERM', end)
  })
  await running.stop()
  return 0
}

/** Installs the console as a service of this host, after its stack files were read. */
async function install<N>(
  call: ConsoleCall<N>,
  { listen, url, keepDays }: { readonly listen: string; readonly url: string | null; readonly keepDays: number },
): Promise<ExitStatus> {
  const { args, catalogue, secrets, endProcess } = call
  const { readStacks, readSettings } = await import('../../console/main.ts')
  const files = await stackFiles(args)
  await readStacks(programOf(catalogue), files)
  const settingsFile = args.settings === undefined ? null : resolve(args.settings)
  if (settingsFile !== null) readSettings(settingsFile, process.env)
  const program = programOf(catalogue)
  const service = await catalogue.console({ program, stackFiles: files, listen, url, settingsFile, keepDays })
  return runCommand(args, ['setup', 'configure'], false, catalogue, secrets, endProcess, service)
}

/** Removes the service; the account and its directory with the database stay. */
async function remove<N>({ args, catalogue, secrets, endProcess }: ConsoleCall<N>): Promise<ExitStatus> {
  const service = await catalogue.console({
    program: programOf(catalogue),
    stackFiles: [],
    listen: '',
    url: null,
    settingsFile: null,
    keepDays: 365,
  })
  return runCommand(args, ['undeploy'], false, catalogue, secrets, endProcess, service)
}

function programOf<N>(catalogue: Catalogue<N>): string[] {
  return [process.execPath, join(catalogue.engineDirectory(), 'start.cjs')]
}

async function stackFiles({ stack }: Arguments): Promise<string[]> {
  const files = stack?.split(',') ?? [await fileInWorkingDirectory()]
  return files.map((file) => resolve(file))
}

/** @throws NODE_TOO_OLD */
function checkNode(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [oldestMajor, oldestMinor] = oldestNode
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return
  throw new ConvergeError(`converge console requires Node ${oldestNode.join('.')} or later, and this is ${version}`, {
    code: 'NODE_TOO_OLD',
    hint: 'install Node 22 from nodejs.org, or with npm: npm install --prefix ~/node22 node@22; PATH=~/node22/node_modules/.bin:$PATH converge console',
    usage: true,
  })
}

function parseListenAddress(text: string): { readonly host: string; readonly port: number } {
  const [, host = '', digits = ''] = /^\[?([^\]]*)\]?:(\d{1,5})$/.exec(text) ?? []
  if (host === '' || Number(digits) > 65535)
    throw usage(`invalid --listen ${text}: expected ADDRESS:PORT`, 'for example --listen 127.0.0.1:8484')
  return { host, port: Number(digits) }
}

function parsePublicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw usage(`invalid --url ${text}: expected a scheme and a host`, 'for example --url https://deploy.example.com')
  return url.origin
}

function parseKeepDays(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text)
  throw usage(
    `invalid --keep-days ${text}: expected a whole number of days from 1 to 99999`,
    'for example --keep-days 365',
  )
}

function defaultDirectory(): string {
  if (process.getuid?.() === 0) return '/var/lib/converge/console'
  return join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local/state'), 'converge/console')
}
