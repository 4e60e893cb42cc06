/** Prepares the keys of a host that does not exist yet: the operator's public keys, and its host key. */
import { readInputFile } from '../../host/input_file.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import { KeyRing } from './identities.ts'
import { appendKnownHost, isAbout, readKnownHosts } from './known_hosts.ts'
import { loadSsh2 } from './ssh2.ts'
import type { SshTarget } from './target.ts'

export interface HostKeyPair {
  /** In OpenSSH's own format. */
  readonly private: string
  /** Type and key, as in known_hosts. */
  readonly public: string
}

/**
 * Returns the public half of the first key that would be offered to the host.
 * @returns lines of authorized_keys(5)
 * @throws NO_PUBLIC_KEY, KEY_NOT_READABLE, KEY_PASSPHRASE
 */
export async function publicKeysFor(target: SshTarget): Promise<string[]> {
  const { offers } = await new KeyRing(await loadSsh2(), null).offersFor(target)
  const [offer] = offers
  if (offer !== undefined) return [`${offer.key.type} ${offer.key.getPublicSSH().toString('base64')}`]
  throw new ConvergeError(`there is no key to log in to ${target.name} with`, {
    code: 'NO_PUBLIC_KEY',
    hint: 'name a public key with --authorized-key FILE, or set "identity" for the host in the stack file',
    usage: true,
  })
}

/**
 * Reads the public keys of a file.
 * @returns its lines in the format of authorized_keys(5), without comments and empty lines
 * @throws NO_PUBLIC_KEY
 */
export async function publicKeysIn(file: string): Promise<string[]> {
  const refuse = (why: string) =>
    new ConvergeError(`${file}: ${why}`, {
      code: 'NO_PUBLIC_KEY',
      hint: 'give the file that ends in .pub, or one like ~/.ssh/authorized_keys',
      usage: true,
    })
  let text: string
  try {
    text = readInputFile(file).toString('utf8')
  } catch (thrown) {
    throw refuse(asConvergeError(thrown).message)
  }
  if (/PRIVATE KEY/.test(text)) throw refuse('this is a private key, which nobody else should get')
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.startsWith('#'))
  const { utils } = await loadSsh2()
  for (const [at, line] of lines.entries()) {
    // Options may precede the key.
    const key = /(?:^|\s)((?:sk-)?(?:ssh|ecdsa)-\S+ [A-Za-z0-9+/=]+)/.exec(line)?.[1]
    if (key === undefined || utils.parseKey(key) instanceof Error) throw refuse(`key ${at + 1} is not a public key`)
  }
  if (lines.length === 0) throw refuse('there is no public key in it')
  return lines
}

/**
 * Refuses a host whose key is in known_hosts: the new key would be rejected as a changed one.
 * @throws HOST_KEY_KNOWN
 */
export function refuseKnownHost(target: SshTarget): void {
  const { user: userFiles, system } = target.knownHosts
  const known = readKnownHosts([...userFiles, ...system]).lines.find(
    (line) => line.marker === null && target.knownAs.some((name) => isAbout(line, name)),
  )
  if (known === undefined) return
  const [name] = target.knownAs
  throw new ConvergeError(`${target.name} has a key already that your known_hosts knows, as ${name}`, {
    code: 'HOST_KEY_KNOWN',
    hint: `if another host had that address before, remove its key first: ssh-keygen -R '${name}'`,
    usage: true,
  })
}

/**
 * Creates an Ed25519 key.
 * @param comment of the public half, as stored on the host
 */
export async function newHostKey(comment: string): Promise<HostKeyPair> {
  const { utils } = await loadSsh2()
  const pair = utils.generateKeyPairSync('ed25519', { comment })
  return { private: pair.private.endsWith('\n') ? pair.private : `${pair.private}\n`, public: pair.public }
}

/**
 * Stores the key in known_hosts.
 * @returns the file in which it is stored
 * @throws KNOWN_HOSTS_UNUSABLE
 */
export function storeHostKey(target: SshTarget, key: HostKeyPair): string {
  const [file] = target.knownHosts.user
  if (file === undefined)
    throw new ConvergeError('there is no file of known hosts', {
      code: 'KNOWN_HOSTS_UNUSABLE',
      hint: 'name one in ~/.ssh/config: UserKnownHostsFile ~/.ssh/known_hosts',
      usage: true,
    })
  const blob = Buffer.from(key.public.split(' ')[1] ?? '', 'base64')
  appendKnownHost(file, target.knownAs[0], blob, { hash: target.knownHosts.hash })
  return file
}
