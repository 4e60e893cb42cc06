/** Describes routes as data: what each needs, takes and answers. One description gives validation, access and OpenAPI. */
import * as z from 'zod'
import type { Actor } from '../access/sessions.ts'
import type { StackSource } from '../stack/stack_command.ts'
import type { Access } from './access.ts'
import { Problem } from './problem.ts'

type Shape = Readonly<Record<string, z.ZodType>>
type NoShape = Readonly<Record<never, z.ZodType>>
type Values<S extends Shape> = { readonly [K in keyof S]: z.output<S[K]> }

export interface RouteRequest<P extends Shape, Q extends Shape, B> {
  readonly params: Values<P>
  readonly query: Values<Q>
  readonly body: B
  /** Null on public routes without a session. */
  readonly actor: Actor | null
  /** Address of the client. */
  readonly address: string
  /** The value of the cookie of the session. */
  readonly session: string | undefined
  /** Reads the body as it arrived; for routes without a description of their body. */
  bytes(): Promise<Uint8Array>
  /** Checks again whether the request is permitted, for an answer that takes long. */
  isPermitted(): boolean
  /** Returns a header of the request, by its name in lower case. */
  header(name: string): string | undefined
  /** Sets the cookie of the session; null removes it. */
  setSession(value: string | null): void
  /** The value of the cookie of a login that has begun at the provider. */
  readonly loginKey: string | undefined
  /** Sets the cookie of such a login; null removes it. */
  setLoginKey(value: string | null): void
  /** The query as it arrived, such as `?code=…`. */
  readonly search: string
  /** Returns an answer that sends the browser to a path of the console. */
  redirect(path: string): Response
}

export interface Route<P extends Shape = Shape, Q extends Shape = Shape, B = unknown, A = unknown> {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** Such as `/api/stacks/{stack}`. */
  readonly path: string
  readonly access: Access
  /** First line of its description. */
  readonly summary: string
  readonly params: P
  readonly query: Q
  readonly body: z.ZodType<B> | null
  readonly answer: z.ZodType<A>
  /** Content type of the answer, if the handler returns a response of its own. Default `application/json`. */
  readonly contentType?: string
  /** Default 200. */
  readonly status?: 200 | 201 | 302
  /** Whether other services add parameters to the query, which the handler reads itself. */
  readonly takesAnyQuery?: boolean
  handle(request: RouteRequest<P, Q, B>): Promise<A> | A
}

type Definition<P extends Shape, Q extends Shape, B, A> = Omit<Route<P, Q, B, A>, 'params' | 'query' | 'body'> & {
  readonly params?: P
  readonly query?: Q
  readonly body?: z.ZodType<B>
}

/** Defines a route. Without `params`, `query` or `body`, it takes none of these. */
export function route<P extends Shape = NoShape, Q extends Shape = NoShape, B = undefined, A = unknown>(
  definition: Definition<P, Q, B, A>,
): Route {
  const { params = {}, query = {}, body = null } = definition
  return { ...definition, params, query, body } as unknown as Route
}

/** Returns the account of a route that requires one. */
export function accountOf({ actor }: { readonly actor: Actor | null }): Actor {
  if (actor === null) throw new Error('the route does not require an account')
  return actor
}

/** A number in a path or a query. */
export const idSchema = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER)

/** The stacks of the console, by name. */
export type StackSources = ReadonlyMap<string, StackSource>

/**
 * Returns how the console reaches a stack.
 * @throws Problem if the console does not have it
 */
export function sourceOf(stacks: StackSources, name: string): StackSource {
  const found = stacks.get(name)
  if (found === undefined) throw new Problem(404, 'NOT_FOUND', 'there is no such stack or deployment')
  return found
}
