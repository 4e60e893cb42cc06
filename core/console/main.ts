/** Starts the console: opens its database, continues the deployments of an earlier one, and serves the API and the pages. */
import { existsSync, mkdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { getConnInfo } from '@hono/node-server/conninfo'
import type { Context } from 'hono'
import { tryLock } from '../host/lock.ts'
import { ConvergeError } from '../model/errors.ts'
import { Accounts } from './access/accounts.ts'
import { Audit } from './access/audit.ts'
import { LoginLimit } from './access/login_limit.ts'
import { SecondFactors } from './access/second_factor.ts'
import { Sessions } from './access/sessions.ts'
import { accountRoutes } from './api/account_routes.ts'
import { deploymentRoutes } from './api/deployment_routes.ts'
import { documentRoutes } from './api/document_routes.ts'
import { hostRoutes } from './api/host_routes.ts'
import type { Route } from './api/route.ts'
import { serverApp } from './api/server_app.ts'
import { sessionRoutes } from './api/session_routes.ts'
import { stackRoutes } from './api/stack_routes.ts'
import { webhookRoutes } from './api/webhook_routes.ts'
import { Runner, type StackSource } from './deployments/runner.ts'
import { StackSettings } from './deployments/stack_settings.ts'
import { DeploymentStore } from './deployments/store.ts'
import { servePages } from './pages.ts'
import { Retention } from './retention.ts'
import { HostStates } from './stack/host_states.ts'
import { RepositoryReader } from './stack/repository_reader.ts'
import { stackCommand } from './stack/stack_command.ts'
import { StackReader } from './stack/stack_reader.ts'
import { Database } from './storage/database.ts'
import { Webhooks } from './webhooks/webhooks.ts'

export interface ConsoleOptions {
  /** Directory of the database and of the files of deployments; created with mode 0700. */
  readonly directory: string
  /** Each with the name in its file, see `readStacks`. */
  readonly stacks: readonly StackSource[]
  /** Words that start converge: Node and the program. */
  readonly program: readonly string[]
  readonly version: string
  readonly host: string
  /** 0: a free one. */
  readonly port: number
  /** Address under which browsers reach it, such as `https://deploy.example.com`; null: that of each request. */
  readonly url: string | null
  /** Days for which ended deployments and audit entries are kept; default `defaultKeepDays`. */
  readonly keepDays?: number
  /** Directory of the browser's files. */
  readonly pages: string
  /** Prints a line for the operator. */
  readonly print: (line: string) => void
}

/** A year. */
const defaultKeepDays = 365

export interface RunningConsole {
  /** Such as `http://127.0.0.1:8484`. */
  readonly address: string
  readonly routes: readonly Route[]
  /** Ends the server. Rollouts continue in their own processes. */
  stop(): Promise<void>
}

/**
 * @throws CONSOLE_RUNS if another console uses the directory
 * @throws CONSOLE_DATABASE, CANNOT_LISTEN
 */
export async function startConsole(options: ConsoleOptions): Promise<RunningConsole> {
  const { directory, version, print } = options
  const attempt = lockDirectory(directory)
  if ('holder' in attempt)
    throw new ConvergeError(`a console already uses ${directory}: process ${attempt.holder.pid}`, {
      code: 'CONSOLE_RUNS',
      hint: 'end it first, or name another directory with --state-dir',
      usage: true,
    })
  const now = () => new Date()
  const reportFault = (error: unknown) =>
    print(`fault: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  const database = openDatabase(directory, attempt.lock)
  const accounts = new Accounts(database, now)
  const sessions = new Sessions(database, accounts, now)
  const factors = new SecondFactors(database, now)
  const audit = new Audit(database, now)
  const settings = new StackSettings(database)
  const store = new DeploymentStore(database, now)
  const stacks = new Map(options.stacks.map((one) => [one.name, one]))
  const names = [...stacks.keys()]
  const runner = new Runner({
    ...{ store, audit, stacks, now, program: options.program, directory: `${directory}/deployments` },
    needsSecondPerson: (stack) => settings.needsSecondPerson(stack),
    reportFault,
  })
  const retention = new Retention({
    ...{ store, audit, now, reportFault, days: options.keepDays ?? defaultKeepDays },
    ...{ deployments: `${directory}/deployments`, repositories: `${directory}/repositories` },
  })
  const command = stackCommand(options.program)
  const reader = new StackReader(command)
  const states = new HostStates(command, now)
  const repositories = new RepositoryReader(`${directory}/repositories`)
  const limit = new LoginLimit(now)
  const routes = [
    ...sessionRoutes({ accounts, sessions, factors, limit, audit, stacks: names }),
    ...accountRoutes({ accounts, sessions, factors, audit, stacks: names, now }),
    ...stackRoutes({ stacks, reader, repositories, store, settings, audit }),
    ...hostRoutes({ stacks, reader, states, command, audit }),
    ...deploymentRoutes({ store, runner, audit }),
    ...webhookRoutes({ webhooks: new Webhooks(database, now), sessions, store, audit, now }),
  ]
  const all = [...routes, ...documentRoutes(routes, version)]
  const app = serverApp({
    ...{ routes: all, sessions, origin: options.url },
    stackOfDeployment: (id) => (Number.isSafeInteger(id) ? store.find(id)?.stack : undefined),
    addressOf: (c) => clientAddress(c),
    reportFault,
  })
  servePages(app, options.pages)
  const server = createAdaptorServer({ fetch: app.fetch })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new ConvergeError(`cannot listen on ${options.host}:${options.port}: ${cause.message}`, {
          code: 'CANNOT_LISTEN',
          hint: 'choose another address with --listen',
          cause,
          usage: true,
        }),
      ),
    )
    server.listen(options.port, options.host, resolve)
  })
  const { address, port } = server.address() as AddressInfo
  const own = `http://${address.includes(':') ? `[${address}]` : address}:${port}`
  if (accounts.isEmpty()) {
    const key = accounts.invite({ isAdmin: true, levels: {} })
    print(`make the first account within a day: ${options.url ?? own}/#/invitation/${key}`)
  }
  print(`console for ${names.join(', ')}: ${options.url ?? own}`)
  runner.start()
  retention.start()
  return {
    address: own,
    routes: all,
    stop: async () => {
      runner.stop()
      retention.stop()
      await new Promise((resolve) => {
        server.close(resolve)
        // Browsers keep their connections for events open.
        if ('closeAllConnections' in server) server.closeAllConnections()
      })
      database.close()
      attempt.lock.release()
    },
  }
}

/** @throws CONSOLE_DATABASE if the directory cannot be written */
function lockDirectory(directory: string): ReturnType<typeof tryLock> {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    return tryLock(`${directory}/lock`, 'converge console')
  } catch (cause) {
    throw new ConvergeError(`cannot use the directory ${directory}: ${(cause as Error).message}`, {
      code: 'CONSOLE_DATABASE',
      hint: 'give the account of the console write access to it and free disk space, or name another one with --state-dir',
      cause,
      usage: true,
    })
  }
}

/** Opens the database, and checks all of it. @throws CONSOLE_DATABASE */
function openDatabase(directory: string, lock: { release(): void }): Database {
  try {
    const database = new Database(databaseFile(directory))
    database.check()
    return database
  } catch (error) {
    lock.release()
    throw error
  }
}

function databaseFile(directory: string): string {
  return `${directory}/console.sqlite`
}

/**
 * Reads the names of stacks.
 * @param files absolute paths of stack files
 * @throws STACK_UNREADABLE with what is wrong in a file
 */
export function readStacks(program: readonly string[], files: readonly string[]): Promise<StackSource[]> {
  const reader = new StackReader(stackCommand(program))
  return Promise.all(files.map((file) => reader.sourceOf(file)))
}

/** Makes an invitation for an administrator, also while the console runs. @throws NO_CONSOLE */
export function inviteAdministrator(directory: string): string {
  const database = existingDatabase(directory)
  try {
    return new Accounts(database, () => new Date()).invite({ isAdmin: true, levels: {} })
  } finally {
    database.close()
  }
}

/** Writes a copy of the database, also while the console runs. @throws NO_CONSOLE, CANNOT_COPY */
export function backupDatabase(directory: string, path: string): void {
  const database = existingDatabase(directory)
  try {
    // A restored console must not start automatically what was due when the copy was made.
    database.backup(path, (copy) =>
      new DeploymentStore(copy, () => new Date()).interruptActive('the console was restored from a backup'),
    )
  } finally {
    database.close()
  }
}

function existingDatabase(directory: string): Database {
  if (existsSync(databaseFile(directory))) return new Database(databaseFile(directory))
  throw new ConvergeError(`there is no console in ${directory}`, {
    code: 'NO_CONSOLE',
    hint: 'name its directory with --state-dir, or start the console first',
    usage: true,
  })
}

/** Returns the address of the client: behind a proxy on this computer, the one that the proxy has added last. */
function clientAddress(c: Context): string {
  const { address = '' } = getConnInfo(c).remote
  const isLocal = address === '::1' || /^(::ffff:)?127\./.test(address)
  const forwarded = c.req.header('x-forwarded-for')?.split(',').at(-1)?.trim()
  return isLocal && forwarded !== undefined ? forwarded : address
}
