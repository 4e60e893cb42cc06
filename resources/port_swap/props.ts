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
  path: absolutePath.describe('File that the web server includes; its directory has to be there'),
  name: z
    .string()
    .regex(/^[\w.-]+$/, { error: 'letters, digits, dots, dashes and underscores' })
    .describe("Name of the upstream in it, which the web server's proxy_pass says"),
  content: z
    .string()
    .refine((text) => text.includes(portMark), { error: `it has to say ${portMark}, where the port belongs` })
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
      'File with the number of its main process, to see when its old workers are done; default: its manager knows',
    ),
})

export const portSwapProps = z
  .strictObject({
    name: programName.describe('Name of the server; its two programs are `<name>-<port>`'),
    ports: z
      .tuple([port, port])
      .refine(([a, b]) => a !== b, { error: 'two different ports' })
      .describe('The ports it takes in turn; while one is live the other is idle'),
    command: z
      .union([line.regex(/\S/), z.array(line.min(1)).min(1)])
      .describe(`What to run, with ${portMark} for the port: a list of words, or one line quoted as for a shell`),
    environment: programEnvironment
      .default({})
      .describe(`Its variables; ${portMark} in a value stands for the port. HOME and USER are not set by supervisor`),
    release: z
      .string()
      .min(1)
      .optional()
      .describe('What it runs, such as the path or identity of a release: another one, another process'),
    ...programProps,
    ready: httpReadyProp
      .omit({ kind: true, port: true })
      .prefault({})
      .describe('What it has to answer on the idle port before it goes live; default: / with a status from 200 to 399'),
    fatal: z
      .array(
        z.strictObject({
          text: z.string().min(1).describe('Text in such a line'),
          hints: z.record(z.string(), z.string()).default({}).describe('What to do, by a text in the reason'),
        }),
      )
      .default([])
      .describe('Lines of its log after which it never becomes ready: it is given up at once'),
    deadline: duration.default(() => seconds(120)).describe('How long a new process may take to answer; default 120 s'),
    upstream: upstream.describe('How the web server knows which port is live'),
    reload: reload.optional().describe('How the web server is told; default: nobody is told, it looks itself'),
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
    error: `it has to say ${portMark}, or a value of environment has to: else the server does not know its port`,
    path: ['command'],
  })
export type PortSwapProps = z.output<typeof portSwapProps>
