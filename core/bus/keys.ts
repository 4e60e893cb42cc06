/** Makes and reads the NKEYs of the bus (Ed25519), with which hosts and the control plane log in and sign. */
import type { KeyPair } from '@nats-io/nkeys'

export type { KeyPair } from '@nats-io/nkeys'

/** A new key: its seed, which must stay where it was made, and its public half. */
export interface NewKey {
  readonly seed: string
  readonly publicKey: string
}

export async function newKey(): Promise<NewKey> {
  const { createUser } = await import('./nats.ts')
  const pair = createUser()
  return { seed: Buffer.from(pair.getSeed()).toString('utf8'), publicKey: pair.getPublicKey() }
}

export async function keyPairOf(seed: string): Promise<KeyPair> {
  const { fromSeed } = await import('./nats.ts')
  return fromSeed(Buffer.from(seed.trim()))
}

/** Decides whether a text is a public NKEY of a user. */
export async function isPublicKey(text: string): Promise<boolean> {
  const { fromPublic } = await import('./nats.ts')
  try {
    return text.startsWith('U') && fromPublic(text).getPublicKey() === text
  } catch {
    return false
  }
}

export async function isSignedBy(publicKey: string, content: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const { fromPublic } = await import('./nats.ts')
  try {
    return fromPublic(publicKey).verify(content, signature)
  } catch {
    // A signature of another length.
    return false
  }
}
