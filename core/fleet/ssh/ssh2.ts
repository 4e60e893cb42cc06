/** The SSH library, which is loaded when the first connection is made: most commands never need it. */

export type Ssh2 = typeof import('ssh2')

export async function loadSsh2(): Promise<Ssh2> {
  return (await import('ssh2')).default
}
