/** Starts the console: opens its database, continues the deployments of an earlier process, serves the API and the pages. */
import { mkdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { type Lock, tryLock } from '../host/lock.ts'
import { ConvergeError } from '../model/errors.ts'
import { Accounts } from './access/accounts.ts'
import { Audit } from './access/audit.ts'
import { LoginAttempts } from './access/login_attempts.ts'
import { LoginLimit } from './access/login_limit.ts'
import { Provider } from './access/provider.ts'
import { ProviderAccounts } from './access/provider_accounts.ts'
import { SecondFactors } from './access/second_factor.ts'
import { Sessions } from './access/sessions.ts'
import { accountRoutes } from './api/account_routes.ts'
import { balancerRoutes } from './api/balancer_routes.ts'
import { clientAddress } from './api/client_address.ts'
import { deploymentRoutes } from './api/deployment_routes.ts'
import { documentRoutes } from './api/document_routes.ts'
import { hostRoutes } from './api/host_routes.ts'
import { noticeRoutes } from './api/notice_routes.ts'
import { callbackPath, providerRoutes } from './api/provider_routes.ts'
import type { Route } from './api/route.ts'
import { scheduleRoutes } from './api/schedule_routes.ts'
import { serverApp } from './api/server_app.ts'
import { sessionRoutes } from './api/session_routes.ts'
import { stackRoutes } from './api/stack_routes.ts'
import { webhookRoutes } from './api/webhook_routes.ts'
import { Runner } from './deployments/runner.ts'
import { StackSettings } from './deployments/stack_settings.ts'
import { DeploymentStore } from './deployments/store.ts'
import { NoticeSender } from './notices/sender.ts'
import { Targets } from './notices/targets.ts'
import { servePages } from './pages.ts'
import { Retention } from './retention.ts'
import { Scheduler } from './schedules/scheduler.ts'
import { Schedules } from './schedules/schedules.ts'
import { type ConsoleSettings, defaultSettings } from './settings.ts'
import { HostStates } from './stack/host_states.ts'
import { RepositoryReader } from './stack/repository_reader.ts'
import { type StackSource, stackCommand } from './stack/stack_command.ts'
import { StackReader } from './stack/stack_reader.ts'
import { Database, databaseFile } from './storage/database.ts'
import { Webhooks } from './webhooks/webhooks.ts'

export interface ConsoleOptions {
  /** Directory of the database and of the files of deployments; created with mode 0700. */
  readonly directory: string
  /** The stacks of the console, see `readStacks`. */
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
  /** Default: accounts with passwords, and no other login. */
  readonly settings?: ConsoleSettings
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
 * Starts the console, and prints its address for the operator, and the link for the first account.
 * @throws CONSOLE_RUNS if another console uses the directory
 * @throws CONSOLE_DATABASE, CANNOT_LISTEN
 */
export async function startConsole(options: ConsoleOptions): Promise<RunningConsole> {
  const lock = lockDirectory(options.directory)
  try {
    const database = new Database(databaseFile(options.directory))
    try {
      database.check()
      return await serve(options, database, lock)
    } catch (error) {
      database.close()
      throw error
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

function lockDirectory(directory: string): Lock {
  const attempt = tryLockDirectory(directory)
  if ('lock' in attempt) return attempt.lock
  throw new ConvergeError(`a console already uses ${directory}: process ${attempt.holder.pid}`, {
    code: 'CONSOLE_RUNS',
    hint: 'end it first, or name another directory with --state-dir',
    usage: true,
  })
}

/** @throws CONSOLE_DATABASE if the directory cannot be written */
function tryLockDirectory(directory: string): ReturnType<typeof tryLock> {
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

async function serve(options: ConsoleOptions, database: Database, lock: Lock): Promise<RunningConsole> {
  const { directory, program, version, print } = options
  const { localAccounts, oidc, mail, permittedAddresses } = options.settings ?? defaultSettings()
  const now = () => new Date()
  const reportFault = (error: unknown) =>
    print(`fault: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  const accounts = new Accounts(database, now, localAccounts)
  accounts.endForbiddenSessions(oidc !== null)
  const provider = oidc && new Provider(oidc, now)
  const sessions = new Sessions(database, accounts, now)
  const factors = new SecondFactors(database, now)
  const audit = new Audit(database, now)
  const settings = new StackSettings(database)
  const store = new DeploymentStore(database, now)
  const stacks = new Map(options.stacks.map((stack) => [stack.name, stack]))
  const names = [...stacks.keys()]
  const runner = new Runner({
    store,
    audit,
    stacks,
    now,
    program,
    directory: `${directory}/deployments`,
    requiresSecondPerson: (stack) => settings.requiresSecondPerson(stack),
    reportFault,
  })
  const retention = new Retention({
    store,
    audit,
    now,
    reportFault,
    days: options.keepDays ?? defaultKeepDays,
    deployments: `${directory}/deployments`,
    repositories: `${directory}/repositories`,
  })
  const targets = new Targets(database, now)
  let url = options.url
  const sender = new NoticeSender({
    targets,
    store,
    now,
    mail,
    reportFault,
    permittedAddresses,
    mayNotify: (account, stack) => sessions.actorOfAccount(account)?.levelOf(stack) === 'manage',
    url: () => url ?? '',
  })
  const schedules = new Schedules(database, now)
  const scheduler = new Scheduler({ schedules, store, sessions, audit, stacks: names, now, reportFault })
  const command = stackCommand(program)
  const reader = new StackReader(command)
  const states = new HostStates(command, now)
  const repositories = new RepositoryReader(`${directory}/repositories`)
  const limit = new LoginLimit(now)
  const documentedRoutes = [
    ...sessionRoutes({ accounts, sessions, factors, limit, audit, stacks: names }),
    ...providerRoutes({
      provider,
      sessions,
      limit,
      audit,
      localAccounts,
      print,
      origin: options.url,
      attempts: new LoginAttempts(now),
      providerAccounts: new ProviderAccounts(database, accounts, now),
    }),
    ...accountRoutes({ accounts, sessions, factors, audit, stacks: names, now }),
    ...stackRoutes({ stacks, reader, repositories, store, settings, audit }),
    ...hostRoutes({ stacks, reader, states, command, audit }),
    ...deploymentRoutes({ store, runner, audit, stacks, command, reader }),
    ...balancerRoutes({ stacks, command, audit }),
    ...scheduleRoutes({ schedules, audit, now }),
    ...noticeRoutes({ targets, audit, hasMail: mail !== null }),
    ...webhookRoutes({ webhooks: new Webhooks(database, now), sessions, store, audit, now }),
  ]
  const routes = [...documentedRoutes, ...documentRoutes(documentedRoutes, version)]
  const app = serverApp({
    routes,
    sessions,
    origin: options.url,
    stackOfDeployment: (id) => (Number.isSafeInteger(id) ? store.find(id)?.stack : undefined),
    addressOf: clientAddress,
    reportFault,
  })
  servePages(app, options.pages)
  const stopAll = () => {
    for (const one of [runner, scheduler, sender, retention]) one.stop()
  }
  const server = createAdaptorServer({ fetch: app.fetch })
  const address = await listen(server, options)
  try {
    url ??= address
    if (accounts.isEmpty() && localAccounts) {
      const key = accounts.invite({ isAdmin: true, levels: {} })
      print(`make the first account within a day: ${url}/#/invitation/${key}`)
    }
    if (provider !== null) print(`register this redirect address at the provider: ${url}${callbackPath}`)
    print(`console for ${names.join(', ')}: ${url}`)
    runner.start()
    scheduler.start()
    sender.start()
    retention.start()
  } catch (error) {
    stopAll()
    await close(server)
    throw error
  }
  return {
    address,
    routes,
    stop: async () => {
      stopAll()
      await close(server)
      database.close()
      lock.release()
    },
  }
}

type Server = ReturnType<typeof createAdaptorServer>

/** @returns the address of the server, such as `http://127.0.0.1:8484` */
async function listen(server: Server, { host, port }: Pick<ConsoleOptions, 'host' | 'port'>): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new ConvergeError(`cannot listen on ${host}:${port}: ${cause.message}`, {
          code: 'CANNOT_LISTEN',
          hint: 'choose another address with --listen',
          cause,
          usage: true,
        }),
      ),
    )
    server.listen(port, host, resolve)
  })
  const bound = server.address() as AddressInfo
  return `http://${bound.address.includes(':') ? `[${bound.address}]` : bound.address}:${bound.port}`
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    // Browsers keep their connections for events open.
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
}
