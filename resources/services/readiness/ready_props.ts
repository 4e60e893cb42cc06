/** Defines the properties of a readiness check, with one form for each kind of service. */
import * as z from 'zod'
import { absolutePath, type Duration, duration, seconds, systemText } from '../../../core/model/units.ts'

const httpPath = z.string().regex(/^\/[!-~]*$/, { error: "a path that begins with '/', escaped as in a URL" })
const httpStatus = z.int().min(100).max(599)
const port = z.int().min(1).max(65_535)
const address = z.string().min(1).default('127.0.0.1').describe('Address of that port; default 127.0.0.1')
const headers = z
  .record(
    z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/, { error: 'the name of an HTTP header' }),
    z.string().regex(/^[\t -~\u0080-\u00ff]*$/, { error: 'the value of an HTTP header: one line' }),
  )
  .default({})
  .describe('Headers of the request, such as Host; default: none')

export const httpReadyProp = z.strictObject({
  kind: z.literal('http').optional().describe('It answers an HTTP request; the default'),
  port: port.describe('Port of its HTTP server'),
  host: address,
  path: httpPath.default('/').describe('Path to request; default /'),
  headers,
  statusMin: httpStatus.default(200).describe('Lowest status that means ready; default 200'),
  statusMax: httpStatus.default(399).describe('Highest status that means ready; default 399'),
  attribute: z.string().min(1).optional().describe('Attribute that sets the path and the statuses, for messages'),
  otherCause: z
    .string()
    .min(1)
    .optional()
    .describe('Another cause to check if it never answers; the hint ends with it'),
  warmPaths: z
    .array(httpPath)
    .default([])
    .describe('Paths to request once it is ready, before the next service restarts; a failure is a warning'),
})

const solr = z.strictObject({
  kind: z.literal('solr').describe('Solr answers the request for a page'),
  config: absolutePath
    .optional()
    .describe('jetty.xml with its host and port; without them, the properties host and port apply'),
  port: port.default(8983).describe('Port of its HTTP server; default 8983'),
  host: address,
  path: httpPath.default('/solr/').describe('Path to request; default /solr/'),
})

const zeo = z.strictObject({
  kind: z.literal('zeo').describe('A ZEO server greets a connection with its protocol version'),
  program: absolutePath.optional().describe('Its script, which names its zeo.conf'),
  config: absolutePath.optional().describe('zeo.conf with its address; without one, host and port apply'),
  port: port.default(8001).describe('Port it listens on; default 8001'),
  host: address,
})

const tcp = z.strictObject({
  kind: z.literal('tcp').describe('It accepts connections'),
  port: port.describe('Port it listens on'),
  host: address,
})

const fastcgi = z.strictObject({
  kind: z.literal('fastcgi').describe('A worker of php-fpm answers; no script runs'),
  socket: absolutePath.describe('Its unix socket'),
})

const haproxy = z.strictObject({
  kind: z.literal('haproxy').describe('HAProxy answers at its runtime socket, and its port is open'),
  socket: absolutePath.describe('Its runtime socket'),
  port: port.describe('Port it listens on'),
  host: address,
})

const varnish = z.strictObject({
  kind: z.literal('varnish').describe('Varnish answers a request, without its backend'),
  port: port.describe('Port it listens on'),
  host: address,
})

const command = z.strictObject({
  kind: z.literal('command').describe('A command succeeds'),
  command: z.array(systemText.min(1)).min(1).describe('Program and arguments; it must not change anything'),
  title: z.string().min(1).optional().describe('Name of the check in messages; default: the command'),
  cwd: absolutePath.optional().describe('Directory it runs in'),
  user: z.string().min(1).optional().describe('Account it runs as'),
  group: z.string().min(1).optional().describe('Group it runs as'),
  environment: z.record(systemText, systemText).default({}).describe('Its variables'),
  hint: z.string().min(1).optional().describe('Hint for a failed check'),
})

const uptime = z.strictObject({
  kind: z.literal('uptime').describe('It stays up'),
  time: duration.default(() => defaultUptime).describe('How long it must stay up; default 5 s'),
})

/** Long enough to see the end of a server that fails while it opens its data. */
export const defaultUptime: Duration = seconds(5)

export const readyProp = z.discriminatedUnion('kind', [
  httpReadyProp,
  solr,
  zeo,
  tcp,
  fastcgi,
  haproxy,
  varnish,
  command,
  uptime,
])

/** The check of a service, and when it counts as ready. */
export type Readiness = z.output<typeof readyProp>
export type HttpReadiness = z.output<typeof httpReadyProp>
/** The same, as a recipe writes it. */
export type ReadyProps = z.input<typeof readyProp>
