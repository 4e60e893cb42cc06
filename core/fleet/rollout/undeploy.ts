/** Builds the error for an undeploy of only some of the apps of a host. */
import { ConvergeError } from '../../model/errors.ts'

export function partialUndeployError(apps: readonly string[]): ConvergeError {
  return new ConvergeError(`the host runs ${apps.join(', ')} as well, and undeploy removes all apps of a host`, {
    code: 'USAGE',
    hint: 'leave --app out to undeploy all of them, or run converge undeploy --role ROLE on the host itself',
  })
}
