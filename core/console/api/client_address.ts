/** Finds the address of the client of a request, also behind a proxy on this computer. */
import { getConnInfo } from '@hono/node-server/conninfo'
import type { Context } from 'hono'

/** Returns the address of the client; from a proxy on this computer, the last one that the proxy has added. */
export function clientAddress(c: Context): string {
  const { address = '' } = getConnInfo(c).remote
  const isLocal = address === '::1' || /^(::ffff:)?127\./.test(address)
  const forwarded = c.req.header('x-forwarded-for')?.split(',').at(-1)?.trim()
  return isLocal && forwarded !== undefined ? forwarded : address
}
