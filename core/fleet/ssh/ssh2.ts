/** The SSH library, which is loaded when the first connection is made: most commands never need it. */

export type Ssh2 = typeof import('ssh2')

export async function loadSsh2(): Promise<Ssh2> {
  return (await import('ssh2')).default
}

/** The algorithms that ssh2 offers unless it is asked for others, and all that it has on this machine. */
export async function ssh2Algorithms(): Promise<typeof import('ssh2/lib/protocol/constants.js').default> {
  return (await import('ssh2/lib/protocol/constants.js')).default
}
