/** Verifies the key of a host against known_hosts and certificates, as ssh does. */
import { asConvergeError, ConvergeError, describeLocation, type SourceLocation } from '../../model/errors.ts'
import { type HostCertificate, whyInvalid } from './certificate.ts'
import {
  algorithmsFor,
  appendKnownHost,
  isAbout,
  type KnownHostLine,
  knownKeyTypes,
  readKnownHosts,
  revokedBy,
  searchKey,
} from './known_hosts.ts'
import type { SshTarget } from './target.ts'
import { fingerprint, keyType } from './wire.ts'

export interface NewHost {
  /** The name in the stack. */
  readonly name: string
  readonly address: string
  readonly type: string
  /** In the format of `ssh-keygen -l`. */
  readonly fingerprint: string
  /** The file in which the key is stored; null where the operator's configuration names no file. */
  readonly file: string | null
}

export interface HostKeyPolicy {
  /** `strict` refuses an unknown host; `accept-new` stores its key, and refuses a changed one. */
  readonly hostKeys: 'strict' | 'accept-new'
  readonly onNewHost: (host: NewHost) => void
}

/** Requests the certificates of a host's keys. */
export type Scan = () => Promise<readonly HostCertificate[]>

/** The files of known hosts, each read once for all hosts of a run. */
export class KnownHostFiles {
  private readonly files = new Map<string, ReturnType<typeof readKnownHosts>>()

  linesFor({ knownHosts: { user: userFiles, system } }: SshTarget): {
    lines: readonly KnownHostLine[]
    unreadable: readonly SourceLocation[]
  } {
    const all = [...userFiles, ...system].map((file) => {
      const known = this.files.get(file) ?? readKnownHosts([file])
      this.files.set(file, known)
      return known
    })
    return { lines: all.flatMap(({ lines }) => lines), unreadable: all.flatMap(({ unreadable }) => unreadable) }
  }

  /** @returns the file in which the key is stored; null: the operator's configuration names none */
  add({ knownHosts: { user: userFiles, hash }, knownAs: [name] }: SshTarget, key: Buffer): string | null {
    const [file] = userFiles
    if (file === undefined) return null
    appendKnownHost(file, name, key, { hash })
    this.files.delete(file)
    return file
  }
}

/** Verifies the key of one host in one connection. */
export class HostKeyCheck {
  private accepted: Buffer | null = null
  private isNew = false
  private hostLines: readonly KnownHostLine[] | null = null
  private certificates: ReturnType<Scan> | null = null
  private readonly target: SshTarget
  private readonly files: KnownHostFiles
  private readonly policy: HostKeyPolicy
  private readonly scan: Scan

  constructor(target: SshTarget, files: KnownHostFiles, policy: HostKeyPolicy, scan: Scan) {
    this.target = target
    this.files = files
    this.policy = policy
    this.scan = scan
  }

  /** Returns the lines about this host, and keeps them, because comparing hashed names takes time. */
  private lines(): readonly KnownHostLine[] {
    const { knownAs } = this.target
    const { lines } = this.files.linesFor(this.target)
    this.hostLines ??= lines.filter((line) => knownAs.some((name) => isAbout(line, name)))
    return this.hostLines
  }

  /** Returns the algorithms to request: first those whose key can be verified. */
  async algorithms(): Promise<string[]> {
    const lines = this.lines()
    const types = knownKeyTypes(lines, this.target.knownAs)
    const hasAuthority = lines.some(({ marker }) => marker === 'cert-authority')
    if (types.length > 0 || !hasAuthority) return algorithmsFor(types)
    return algorithmsFor((await this.requestCertificates()).flatMap(({ key }) => keyType(key) ?? []))
  }

  /** Decides whether the key was accepted before in this connection. */
  isAccepted(key: Buffer): boolean {
    return this.accepted?.equals(key) ?? false
  }

  /**
   * Verifies a key. The host must still prove that it has the private key.
   * @throws HOST_KEY_UNKNOWN, HOST_KEY_CHANGED, HOST_KEY_REVOKED, HOST_CERTIFICATE_INVALID
   */
  async check(key: Buffer): Promise<void> {
    const lines = this.lines()
    const verdict = searchKey(lines, this.target.knownAs, key)
    if (verdict.is === 'revoked') throw this.revokedKey(verdict.line, key)
    if (verdict.is === 'changed') throw this.changedKey(verdict.lines, key)
    if (verdict.is === 'certifiable') await this.checkCertificate(verdict, lines, key)
    if (verdict.is === 'new') this.checkNew(key)
    this.accepted = key
  }

  /** Stores and reports a new key, once the host has proved it. */
  storeIfNew(): void {
    if (!this.isNew || !this.accepted) return
    this.isNew = false
    const { name, address } = this.target
    const file = this.files.add(this.target, this.accepted)
    const type = keyType(this.accepted) ?? ''
    this.policy.onNewHost({ name, address, type, fingerprint: fingerprint(this.accepted), file })
  }

  private checkNew(key: Buffer): void {
    if (this.policy.hostKeys !== 'accept-new') throw this.unknownKey(key)
    this.isNew = true
  }

  private requestCertificates(): ReturnType<Scan> {
    this.certificates ??= this.scan()
    return this.certificates
  }

  private async checkCertificate(
    { authorities, lines: keyLines }: { authorities: readonly KnownHostLine[]; lines: readonly KnownHostLine[] },
    lines: readonly KnownHostLine[],
    key: Buffer,
  ): Promise<void> {
    const { certifiedAs, knownAs } = this.target
    const keys = authorities.map((line) => line.key)
    const certificates = await this.requestCertificates()
    const reasons = certificates.map((certificate) => {
      const revoked = revokedBy(lines, knownAs, certificate.authority)
      if (revoked) return `its authority is revoked at ${describeLocation(revoked)}`
      return whyInvalid(certificate, { key, name: certifiedAs, authorities: keys, now: Date.now() })
    })
    if (reasons.includes(null)) return
    if (keyLines.length > 0) throw this.changedKey(keyLines, key)
    const reasonsOfAuthority = reasons.filter((_, index) =>
      keys.some((known) => certificates[index]?.authority.equals(known)),
    )
    // As with ssh, a host without a certificate of the authority is treated like any other host.
    if (reasonsOfAuthority.length === 0 && this.policy.hostKeys === 'accept-new') return this.checkNew(key)
    throw this.certificateInvalid(authorities, reasonsOfAuthority[0] ?? reasons[0] ?? 'the host has none', key)
  }

  private describeHost(): string {
    const { name, knownAs } = this.target
    return name === knownAs[0] ? name : `${name} (${knownAs[0]})`
  }

  private describeKey(key: Buffer): string {
    return `${keyType(key)} ${fingerprint(key)}`
  }

  private unknownKey(key: Buffer): ConvergeError {
    const { address, port, jump } = this.target
    const damagedLines = this.files.linesFor(this.target).unreadable.map(describeLocation)
    const onJumpHost = jump ? ` (on ${jump.name})` : ''
    const damagedHint =
      damagedLines.length > 0 ? `; correct the lines that are damaged: ${damagedLines.join(', ')}` : ''
    const kind = keyType(key)?.match(/ed25519|ecdsa|rsa/)?.[0] ?? '*'
    return new ConvergeError(`${this.describeHost()}: unknown host key ${this.describeKey(key)}`, {
      code: 'HOST_KEY_UNKNOWN',
      usage: true,
      hint: `compare it with the key on the host (ssh-keygen -lf /etc/ssh/ssh_host_${kind}_key.pub); if they match, run again with --accept-new, or add the output of ssh-keyscan -p ${port} ${address}${onJumpHost} to known_hosts${damagedHint}`,
    })
  }

  private changedKey(lines: readonly KnownHostLine[], key: Buffer): ConvergeError {
    const [first, ...others] = lines
    // The position of the first one is printed with the error.
    const known = [
      ...(first ? [this.describeKey(first.key)] : []),
      ...others.map((line) => `${this.describeKey(line.key)} at ${describeLocation(line)}`),
    ]
    return new ConvergeError(
      `${this.describeHost()}: its host key is ${this.describeKey(key)}, but known_hosts has ${known.join(', ')}`,
      {
        code: 'HOST_KEY_CHANGED',
        usage: true,
        source: first && { file: first.file, line: first.line },
        hint: `the host was reinstalled, or another host intercepts the connection; nothing was sent. Ask the administrator of the host; if the new key is right: ssh-keygen -R '${this.target.knownAs[0]}' -f ${first?.file}`,
      },
    )
  }

  private revokedKey(line: KnownHostLine, key: Buffer): ConvergeError {
    return new ConvergeError(`${this.describeHost()}: its host key ${this.describeKey(key)} is revoked`, {
      code: 'HOST_KEY_REVOKED',
      usage: true,
      source: { file: line.file, line: line.line },
      hint: 'give the host a new key, since others may have this one: remove its host keys, then run ssh-keygen -A there',
    })
  }

  private certificateInvalid(authorities: readonly KnownHostLine[], reason: string, key: Buffer): ConvergeError {
    const [first] = authorities
    const known = authorities.map(describeLocation).join(', ')
    return new ConvergeError(
      `${this.describeHost()}: its host key ${this.describeKey(key)} has no valid certificate of the authority at ${known}: ${reason}`,
      {
        code: 'HOST_CERTIFICATE_INVALID',
        usage: true,
        source: first && { file: first.file, line: first.line },
        hint: `sign the key of the host (ssh-keygen -s AUTHORITY -h -n ${this.target.certifiedAs} -I NAME KEY.pub), and name the certificate in its sshd_config (HostCertificate)`,
      },
    )
  }
}

/** Builds the error for a failed scan. */
export const scanFailure = (address: string, thrown: unknown): ConvergeError =>
  new ConvergeError(`${address}: cannot request its host certificates: ${asConvergeError(thrown).message}`, {
    code: 'HOST_CERTIFICATE_INVALID',
    // An ssh-keyscan that times out is installed.
    hint:
      (thrown as NodeJS.ErrnoException).code === 'ENOENT'
        ? 'install ssh-keyscan: apt-get install openssh-client'
        : undefined,
  })
