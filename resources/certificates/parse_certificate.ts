/** Parses a certificate, and checks whether a private key belongs to it. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'

export interface CertificateFacts {
  readonly commonName: string
  /** The names and addresses of its subjectAltName, sorted. */
  readonly names: readonly string[]
  /** Days from its beginning to its end. */
  readonly days: number
  /** Seconds since 1970. */
  readonly expires: number
  /** Whether it may sign other certificates. */
  readonly authority: boolean
  readonly serial: string
  readonly issuerName: string
}

/** Parses the first certificate of a PEM text; null if there is none. */
export function parseCertificate(text: string): X509Certificate | null {
  const [block] = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(text) ?? []
  if (block === undefined) return null
  try {
    return new X509Certificate(block)
  } catch (error) {
    if (isOpensslError(error)) return null
    throw error
  }
}

/** Parses a private key in PEM without a passphrase; null if the text is none. */
export function parsePrivateKey(text: string): KeyObject | null {
  try {
    return createPrivateKey(text)
  } catch (error) {
    if (isOpensslError(error)) return null
    throw error
  }
}

/** Node.js has these codes for texts that OpenSSL does not read, and for missing passphrases. */
function isOpensslError(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ERR_MISSING_PASSPHRASE' || code?.startsWith('ERR_OSSL') === true
}

/** Decides whether a name of a certificate is an IP address. */
export function isAddress(name: string): boolean {
  return name.includes(':') || /^\d+(\.\d+){3}$/.test(name)
}

/** Returns a name in the spelling in which names are compared. */
export function canonicalName(name: string): string {
  return name.includes(':') ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name.toLowerCase()
}

const nameField = (fields: string, name: string) =>
  fields
    .split('\n')
    .find((line) => line.startsWith(`${name}=`))
    ?.slice(name.length + 1) ?? ''

export function certificateFacts(certificate: X509Certificate): CertificateFacts {
  const [from, until] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]
  const names = (certificate.subjectAltName ?? '')
    .split(', ')
    .flatMap((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1] ?? [])
  return {
    commonName: nameField(certificate.subject ?? '', 'CN'),
    names: names.map(canonicalName).sort(),
    days: Math.round((until - from) / 86_400_000),
    expires: Math.floor(until / 1000),
    authority: certificate.ca,
    serial: certificate.serialNumber,
    issuerName: nameField(certificate.issuer ?? '', 'CN') || (certificate.issuer ?? '').replaceAll('\n', ', '),
  }
}

/**
 * Decides whether the key of `issuer` signed the certificate. Not by `checkIssued`: that refuses a self-signed certificate
 * of a server, whose key may not sign certificates.
 */
export function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.issuer === issuer.subject && certificate.verify(issuer.publicKey)
}
