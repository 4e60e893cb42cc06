/** Loads the SSH library for the first connection; most commands never need it. */

export type Ssh2 = typeof import('ssh2')

export async function loadSsh2(): Promise<Ssh2> {
  return (await import('ssh2')).default
}

/** Returns the default algorithms of ssh2, and all that it supports on this computer. */
export async function ssh2Algorithms(): Promise<typeof import('ssh2/lib/protocol/constants.js').default> {
  return (await import('ssh2/lib/protocol/constants.js')).default
}
