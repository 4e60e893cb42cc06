/** Starts an HTTP server of a test at a free port, and closes it with all its connections when the test ends. */
import type { Server } from 'node:http'

interface Owner {
  teardown(end: () => void): void
}

/** Returns the port. */
export async function listenUntilEnd(t: Owner, server: Server, address: string): Promise<number> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, address, resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const bound = server.address()
  if (typeof bound !== 'object' || bound === null) throw new Error(`the server has no port at ${address}`)
  return bound.port
}
