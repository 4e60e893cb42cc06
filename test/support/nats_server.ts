/** Finds the nats-server that test/prepare.mjs has installed. */
import { existsSync } from 'node:fs'
import { natsDirectory } from './nats_directory.mjs'

/** Returns the path of the program; null where it is missing. */
export function natsServer(): string | null {
  const program = `${natsDirectory}/bin/nats-server`
  return existsSync(program) ? program : null
}
