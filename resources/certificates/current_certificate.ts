/** Reads the current state of a certificate and its key. */
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { describeFileKind, inTheWay } from '../../core/model/file_errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { noOwnership, readOwnership } from '../files/ownership.ts'
import { accessOf, digestOfPair, noCertificate, type Props, type State } from './certificate_schema.ts'
import { certificateFacts, isSignedBy, parseCertificate, parsePrivateKey } from './parse_certificate.ts'

const day = 86_400

/** Returns the text of a file of the pair; null without it. */
function readPart(host: HostReader, path: string): string | null {
  const kind = host.stat(path)?.kind
  if (kind === undefined) return null
  if (kind === 'file') return host.readText(path)
  throw inTheWay(`${path} is ${describeFileKind(kind)}, but a file was declared`, path)
}

export function readAccess(host: HostReader, path: string, declared: ReturnType<typeof accessOf.key>) {
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

export function readState(host: HostReader, props: Props, context: Context): State {
  const keyText = readPart(host, props.key)
  const text = readPart(host, props.path)
  for (const secret of [props.content?.key, keyText]) if (secret) context.secret(secret)
  const accesses = {
    certificateAccess: readAccess(host, props.path, accessOf.certificate(props)),
    keyAccess: readAccess(host, props.key, accessOf.key(props)),
  }
  if (props.absent) {
    const [certificate, key] = [text === null ? 'absent' : 'present', keyText === null ? 'absent' : 'other'] as const
    return { ...noCertificate, certificate, key, certificateAccess: noOwnership, keyAccess: noOwnership }
  }
  const privateKey = keyText === null ? null : parsePrivateKey(keyText)
  if (keyText !== null && privateKey === null && props.content === undefined)
    throw inTheWay(`${props.key} is not a private key in PEM without a passphrase`, props.key)
  const issuer = readIssuer(host, props)
  const certificate = text === null ? null : parseCertificate(text)
  const noPair = {
    certificate: text === null ? 'absent' : 'damaged',
    key: keyText === null ? 'absent' : 'other',
  } as const
  if (certificate === null) return { ...noCertificate, ...noPair, ...accesses }
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
