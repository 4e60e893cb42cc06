/** Defines the fields of attributes that describe HTTP requests and their answers. */
import * as z from 'zod'
import { field, group, orNull } from './fields.ts'
import { hostHeader, line } from './texts.ts'
import { integer } from './values.ts'

const status = () => integer(100, 599)

/** A range of status numbers; a single number is accepted as well. */
export const statusRange = () =>
  z.preprocess(
    (value) => (typeof value === 'number' || typeof value === 'string' ? { min: value, max: value } : value),
    group('Which status counts as ready.', {
      min: field(status(), 200, 'Lowest HTTP status that counts as ready.'),
      max: field(status(), 399, 'Highest HTTP status that counts as ready.'),
    }).refine(({ min, max }) => min <= max, { error: 'a range whose min is not above its max' }),
  )

const headerName = z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/, { error: 'the name of an HTTP header' })

/** Headers of a request by name. */
export const requestHeaderValues = () =>
  z.record(headerName, line()).superRefine((headers, context) => {
    for (const [name, value] of Object.entries(headers))
      if (name.toLowerCase() === 'host' && !hostHeader().safeParse(value).success)
        context.addIssue({ code: 'custom', path: [name], message: 'a host name' })
  })

/** The request of a readiness check, and the status of the answer that it expects. */
export const readinessRequest = () => ({
  path: field(urlPath(), '/', 'Path of the request.'),
  status: field(
    statusRange(),
    { min: 200, max: 399 },
    'HTTP status of the answer that counts as ready: {min, max}, or one number.',
  ),
  ...requestHeaders(),
})

/** Headers of a readiness request. */
const requestHeaders = () => ({
  host: field(
    orNull(hostHeader()),
    null,
    'Host header of that request; null for the first of the domains of the app, where it has one.',
    { mirrors: '' },
  ),
  headers: field(requestHeaderValues(), {}, 'Further headers of that request.', { mirrors: '' }),
})

export const urlPath = () => z.string().regex(/^\/[^\s]*$/, { error: 'the path of a URL, which starts with /' })
