/** Manages a certificate and its private key: made and renewed here, or an existing pair. */
import { dirname } from 'node:path'
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { describeFileKind } from '../../core/model/file_errors.ts'
import { digestOf, sameJson } from '../../core/model/json.ts'
import { Unknown } from '../../core/model/reference.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath, fileMode } from '../../core/model/units.ts'
import {
  applyOwnership,
  noOwnership,
  ownershipProps,
  ownershipState,
  readOwnership,
  wantedOwnership,
} from '../files/ownership.ts'
import { issueCertificate, keyTypes, makeKey } from './issue_certificate.ts'
import { canonicalName, certificateFacts, isSignedBy, parseCertificate, parsePrivateKey } from './read_certificate.ts'

const day = 86_400

const dnsName = z.string().regex(/^(\*\.)?[A-Za-z0-9_]([\w-]*\w)?(\.[A-Za-z0-9_]([\w-]*\w)?)*$/, {
  error: 'a DNS name such as shop.example.com or *.example.com, or an IP address',
})

const props = z
  .strictObject({
    path: absolutePath.describe('Path of the certificate, in PEM; its directory must exist'),
    key: absolutePath.describe('Path of the private key, in PEM; its directory must exist. An existing key stays'),
    names: z
      .array(z.union([z.ipv4(), z.ipv6(), dnsName]))
      .default([])
      .describe('DNS names and IP addresses of the certificate; required unless authority, content or absent is set'),
    commonName: z
      .string()
      .regex(/^[\w*][\w .:@*-]{0,63}$/, { error: 'at most 64 letters, digits, blanks and . : @ * - _' })
      .optional()
      .describe('Common name (CN); default: the first of names'),
    days: z.int().min(1).max(36_500).default(365).describe('Days that a new certificate is valid; default 365'),
    renewBefore: z
      .int()
      .min(0)
      .default(30)
      .describe('Days before its end at which a run renews it; default 30. With content, a run warns'),
    issuer: z
      .strictObject({
        certificate: absolutePath.describe('Path of the certificate of the CA'),
        key: absolutePath.describe('Path of the private key of the CA'),
      })
      .optional()
      .describe('Your own CA on this host, which signs the certificate; default: it is self-signed'),
    authority: z.boolean().default(false).describe('Make the certificate of a CA; default false'),
    keyType: z
      .enum(keyTypes)
      .default('ec-256')
      .describe('Type of a new key: ec-256 (default), ec-384, rsa-2048 or rsa-4096'),
    content: z
      .strictObject({
        certificate: z.string().describe('The certificate in PEM, and after it those of its issuers'),
        key: z.string().meta({ sensitive: true }).describe('Its private key in PEM, without a passphrase'),
      })
      .optional()
      .describe('An existing certificate and key to install; they must match, and cover names'),
    owner: ownershipProps.owner,
    group: ownershipProps.group,
    keyMode: fileMode.default('0600').describe('Permissions of the key; default 0600. The certificate has 0644'),
    absent: z.boolean().optional().describe('Remove certificate and key instead; default false'),
  })
  .refine(
    ({ absent, content, authority, commonName, names }) =>
      absent || content || names.length > 0 || (authority && commonName !== undefined),
    { error: 'names is required, for a CA names or commonName', path: ['names'] },
  )
  .refine(({ days, renewBefore, content, absent }) => absent || content || renewBefore < days, {
    error: 'renewBefore must be less than days',
    path: ['renewBefore'],
  })
type Props = z.output<typeof props>

const examples: z.input<typeof props>[] = [
  { path: '/etc/ssl/shop.crt', key: '/etc/ssl/private/shop.key', names: ['shop.example.com', '10.0.0.5'] },
  {
    path: '/etc/ssl/own-ca.crt',
    key: '/etc/ssl/private/own-ca.key',
    commonName: 'Shop CA',
    authority: true,
    days: 3650,
  },
  {
    path: '/etc/ssl/db.crt',
    key: '/etc/ssl/private/db.key',
    names: ['db1.internal'],
    issuer: { certificate: '/etc/ssl/own-ca.crt', key: '/etc/ssl/private/own-ca.key' },
    group: 'postgres',
    keyMode: '0640',
  },
]

const access = z.strictObject(ownershipState)

const state = z.strictObject({
  certificate: z.enum(['absent', 'damaged', 'present']),
  /** `matching`: it belongs to the certificate. */
  key: z.enum(['absent', 'matching', 'other']),
  commonName: z.string(),
  names: z.array(z.string()),
  days: z.number().nullable(),
  authority: z.boolean(),
  /** The signer: its own key, the declared CA, an earlier CA of this resource, or an unknown CA. */
  issuer: z.enum(['none', 'self', 'declared', 'earlier', 'other']),
  /** Whether it ends so soon that it must be renewed. */
  isDue: z.boolean(),
  /** Empty for a certificate that a run is going to make. */
  serial: z.string(),
  /** Digest of the content of both files; null unless content is declared. */
  content: z.string().nullable(),
  certificateAccess: access,
  keyAccess: access,
})
type State = z.output<typeof state>

const nothing: Omit<State, 'certificate' | 'key' | 'certificateAccess' | 'keyAccess'> = {
  commonName: '',
  names: [],
  days: null,
  authority: false,
  issuer: 'none',
  isDue: false,
  serial: '',
  content: null,
}

const accessOf = {
  certificate: ({ owner, group }: Props) => ({ owner, group, mode: '0644' }),
  key: ({ owner, group, keyMode }: Props) => ({ owner, group, mode: keyMode }),
}

const commonNameOf = ({ commonName, names }: Props) => commonName ?? names[0] ?? ''
const digestOfPair = (certificate: string, key: string) => digestOf([certificate.trim(), key.trim()])

/** Returns the text of a file of the pair; null without it. */
function readPart(host: HostReader, path: string): string | null {
  const kind = host.stat(path)?.kind
  if (kind === undefined) return null
  if (kind === 'file') return host.readText(path)
  throw new ConvergeError(`${path} is ${describeFileKind(kind)}, but a file was declared`, {
    code: 'IN_THE_WAY',
    hint: `check whether it is still needed, then move it away: mv ${path} ${path}.old`,
  })
}

function readAccess(host: HostReader, path: string, declared: ReturnType<typeof accessOf.key>) {
  const stat = host.stat(path)
  return stat === null ? noOwnership : readOwnership(host, declared, stat)
}

function readIssuer(host: HostReader, { issuer }: Props) {
  if (issuer === undefined) return null
  const certificate = parseCertificate(readPart(host, issuer.certificate) ?? '')
  if (certificate !== null && host.stat(issuer.key) !== null) return certificate
  throw new ConvergeError(
    `there is no CA at ${certificate === null ? `${issuer.certificate}: no certificate in PEM` : `${issuer.key}: no file`}`,
    {
      code: 'NO_FILE',
      hint: 'declare the CA before this: certificate(r, { authority: true, ... }), or correct the paths',
    },
  )
}

function read(host: HostReader, props: Props, context: Context): State {
  const keyText = readPart(host, props.key)
  const text = readPart(host, props.path)
  for (const secret of [props.content?.key, keyText]) if (secret) context.secret(secret)
  const accesses = {
    certificateAccess: readAccess(host, props.path, accessOf.certificate(props)),
    keyAccess: readAccess(host, props.key, accessOf.key(props)),
  }
  if (props.absent) {
    const [certificate, key] = [text === null ? 'absent' : 'present', keyText === null ? 'absent' : 'other'] as const
    return { ...nothing, certificate, key, certificateAccess: noOwnership, keyAccess: noOwnership }
  }
  const privateKey = keyText === null ? null : parsePrivateKey(keyText)
  if (keyText !== null && privateKey === null && props.content === undefined)
    throw new ConvergeError(`${props.key} is not a private key in PEM without a passphrase`, {
      code: 'IN_THE_WAY',
      hint: `check whether it is still needed, then move it away: mv ${props.key} ${props.key}.old`,
    })
  const issuer = readIssuer(host, props)
  const certificate = text === null ? null : parseCertificate(text)
  const noPair = {
    certificate: text === null ? 'absent' : 'damaged',
    key: keyText === null ? 'absent' : 'other',
  } as const
  if (certificate === null) return { ...nothing, ...noPair, ...accesses }
  const facts = certificateFacts(certificate)
  const { commonName, names, days, authority, serial } = facts
  const isDue = facts.expires - host.now() < props.renewBefore * day
  if (props.content !== undefined && isDue) warnOfEnd(props, facts.expires, context)
  const signer = () => {
    if (issuer !== null && isSignedBy(certificate, issuer)) return 'declared'
    if (isSignedBy(certificate, certificate)) return 'self'
    return host.recorded(context.name) === serial ? 'earlier' : 'other'
  }
  return {
    certificate: 'present',
    key: privateKey === null ? noPair.key : certificate.checkPrivateKey(privateKey) ? 'matching' : 'other',
    commonName,
    names: [...names],
    days,
    authority,
    issuer: signer(),
    // An installed certificate cannot be renewed here.
    isDue: isDue && props.content === undefined,
    serial,
    content: props.content === undefined ? null : digestOfPair(text ?? '', keyText ?? ''),
    ...accesses,
  }
}

function warnOfEnd({ path }: Props, expires: number, { warn }: Context): void {
  const date = new Date(expires * 1000).toISOString().slice(0, 10)
  warn(`the certificate ${path} is valid until ${date} (declare a renewed one)`)
}

/** @throws KEY_MISMATCH or NAME_MISMATCH for a pair that no server could use */
function desiredPair(props: Props, { certificate: text, key }: NonNullable<Props['content']>, now: State): State {
  const certificate = parseCertificate(text)
  const privateKey = parsePrivateKey(key)
  if (certificate === null || privateKey === null)
    throw new ConvergeError(
      `the declared ${certificate === null ? 'certificate' : 'key'} of ${props.path} is not in PEM${certificate === null ? '' : ', or has a passphrase'}`,
      { code: 'INVALID_CONTENT', hint: 'declare the content of the files, which begin with -----BEGIN' },
    )
  if (!certificate.checkPrivateKey(privateKey))
    throw new ConvergeError(`the declared key does not belong to the certificate of ${props.path}`, {
      code: 'KEY_MISMATCH',
      hint: 'declare the key with which the certificate was requested; of a chain, the certificate of this host must come first',
    })
  const { commonName, names, days, authority, serial } = certificateFacts(certificate)
  const missing = props.names.filter((name) => !isCovered(name, names))
  if (missing.length > 0)
    throw new ConvergeError(`the declared certificate of ${props.path} is not valid for ${missing.join(', ')}`, {
      code: 'NAME_MISMATCH',
      hint: `declare a certificate with these names, or correct names: it has ${names.join(', ') || 'none'}`,
    })
  const isInstalled = now.serial === serial
  return {
    certificate: 'present',
    key: 'matching',
    commonName,
    names: [...names],
    days,
    authority,
    issuer: isInstalled ? now.issuer : isSignedBy(certificate, certificate) ? 'self' : 'other',
    isDue: false,
    serial,
    content: digestOfPair(text, key),
    certificateAccess: wantedOwnership(accessOf.certificate(props)),
    keyAccess: wantedOwnership(accessOf.key(props)),
  }
}

function isCovered(name: string, names: readonly string[]): boolean {
  const wildcard = name.replace(/^[^.]+/, '*').toLowerCase()
  return names.includes(canonicalName(name)) || names.includes(wildcard)
}

function desired(props: Props, now: State): State {
  if (props.absent)
    return { ...nothing, certificate: 'absent', key: 'absent', certificateAccess: noOwnership, keyAccess: noOwnership }
  if (props.content !== undefined) return desiredPair(props, props.content, now)
  if (now.issuer === 'other')
    throw new ConvergeError(`${props.path} is a certificate of another issuer, which a new one would replace`, {
      code: 'IN_THE_WAY',
      hint: `check whether it is still needed, then move it away: mv ${props.path} ${props.path}.old`,
    })
  const wanted: State = {
    certificate: 'present',
    key: 'matching',
    commonName: commonNameOf(props),
    names: [...new Set(props.names.map(canonicalName))].sort(),
    days: props.days,
    authority: props.authority,
    issuer: props.issuer === undefined ? 'self' : 'declared',
    isDue: false,
    serial: now.serial,
    content: null,
    certificateAccess: wantedOwnership(accessOf.certificate(props)),
    keyAccess: wantedOwnership(accessOf.key(props)),
  }
  return isReissued(now, wanted) ? { ...wanted, serial: '' } : wanted
}

/** Decides whether more than modes and owners differ. */
function isReissued(now: State, desired: State): boolean {
  const { certificateAccess, keyAccess } = desired
  return !sameJson({ ...now, certificateAccess, keyAccess }, desired)
}

function requireDirectories(host: HostReader, { path, key }: Props): void {
  for (const directory of [dirname(path), dirname(key)])
    if (host.stat(directory)?.kind !== 'directory')
      throw new ConvergeError(`cannot write the certificate: the directory ${directory} does not exist`, {
        code: 'NO_DIRECTORY',
        hint: 'declare it with directory() before this',
      })
}

async function issue(host: Host, props: Props, now: State, { name, progress }: Context): Promise<void> {
  if (host.which('openssl') === null)
    throw new ConvergeError('cannot make a certificate: there is no program openssl on this host', {
      code: 'NO_PROGRAM',
      hint: "declare it before this: package(r, { names: ['openssl'] })",
    })
  progress(`making the certificate ${props.path}`)
  if (now.key === 'absent') host.writeFile(props.key, makeKey(props.keyType), accessOf.key(props))
  const { path, key, days, authority, issuer, names } = props
  const text = await issueCertificate(host, {
    path,
    key,
    days,
    authority,
    issuer,
    names,
    commonName: commonNameOf(props),
  })
  const certificate = parseCertificate(text)
  if (certificate === null)
    throw new ConvergeError(`openssl made no certificate for ${path}`, { code: 'COMMAND_FAILED', output: text })
  // Recorded first: a run that is killed here must not take its own certificate for that of a stranger.
  host.record(name, certificateFacts(certificate).serial)
  host.writeFile(path, text, accessOf.certificate(props))
}

export const certificate = defineResource(
  {
    type: 'certificate',
    doc: 'Keeps a certificate with its private key: self-signed or signed by your own CA, and renewed before its end; or an existing pair, whose match is checked.',
    mirrors: "Chef's openssl_x509_certificate, Ansible's x509_certificate; openssl-req(1), openssl-x509(1)",
    examples,
    key: ({ path }) => path,
    props,
    state,
  },
  {
    read,
    desired,
    async apply(host, props, { now, desired }, context) {
      const { path, key, content } = props
      if (props.absent) {
        host.remove(path)
        return host.remove(key)
      }
      requireDirectories(host, props)
      if (isReissued(now, desired)) {
        if (content === undefined) await issue(host, props, now, context)
        else {
          host.writeFile(key, `${content.key.trim()}\n`, accessOf.key(props))
          host.writeFile(path, `${content.certificate.trim()}\n`, accessOf.certificate(props))
        }
      }
      applyOwnership(host, path, readAccess(host, path, accessOf.certificate(props)), accessOf.certificate(props))
      applyOwnership(host, key, readAccess(host, key, accessOf.key(props)), accessOf.key(props))
    },
    predict(host, props, { now, desired }, context) {
      const { path, key } = props
      if (props.absent) {
        host.remove(path)
        return host.remove(key)
      }
      requireDirectories(host, props)
      if (!isReissued(now, desired)) return
      for (const one of [path, key]) host.unknown(one, context.name)
    },
    words: ({ absent, content }, { now, desired }) => {
      if (absent) return 'removed'
      if (!isReissued(now, desired)) return 'owner or mode'
      if (content !== undefined) return 'installed'
      return now.certificate === 'absent' ? 'made' : now.isDue ? 'renewed' : 'made again'
    },
    fingerprint: ({ path }, { serial, content }) =>
      serial === '' ? new Unknown(`certificate ${path}`) : [serial, content],
    paths: ({ path, key }) => [path, key],
  },
)
