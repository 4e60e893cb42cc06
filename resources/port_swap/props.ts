/** Defines the properties of port_swap. */
import * as z from 'zod'
import { absolutePath, duration, seconds } from '../../core/model/units.ts'
import { nameProp } from '../services/managers/types.ts'
import { httpReadyProp } from '../services/readiness/ready_props.ts'
import { reloadProps, wordsProp } from '../services/reload_props.ts'
import { line, programEnvironment, programName, programProps } from '../supervisor/program_props.ts'
import { portMark } from './upstream.ts'

const port = z.int().min(1).max(65_535)

const upstream = z.strictObject({
  path: absolutePath.describe('File that the web server includes; its directory must exist'),
  name: z
    .string()
    .regex(/^[\w.-]+$/, { error: 'letters, digits, dots, dashes and underscores' })
    .describe('Name of the upstream in it, which proxy_pass of the web server names'),
  content: z
    .string()
    .refine((text) => text.includes(portMark), { error: `must contain ${portMark}, where the port belongs` })
    .optional()
    .describe(
      `Its text for another web server than nginx, with ${portMark} for the port; default: an upstream of nginx`,
    ),
})

const reload = z.strictObject({
  name: nameProp.describe('Name of the web server as a unit, init script or program'),
  ...reloadProps,
  check: wordsProp
    .optional()
    .describe(
      'Program and arguments that check its configuration, such as nginx -t; where it fails nothing is switched',
    ),
  pidFile: absolutePath
    .optional()
    .describe(
      'File with the number of its main process, to detect when its old workers have ended; default: the number that its manager reports',
    ),
})

export const portSwapProps = z
  .strictObject({
    name: programName.describe('Name of the server; its two programs are `<name>-<port>`'),
    ports: z
      .tuple([port, port])
      .refine(([a, b]) => a !== b, { error: 'two different ports' })
      .describe('The two ports that it alternates between'),
    command: z
      .union([line.regex(/\S/), z.array(line.min(1)).min(1)])
      .describe(`Command, with ${portMark} for the port: a list of words, or one line quoted as for a shell`),
    environment: programEnvironment
      .default({})
      .describe(`Its variables; ${portMark} in a value stands for the port. HOME and USER are not set by supervisor`),
    release: z
      .string()
      .min(1)
      .optional()
      .describe('Identity of the code, such as the path of a release: another value causes another process'),
    ...programProps,
    ready: httpReadyProp
      .omit({ kind: true, port: true })
      .prefault({})
      .describe(
        'Request that it must answer on the idle port before the switch; default: / with a status from 200 to 399',
      ),
    fatal: z
      .array(
        z.strictObject({
          text: z.string().min(1).describe('Text in such a line'),
          hints: z.record(z.string(), z.string()).default({}).describe('Hints, by a text in the reason'),
        }),
      )
      .default([])
      .describe('Lines of its log after which it never becomes ready: the run fails at once'),
    deadline: duration.default(() => seconds(120)).describe('How long a new process may take to answer; default 120 s'),
    upstream: upstream.describe('File that tells the web server the current port'),
    reload: reload
      .optional()
      .describe('How to reload the web server; default: it is not reloaded, and reads the file itself'),
    stopDeadline: duration
      .default(() => seconds(30))
      .describe('How long the old process may keep the connections it has before it is stopped; default 30 s'),
    force: z
      .string()
      .min(1)
      .optional()
      .describe('Names one command that swaps regardless of changes: once for each name'),
  })
  .refine(({ command, environment }) => JSON.stringify([command, environment]).includes(portMark), {
    error: `command or a value of environment must contain ${portMark}: else the server does not know its port`,
    path: ['command'],
  })
export type PortSwapProps = z.output<typeof portSwapProps>
