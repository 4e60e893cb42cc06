/** Serves the routes over HTTP: access, validation, limits, security headers, and errors as JSON. */
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import * as z from 'zod'
import { asConvergeError } from '../../model/errors.ts'
import { attemptSeconds } from '../access/login_attempts.ts'
import { sessionHours } from '../access/sessions.ts'
import { type AccessOptions, checkAccess, isPermitted } from './access.ts'
import { type FieldProblem, Problem, type ProblemStatus } from './problem.ts'
import type { Route } from './route.ts'

const maxBodyBytes = 1024 * 1024
/** Browsers accept it only over TLS or from the own computer, without a domain, and for all paths. */
const sessionCookie = '__Host-converge'
const loginCookie = '__Host-converge-login'

/** Statuses for errors of `converge stack`. */
const commandErrors: Readonly<Record<string, ProblemStatus>> = {
  STACK_UNREADABLE: 502,
  UNKNOWN_ATTRIBUTE: 404,
  NO_HOSTS: 409,
  NO_RUNNING_DEPLOYMENT: 409,
}

export interface ServerOptions extends AccessOptions {
  readonly routes: readonly Route[]
  /** Returns the address of the client of a request. */
  readonly addressOf: (c: Context) => string
  /** Called for each fault of the console itself. */
  readonly reportFault: (error: unknown) => void
}

export function serverApp(options: ServerOptions): Hono {
  const app = new Hono()
  app.use(securityHeaders)
  app.use(bodyLimit({ maxSize: maxBodyBytes, onError: () => tooLarge() }))
  const pathOf = ({ path }: Route) => path.replaceAll(/\{(\w+)\}/g, ':$1')
  for (const route of options.routes)
    app.on(route.method.toUpperCase(), pathOf(route), (c) => respond(c, route, options))
  for (const path of new Set(options.routes.map(pathOf))) {
    const methods = options.routes.filter((route) => pathOf(route) === path).map(({ method }) => method.toUpperCase())
    app.all(path, (c) => wrongMethod(c, methods))
  }
  app.notFound((c) => c.json(new Problem(404, 'NOT_FOUND', `there is nothing at ${c.req.path}`).body(), 404))
  app.onError((thrown, c) => {
    if (thrown instanceof Problem) return c.json(thrown.body(), thrown.status)
    const error = asConvergeError(thrown)
    const status = commandErrors[error.code]
    if (status !== undefined)
      return c.json(new Problem(status, error.code, error.message, { hint: error.hint ?? '' }).body(), status)
    options.reportFault(thrown)
    return c.json(new Problem(500, 'FAULT', 'the console has a fault; its log says more').body(), 500)
  })
  return app
}

async function respond(c: Context, route: Route, options: ServerOptions): Promise<Response> {
  const { access, params, query, body, status = 200, takesAnyQuery = false } = route
  const session = getCookie(c, sessionCookie)
  const credentials = {
    method: c.req.method,
    host: c.req.header('host') ?? '',
    params: c.req.param(),
    origin: c.req.header('origin'),
    authorization: c.req.header('authorization'),
    cookie: session,
  }
  const actor = checkAccess(access, credentials, options)
  const problems: FieldProblem[] = []
  const parse = (schema: z.ZodType, value: unknown, part: string) => {
    const { success, data, error } = schema.safeParse(value)
    if (success) return data
    for (const { path, message } of error.issues) problems.push({ path: [part, ...path].join('.'), message })
  }
  const parsed = {
    params: parse(z.object(params), c.req.param(), 'path'),
    query: parse(takesAnyQuery ? z.object(query) : z.strictObject(query), c.req.query(), 'query'),
    body: body === null ? undefined : parse(body, await jsonBody(c), 'body'),
  }
  if (problems.length > 0) {
    const message = problems.map(({ path, message }) => `${path}: ${message}`).join('; ')
    throw new Problem(400, 'INVALID_REQUEST', message, { fields: problems })
  }
  const answer = await route.handle({
    ...(parsed as Pick<Parameters<Route['handle']>[0], 'params' | 'query' | 'body'>),
    actor,
    address: options.addressOf(c),
    session,
    isPermitted: () => isPermitted(access, credentials, options),
    header: (name) => c.req.header(name),
    bytes: async () => new Uint8Array(await c.req.arrayBuffer()),
    setSession: (value) => writeCookie(c, sessionCookie, value, sessionHours * 60 * 60),
    loginKey: getCookie(c, loginCookie),
    setLoginKey: (value) => writeCookie(c, loginCookie, value, attemptSeconds),
    search: new URL(c.req.url).search,
    redirect: (path) => c.redirect(path, 302),
  })
  if (answer instanceof Response) return answer
  return c.json(answer as object, status)
}

/** @param value null removes the cookie */
function writeCookie(c: Context, name: string, value: string | null, maxAge: number): void {
  if (value === null) deleteCookie(c, name, { path: '/', secure: true })
  else setCookie(c, name, value, { path: '/', secure: true, httpOnly: true, sameSite: 'Lax', maxAge })
}

/** A form of another site can send text, and no JSON with this type. */
async function jsonBody(c: Context): Promise<unknown> {
  if (!/^application\/json\s*(;|$)/i.test(c.req.header('content-type') ?? ''))
    throw new Problem(415, 'NOT_JSON', 'the body must be JSON, with the header Content-Type: application/json')
  try {
    return await c.req.json()
  } catch (cause) {
    throw new Problem(400, 'INVALID_JSON', `the body is not valid JSON: ${(cause as Error).message}`)
  }
}

function wrongMethod(c: Context, methods: readonly string[]): Response {
  // A browser asks with HEAD for what GET answers.
  const allowed = [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ')
  c.header('Allow', allowed)
  const problem = new Problem(405, 'WRONG_METHOD', `${c.req.method} is not possible here`, { hint: `use ${allowed}` })
  return c.json(problem.body(), 405)
}

function tooLarge(): Response {
  const body = new Problem(413, 'TOO_LARGE', `the body is larger than ${maxBodyBytes} bytes`).body()
  return Response.json(body, { status: 413 })
}

const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

async function securityHeaders(c: Context, next: () => Promise<void>): Promise<void> {
  await next()
  // A page with its own policy, such as a report, has a stricter one.
  if (!c.res.headers.has('Content-Security-Policy')) c.header('Content-Security-Policy', contentSecurityPolicy)
  c.header('X-Content-Type-Options', 'nosniff')
  c.header('Referrer-Policy', 'no-referrer')
  c.header('Cross-Origin-Opener-Policy', 'same-origin')
  c.header('Cross-Origin-Resource-Policy', 'same-origin')
  if (c.req.path.startsWith('/api/')) c.header('Cache-Control', 'no-store')
}
