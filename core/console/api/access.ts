/**
 * Decides who may send which request, by the requirement that its route names. A handler checks only what depends on the
 * body of a request: a signature, the level that a new token or webhook gets, or a password that must be entered again.
 */
import type { Level } from '../access/levels.ts'
import { includesLevel } from '../access/levels.ts'
import type { Actor, Sessions } from '../access/sessions.ts'
import { Problem } from './problem.ts'

/**
 * The requirement of a route: nothing, any account, an administrator, or a level for the stack in its path. A route of a
 * deployment requires the level for the stack of that deployment. `signed`: the handler checks a signature over the body.
 */
export type Access = 'public' | 'signed' | 'account' | 'admin' | Exclude<Level, 'deny'>

export interface AccessOptions {
  readonly sessions: Sessions
  /** Origin from which browsers may send requests that change something; null: that of the request itself. */
  readonly origin: string | null
  /** Returns the stack of a deployment. */
  readonly stackOfDeployment: (id: number) => string | undefined
}

/** The parts of a request that decide about access. */
export interface Credentials {
  readonly method: string
  /** The header Host. */
  readonly host: string
  readonly origin: string | undefined
  readonly authorization: string | undefined
  readonly cookie: string | undefined
  readonly params: Readonly<Record<string, string>>
}

const safeMethods: readonly string[] = ['GET', 'HEAD']

/**
 * Returns who sends a permitted request; null on public routes without a session.
 * @throws Problem if it is not permitted
 */
export function checkAccess(access: Access, request: Credentials, options: AccessOptions): Actor | null {
  if (access === 'signed') return null
  const actor = actorOf(request, options)
  if (access === 'public') return actor ?? null
  if (actor === undefined)
    throw new Problem(401, 'NOT_LOGGED_IN', 'no valid session or token', {
      hint: 'log in, or send the header Authorization: Bearer TOKEN',
    })
  if (access === 'account') return actor
  if (access === 'admin') {
    if (!actor.isAdmin) throw new Problem(403, 'FORBIDDEN', 'only an administrator may do this')
    return actor
  }
  const stack = stackOf(request, options)
  const level = stack === undefined ? 'deny' : actor.levelOf(stack)
  // An account that may not see a stack does not learn whether it exists.
  if (level === 'deny') throw new Problem(404, 'NOT_FOUND', 'there is no such stack or deployment')
  if (!includesLevel(level, access))
    throw new Problem(403, 'FORBIDDEN', `this needs the level ${access} for ${stack}; you have ${level}`, {
      hint: 'ask an administrator for the level',
    })
  return actor
}

/** Decides whether a request that was permitted still is. */
export function isPermitted(access: Access, request: Credentials, options: AccessOptions): boolean {
  try {
    checkAccess(access, request, options)
    return true
  } catch (error) {
    if (error instanceof Problem) return false
    throw error
  }
}

/** Returns the stack that a request is about: that of its path, or of the deployment in its path. */
function stackOf({ params }: Credentials, { stackOfDeployment }: AccessOptions): string | undefined {
  if (params.stack !== undefined) return params.stack
  return params.deployment === undefined ? undefined : stackOfDeployment(Number(params.deployment))
}

function actorOf(request: Credentials, { sessions, origin }: AccessOptions): Actor | undefined {
  const token = /^Bearer (\S+)$/.exec(request.authorization ?? '')?.[1]
  // A pipeline sends no cookies, so no other site can use its token.
  if (token !== undefined) return sessions.actorOfToken(token)
  if (!safeMethods.includes(request.method) && !isOwnOrigin(request, origin))
    throw new Problem(403, 'FOREIGN_ORIGIN', 'the request comes from another site', {
      hint: 'use the pages of the console itself, or a token',
    })
  return request.cookie === undefined ? undefined : sessions.actorOfSession(request.cookie)
}

/** Browsers send the header Origin with every request that changes something. */
function isOwnOrigin({ origin, host }: Credentials, own: string | null): boolean {
  return own === null ? origin === `http://${host}` || origin === `https://${host}` : origin === own
}
