/** Declares the schema of a stack file. */
import * as z from 'zod'
import { type Architecture, architectures } from '../program_format.ts'
import type { ExternalValue } from './external_reference.ts'

/** Builds an object schema. The caller reports unknown keys, with the nearest known name. */
function keys<T extends z.ZodRawShape>(shape: T, description: string, notes: { readonly open?: boolean } = {}) {
  const schema = z.looseObject(shape) as unknown as z.ZodObject<T>
  return schema.meta({ description, ...notes })
}

const wholeNumber = (value: unknown): unknown => (Number.isSafeInteger(value) ? String(value) : value)

/** Builds a schema for text, or a reference to text; a number becomes its text in the file. */
function text(pattern: RegExp, what: string): z.ZodType<string, string | ExternalValue> {
  const plain = z.preprocess(wholeNumber, z.string().regex(pattern, { error: what }))
  return plain.meta({ verbatim: true }) as unknown as z.ZodType<string, string | ExternalValue>
}

/**
 * A leading dash is not allowed, because programs read it as an option. Signs of a shell are not allowed, because
 * OpenSSH passes the name to the shell where the operator's ssh_config has %r or %h.
 */
const account = () =>
  text(/^(?!-)[^\p{Cc}'"`;&<>|(){}]+$/u, 'the name of an account, without a leading dash and signs of a shell')
const jumpHosts = () =>
  text(
    /^(?!(.*[,@])?\s*-)[^\p{Cc}'"`;&<>|(){}]+$/u,
    '[user@]host[:port], several with commas, none with a leading dash or signs of a shell',
  )
const line = () => text(/^[^\r\n\0]+$/, 'text on one line')
const lines = () => text(/^[^\0]*$/, 'text without NUL characters')
const headerName = () =>
  z
    .string()
    .regex(/^(?!host$)[\w!#$%&'*+.^`|~-]+$/i, { error: 'the name of a header other than Host, which is health.host' })
const headerValue = () => text(/^[\t\x20-\x7e\x80-\xff]*$/, 'the value of a header, on one line')
const count = (least: number) => z.int().min(least)
const port = () => count(1).max(65_535)

/** Builds a schema for names, used as keys and in paths. Not digits alone: JavaScript sorts such keys first. */
const name = (what: string) =>
  z.string().regex(/^(?!\d+$)[A-Za-z0-9][\w.-]{0,99}$/, {
    error: `${what}: letters, digits, dots, dashes and underscores, 100 at most, and not digits alone`,
  })

const layerName = () => name("a layer's name")

type CustomJson = Readonly<Record<string, unknown>> | readonly unknown[] | string

/** An object, a JSON Patch, the path of a file with one of these, or a list of such documents. */
const customJson = () => z.custom<CustomJson>().meta({ customJson: true })

const sudo = () => z.union([z.boolean(), z.literal('password')], { error: "true, false or 'password'" })

const connection = () => ({
  user: account().optional().describe('Account to log in as; default: as ~/.ssh/config says, else the own one.'),
  identity: line()
    .optional()
    .describe('File of the private key, relative to this file; default: ~/.ssh/config, the agent, the usual files.'),
  jump: jumpHosts()
    .optional()
    .describe('Host to go through, [user@]host[:port]; several with commas; none for none. Default: ~/.ssh/config.'),
  port: port().optional().describe('Port of sshd; default: ~/.ssh/config, else 22.'),
  sudo: sudo()
    .optional()
    .describe(
      "Whether sudo is used to become root: true, false, or 'password' where it asks for one. Default: true, but for root, and for a host with a prefix.",
    ),
})

const layer = () =>
  keys(
    {
      name: line().optional().describe('Name shown to people; default: the short name.'),
      roles: z.array(line()).optional().describe('Roles of its hosts, in this order: of the program, or your own.'),
      attributes: customJson().optional().describe("Attributes of its hosts (the layer's custom JSON)."),
      packages: z
        .array(line())
        .optional()
        .describe('Packages of the distribution for its hosts, installed by the role base.'),
      automatic_updates: z
        .boolean()
        .optional()
        .describe('Whether its hosts install security updates automatically; default: unchanged.'),
    },
    'A layer: hosts that do the same.',
  )

const host = () =>
  keys(
    {
      address: line().describe('Where sshd answers: an IP address or a DNS name.'),
      ...connection(),
      transport: z
        .enum(['ssh', 'agent'])
        .optional()
        .describe('How converge reaches it: ssh, or agent for the agent that runs on it. Default: ssh.'),
      layers: z.array(line()).describe('Short names of its layers.'),
      cpus: count(1)
        .optional()
        .describe(
          'Number of its CPUs. Without it, the host counts its own, and the other hosts do not know the number.',
        ),
      backends: z
        .number()
        .min(0)
        .optional()
        .describe('Compute units, eight to a CPU; takes precedence over cpus for the number of clients.'),
      region: line().optional().describe('Region of the provider; default: that of the stack.'),
      zone: line().optional().describe('Data centre it is in.'),
      private_ip: line().optional().describe('Address inside the network; default: address, where that is an IP.'),
      private_dns_name: line()
        .optional()
        .describe('Name inside the network, by which the others reach it; default: private_ip, else address.'),
      public_dns_name: line().optional().describe('Public name; if it is set, the other hosts use it first.'),
      ip: line().optional().describe('Public address.'),
      attributes: customJson().optional().describe('Attributes of this host alone.'),
      prefix: text(
        /^(?!.*\/\.{1,2}(\/|$))\/+[^/\r\n\0][^\r\n\0]*$/,
        "an absolute path below /, without '.' or '..' parts",
      )
        .optional()
        .describe('Directory that all paths are placed below, for a host that is converged as an ordinary user.'),
      status: z
        .enum(['online', 'stopped'])
        .optional()
        .describe('stopped: it stays in this file, and converge leaves it alone. Default: online.'),
    },
    'A host.',
  )

const scm = () =>
  keys(
    {
      type: line()
        .optional()
        .meta({
          description: 'git, or directory for a plain directory of the host. Default: git.',
          enum: ['git', 'directory'],
        }),
      repository: line().optional().describe('Address of the source: a URL, an scp-like address, a path.'),
      revision: line().optional().describe('Branch, tag or commit; default: the default branch.'),
      ssh_key: lines()
        .optional()
        .describe('Private key that may read the repository: its text, or the path of its file.'),
      known_hosts: lines().optional().describe("Lines of known_hosts(5) for the repository's server."),
      user: line().optional().describe('Account for sources fetched through HTTP.'),
      password: line().optional().meta({ description: 'Password of that account.', sensitive: true }),
    },
    'Where the source comes from.',
    { open: true },
  )

const ssl = () =>
  keys(
    {
      certificate: lines().optional().describe('Certificate: its PEM text, or the path of its file.'),
      key: lines().optional().describe('Private key of the certificate: its PEM text, or the path of its file.'),
      chain: lines().optional().describe('Intermediate certificates: their PEM text, or the path of their file.'),
    },
    'TLS: certificate and key.',
  )

const scalar = () => z.union([z.string(), z.number(), z.boolean(), z.null()], { error: 'a text' })
const variable = () =>
  scalar() as z.ZodType<string | number | boolean | null, string | number | boolean | null | ExternalValue>

const app = () =>
  z
    .looseObject({
      name: line().optional().describe('Name shown to people; default: the short name.'),
      type: line().optional().describe('Kind of application; default: other.'),
      scm: scm().optional(),
      environment: z.record(z.string(), variable()).optional().describe('Environment of its build and its programs.'),
      database: z.record(z.string(), variable()).optional().describe('Its database, as deploy.<app>.database has it.'),
      domains: z
        .array(text(/^[^\r\n\0]*$/, 'text on one line'))
        .optional()
        .describe('Host names it answers for.'),
      ssl: ssl().optional(),
      layers: z
        .array(layerName())
        .optional()
        .describe('Layers it is deployed to; default: those whose roles deploy it.'),
    })
    .meta({ description: 'An application; beside these keys all of deploy.<app> may stand here.', open: true })

const health = () =>
  keys(
    {
      url: z
        .union([line(), z.array(line()).min(1)], { error: 'an address, or a list of them' })
        .optional()
        .describe("URLs to check between two batches of a rollout, from the operator's computer."),
      host: text(/^[\w.:[\]-]+$/, 'a host name')
        .optional()
        .describe(
          'Host header of the requests. Default: the host of the URL, or the first domain of the apps if that is an address of the stack.',
        ),
      headers: z
        .record(headerName(), headerValue())
        .optional()
        .describe('Further headers of the requests, such as Authorization.'),
      status: z
        .union([z.int().min(100).max(599), keys({ min: count(100), max: count(100) }, 'A range.')], {
          error: 'a status, or {min, max}',
        })
        .optional()
        .describe('Expected status; default: {min: 200, max: 399}.'),
      command: text(/^\s*[^\s\0][^\0]*$/, 'a command, without NUL characters')
        .optional()
        .describe(
          "Command that must succeed, for /bin/sh, on the operator's computer, in the directory of the stack file. Its environment has CONVERGE_HEALTH_URL, CONVERGE_HEALTH_HOST and CONVERGE_HEALTH_TOKEN.",
        ),
      deadline_seconds: count(1).optional().describe('How long each is tried again, in seconds; default: 60.'),
      successes: z
        .int()
        .min(1)
        .max(1000)
        .optional()
        .describe(
          'How often in a row each URL must answer as expected, and a command that failed must succeed. Default: 4 for each host, from 10 to 100.',
        ),
    },
    'The health check of the site between the batches of a rollout.',
  )

const programs = Object.fromEntries(
  Object.values(architectures).map((name) => [name, line().optional().describe(`Node program for hosts of ${name}.`)]),
) as Record<Architecture, z.ZodOptional<ReturnType<typeof line>>>

const runtime = () =>
  keys(
    programs,
    'Node programs to upload to hosts without Node, relative to this file; default: the Node that runs the command, where it fits, else one from the npm registry.',
  )

/** The schema of each top-level key. */
export const stackShape = {
  $schema: z.string().optional().describe('For your editor; not read.'),
  name: text(/^(?!\.{1,2}$)[^/\r\n\0]{1,100}$/, 'text without slashes, 100 letters at most').describe(
    'Name of the stack.',
  ),
  region: line().optional().describe('Region of the provider.'),
  layers: z.record(layerName(), layer()).describe('The layers by short name, in the order of their setup.'),
  hosts: z.record(name("a host's name"), host()).describe('The hosts by name.'),
  apps: z
    .record(name("an app's name"), app())
    .optional()
    .describe('The applications by short name; beside these keys, all keys of deploy.<app> are allowed.'),
  custom_json: customJson().optional().describe('Attributes of all hosts (the custom JSON of the stack).'),
  recipes: z.array(line()).optional().describe('Directories (or files) of recipes of your own, relative to this file.'),
  ssh: keys(connection(), 'Connection settings for hosts without their own.').optional(),
  health: health().optional(),
  runtime: runtime().optional(),
  environments: z
    .record(name("an environment's name"), z.custom<Readonly<Record<string, unknown>> | readonly unknown[]>())
    .optional()
    .describe('The differences of an environment, merged over the rest of this file; or a JSON Patch to it.'),
} as const

type Shape = typeof stackShape

/** A stack file as written: for `defineStack()` in a stack.ts. */
export type StackFile = z.input<z.ZodObject<Shape>>

/** A stack file as read, without its environments. */
export type StackContent = z.output<z.ZodObject<Omit<Shape, 'environments' | '$schema'>>>
