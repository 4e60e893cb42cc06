/** Stores what the control plane knows of its bus: its keys, the hosts that may connect, and open invitations. */
import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { makeDirectories } from '../host/directories.ts'
import { replaceFile } from '../host/replace_file.ts'
import { ConvergeError } from '../model/errors.ts'
import { fingerprintOf, selfSignedCertificate } from './certificate.ts'
import { renderConfiguration } from './configuration.ts'
import { newKey } from './keys.ts'
import { certificateName, hostToken } from './subjects.ts'

const settingsContent = z.object({
  stack: z.string(),
  listen: z.object({ host: z.string(), port: z.number() }),
  /** Name or address by which hosts reach the bus. */
  address: z.string(),
  control: z.object({ seed: z.string(), publicKey: z.string() }),
})
export type BusSettings = z.output<typeof settingsContent>

const enrolledHost = z.object({
  host: z.string(),
  /** Public NKEY, with which it logs in. */
  key: z.string(),
  /** Public age key, to which its commands are sealed. */
  recipient: z.string(),
  /** ISO time. */
  since: z.string(),
})
export type EnrolledHost = z.output<typeof enrolledHost>

const invitation = z.object({ host: z.string(), expires: z.number() })

/** Bytes that all streams together may take. */
const maxStore = 2 << 30

/** The port on which the control plane enrols hosts, from that of the bus. */
export const enrolmentPort = (port: number): number => port + 1

export class BusDirectory {
  constructor(readonly path: string) {}

  get exists(): boolean {
    return existsSync(this.file('settings.json'))
  }

  /** Creates the keys and the certificate of the bus; those that exist stay. */
  async prepare(settings: Omit<BusSettings, 'control'>): Promise<BusSettings> {
    for (const name of ['', 'hosts', 'invitations', 'revisions']) makeDirectories(this.file(name), 0o700)
    const control = this.exists ? this.settings().control : await newKey()
    const all = { ...settings, control }
    if (!existsSync(this.file('certificate.pem'))) {
      const { certificate, key } = selfSignedCertificate(certificateName, Date.now())
      replaceFile(this.file('certificate.key'), key)
      replaceFile(this.file('certificate.pem'), certificate)
    }
    replaceFile(this.file('settings.json'), `${JSON.stringify(all, null, 2)}\n`)
    return all
  }

  /** @throws NO_BUS where the control plane has never been started */
  settings(): BusSettings {
    if (!this.exists)
      throw new ConvergeError(`no bus: ${this.path} does not exist`, {
        code: 'NO_BUS',
        hint: 'start the control plane of the stack: converge control',
        usage: true,
      })
    return settingsContent.parse(this.json('settings.json'))
  }

  certificate(): string {
    return readFileSync(this.file('certificate.pem'), 'utf8')
  }

  certificateKey(): string {
    return readFileSync(this.file('certificate.key'), 'utf8')
  }

  get configurationFile(): string {
    return this.file('nats.conf')
  }

  get pidFile(): string {
    return this.file('nats.pid')
  }

  get lockFile(): string {
    return this.file('lock')
  }

  /** @throws NOT_OWNER for another account: the control plane could not read what that account writes here */
  requireOwner(): void {
    const { uid } = statSync(this.path)
    if (process.geteuid?.() === uid) return
    throw new ConvergeError(
      `${this.path} belongs to the account with the number ${uid}, which runs the control plane`,
      {
        code: 'NOT_OWNER',
        hint: `run this as that account: sudo -u '#${uid}' converge …`,
        usage: true,
      },
    )
  }

  get logFile(): string {
    return this.file('nats.log')
  }

  get store(): string {
    return this.file('store')
  }

  /** Returns the enrolled hosts in the order of their names. */
  hosts(): EnrolledHost[] {
    return readdirSync(this.file('hosts'))
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => enrolledHost.parse(this.json(`hosts/${name}`)))
  }

  host(name: string): EnrolledHost | null {
    const file = this.hostFile(name)
    return existsSync(this.file(file)) ? enrolledHost.parse(this.json(file)) : null
  }

  addHost(host: EnrolledHost): void {
    replaceFile(this.file(this.hostFile(host.host)), `${JSON.stringify(host)}\n`)
  }

  /** @returns whether the host was enrolled */
  removeHost(name: string): boolean {
    const known = this.host(name) !== null
    rmSync(this.file(this.hostFile(name)), { force: true })
    return known
  }

  /** Writes nats.conf. @returns whether it has changed */
  writeConfiguration(): boolean {
    const { stack, listen, control } = this.settings()
    const content = renderConfiguration({
      stack,
      listen,
      name: certificateName,
      store: this.store,
      certificate: this.file('certificate.pem'),
      certificateKey: this.file('certificate.key'),
      pidFile: this.pidFile,
      control: control.publicKey,
      hosts: Object.fromEntries(this.hosts().map(({ host, key }) => [host, key])),
      maxStore,
    })
    if (existsSync(this.configurationFile) && readFileSync(this.configurationFile, 'utf8') === content) return false
    replaceFile(this.configurationFile, content)
    return true
  }

  /**
   * Makes a token with which one host can enrol once. Only its digest is stored.
   * @param lifetime seconds
   */
  invite(host: string, lifetime: number, now: number): string {
    const { listen, address, stack } = this.settings()
    this.requireOwner()
    const secret = randomBytes(32).toString('base64url')
    replaceFile(
      this.file(`invitations/${digestOf(secret)}.json`),
      JSON.stringify({ host, expires: now + lifetime * 1000 }),
    )
    const fingerprint = fingerprintOf(this.certificate())
    return encodeToken({ address, port: enrolmentPort(listen.port), fingerprint, secret, stack, host })
  }

  /** Uses up an invitation. @returns its host; null where it does not exist, was used, or has expired */
  takeInvitation(secret: string, now: number): string | null {
    const file = this.file(`invitations/${digestOf(secret)}.json`)
    const taken = `${file}.${process.pid}.taken`
    try {
      // Of two hosts with one token, the first one succeeds.
      renameSync(file, taken)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw error
    }
    const { host, expires } = invitation.parse(JSON.parse(readFileSync(taken, 'utf8')))
    rmSync(taken)
    return expires > now ? host : null
  }

  /** Ends the open invitations of a host. */
  removeInvitations(host: string): void {
    for (const name of readdirSync(this.file('invitations'))) {
      if (!name.endsWith('.json')) continue
      if (invitation.parse(this.json(`invitations/${name}`)).host === host) rmSync(this.file(`invitations/${name}`))
    }
  }

  /** Returns a number that is higher than each one before, whichever process on this computer asked. */
  nextRevision(): number {
    const directory = this.file('revisions')
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const used = readdirSync(directory).map(Number)
    for (let revision = Math.max(0, ...used) + 1; ; revision++) {
      try {
        closeSync(openSync(join(directory, String(revision)), 'wx', 0o600))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue
        throw error
      }
      // The highest ones stay: they are what the next number is counted from.
      for (const old of used) if (old < revision - 20) rmSync(join(directory, String(old)), { force: true })
      return revision
    }
  }

  private hostFile(name: string): string {
    return `hosts/${hostToken(name)}.json`
  }

  private file(name: string): string {
    return join(this.path, name)
  }

  private json(name: string): unknown {
    return JSON.parse(readFileSync(this.file(name), 'utf8')) as unknown
  }
}

const digestOf = (secret: string) => createHash('sha256').update(secret).digest('hex')

const tokenContent = z.object({
  address: z.string().min(1),
  port: z.int().min(1).max(65_535),
  /** SHA-256 of the certificate of the bus. */
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  secret: z.string().min(40),
  stack: z.string(),
  host: z.string(),
})
/** The content of a token, with which a host enrols. */
export type EnrolmentToken = z.output<typeof tokenContent>

const tokenPrefix = 'converge-agent-'

function encodeToken(token: EnrolmentToken): string {
  return `${tokenPrefix}${Buffer.from(JSON.stringify(token)).toString('base64url')}`
}

/** @throws INVALID_TOKEN */
export function decodeToken(text: string): EnrolmentToken {
  try {
    if (!text.startsWith(tokenPrefix)) throw new Error('it does not begin as a token')
    return tokenContent.parse(JSON.parse(Buffer.from(text.slice(tokenPrefix.length), 'base64url').toString('utf8')))
  } catch (cause) {
    throw new ConvergeError('the token is incomplete or damaged', {
      code: 'INVALID_TOKEN',
      hint: 'copy the whole line that converge agent invite has printed',
      usage: true,
      cause,
    })
  }
}
