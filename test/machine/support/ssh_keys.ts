/** Makes keys and certificates with ssh-keygen. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'

const execute = promisify(execFile)

export interface Key {
  /** Path of the private key; the public one has the suffix `.pub`. */
  readonly file: string
  /** The public key in the format of authorized_keys and known_hosts: type and key, without a comment. */
  readonly line: string
}

export interface KeyOptions {
  readonly type?: 'ed25519' | 'rsa' | 'ecdsa'
  /** Default: none. */
  readonly passphrase?: string
}

/** @param file path for the private key, which must not exist yet */
export async function newKey(file: string, { type = 'ed25519', passphrase = '' }: KeyOptions = {}): Promise<Key> {
  await execute('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', '', '-f', file])
  return { file, line: readFileSync(`${file}.pub`, 'utf8').trim() }
}

export interface CertificateOptions {
  readonly of: 'host' | 'account'
  /** Names, addresses or accounts for which the certificate is valid. */
  readonly principals: readonly string[]
  /** As ssh-keygen's -V; default: no limit. */
  readonly validity?: string
}

/**
 * Signs a public key with an authority.
 * @returns the certificate's file, `NAME-cert.pub` beside the public key
 */
export async function certify(authority: Key, publicKey: string, options: CertificateOptions): Promise<string> {
  const kind = options.of === 'host' ? ['-h'] : []
  const validity = options.validity === undefined ? [] : ['-V', options.validity]
  const who = ['-I', 'test', '-n', options.principals.join(',')]
  await execute('ssh-keygen', ['-q', '-s', authority.file, ...kind, ...who, ...validity, publicKey])
  return publicKey.replace(/\.pub$/, '-cert.pub')
}
