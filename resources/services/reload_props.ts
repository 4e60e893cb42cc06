/** Defines the properties for the reload of a service that several resources share. */
import * as z from 'zod'
import { providerProp } from './managers/types.ts'

export const wordsProp = z.array(z.string().min(1)).min(1)

export const reloadProps = {
  provider: providerProp
    .default({ kind: 'systemd' })
    .describe('Its service manager; default: systemd, or init scripts if systemd does not run'),
  signal: z
    .string()
    .regex(/^[A-Z][A-Z0-9]*$/, { error: 'a signal without SIG, e.g. HUP' })
    .default('HUP')
    .describe('Signal that supervisor sends; default HUP. A unit or init script defines its own reload'),
  command: wordsProp
    .optional()
    .describe('Program and arguments that reload it, instead of the signal or the reload of its unit'),
}
