/** Builds the error for an invalid line of the operator's ssh_config. */
import { ConvergeError, type SourceLocation } from '../../model/errors.ts'

export const configError = (
  source: SourceLocation,
  message: string,
  hint = 'see man ssh_config; ssh -G HOST shows what ssh makes of it',
): ConvergeError => new ConvergeError(message, { code: 'SSH_CONFIG_INVALID', usage: true, source, hint })
