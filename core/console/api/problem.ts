/** Defines the errors that the API returns. */
import * as z from 'zod'

/** A request that is refused. Thrown by handlers, and returned as JSON. */
export class Problem extends Error {
  constructor(
    readonly status: ProblemStatus,
    readonly code: string,
    message: string,
    readonly details: { readonly hint?: string; readonly fields?: readonly FieldProblem[] } = {},
  ) {
    super(message)
  }

  body(): z.output<typeof problemSchema> {
    const { hint = null, fields } = this.details
    return { error: { code: this.code, message: this.message, hint, ...(fields && { fields: [...fields] }) } }
  }
}

export interface FieldProblem {
  /** Such as `body.batch`. */
  readonly path: string
  readonly message: string
}

export const problemSchema = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    hint: z.string().nullable(),
    /** Each wrong value of the request. */
    fields: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  }),
})

export type ProblemStatus = keyof typeof problemDescriptions

export const problemDescriptions = {
  400: 'The request is wrong',
  401: 'No valid session or token',
  403: 'Not permitted',
  404: 'Not found',
  405: 'Another method is required',
  409: 'The current state does not permit this',
  413: 'The body is too large',
  415: 'The body is not JSON',
  429: 'Too many failed logins',
  500: 'The console has a fault',
  502: 'The stack, or another service, cannot be reached',
} as const
