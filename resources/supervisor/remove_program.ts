/** Removes a program from a running supervisord. */
import type { Host } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { milliseconds } from '../../core/model/units.ts'
import { errorCode, isSupervisorDown, type Supervisor } from './client.ts'

const pause = milliseconds(200)
/**
 * The number of attempts. After stopWait supervisord kills the process itself; ten minutes are longer than any stopWait
 * in use.
 */
const patience = 3000

/** Stops a program and removes its group; succeeds if supervisord is down or does not know it. */
export async function removeProgram(host: Host, supervisor: Supervisor, name: string): Promise<void> {
  try {
    await supervisor.stopProcess(name)
    for (let tries = 0; await isStillUp(supervisor, name); tries++) {
      if (tries >= patience)
        throw new ConvergeError(`${name} does not stop`, {
          code: 'STILL_RUNNING',
          hint: `end its process: kill -9 $(supervisorctl -s unix://${supervisor.socket} pid ${name})`,
        })
      await host.sleep(pause)
    }
    await supervisor.removeProcessGroup(name)
  } catch (error) {
    if (!isSupervisorDown(error) && errorCode(error) !== 'SUPERVISOR_BAD_NAME') throw error
  }
}

async function isStillUp(supervisor: Supervisor, name: string): Promise<boolean> {
  const up = ['RUNNING', 'STARTING', 'STOPPING', 'BACKOFF']
  return (await supervisor.fetchAllProcessInfo()).some(
    (process) => process.group === name && up.includes(process.state),
  )
}
