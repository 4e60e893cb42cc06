/** Finds the nats-server that test/prepare.mjs has installed. */
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { freePort } from './machine.ts'
import { natsDirectory } from './nats_directory.mjs'

/** Returns the path of the program; null where it is missing. */
export function natsServer(): string | null {
  const program = `${natsDirectory}/bin/nats-server`
  return existsSync(program) ? program : null
}

/** Returns a free port whose next one is free as well: hosts enrol there. */
export async function freeBusPort(): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (await isFree(port + 1)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '0.0.0.0', () => server.close(() => resolve(true)))
  })
}
