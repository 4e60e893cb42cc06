/** Makes private keys, and certificates with openssl. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { Host } from '../../core/host/types.ts'
import { isAddress } from './parse_certificate.ts'

export const keyTypes = ['ec-256', 'ec-384', 'rsa-2048', 'rsa-4096'] as const
export type KeyType = (typeof keyTypes)[number]

/** Makes a private key; returns it as PEM. */
export function makeKey(type: KeyType): string {
  const [kind, bits] = type.split('-')
  const { privateKey } =
    kind === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: `P-${bits}` })
      : generateKeyPairSync('rsa', { modulusLength: Number(bits) })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

export interface CertificateRequest {
  /** Path of the private key. */
  readonly key: string
  /** Path of the certificate; a file for openssl is beside it for a moment. */
  readonly path: string
  readonly commonName: string
  readonly names: readonly string[]
  readonly days: number
  readonly authority: boolean
  /** Paths of certificate and key of the CA; without it the certificate is self-signed. */
  readonly issuer?: { readonly certificate: string; readonly key: string } | undefined
}

/** Makes a certificate; returns it as PEM. */
export async function issueCertificate(host: Host, request: CertificateRequest): Promise<string> {
  const { path, key, days, issuer } = request
  const config = `${path}.converge-request`
  host.remove(config)
  try {
    host.writeFile(config, requestConfig(request), { mode: '0600' })
    const common = ['-days', `${days}`, '-sha256', '-set_serial', serialNumber()]
    const signingRequest = ['openssl', 'req', '-new', '-key', key, '-config', config]
    if (issuer === undefined) return (await host.run([...signingRequest, '-x509', ...common])).stdout
    const { stdout } = await host.run([...signingRequest, '-sha256'])
    const signer = ['-CA', issuer.certificate, '-CAkey', issuer.key]
    const sign = ['openssl', 'x509', '-req', ...signer, ...common, '-extfile', config, '-extensions', 'extensions']
    return (await host.run(sign, { input: stdout })).stdout
  } finally {
    host.remove(config)
  }
}

/** Browsers refuse two certificates of one CA with the same number. The first digit keeps it positive. */
const serialNumber = () => `0x1${randomBytes(15).toString('hex')}`

function requestConfig({ commonName, names, authority, issuer }: CertificateRequest): string {
  const uses = authority ? 'keyCertSign, cRLSign' : 'digitalSignature, keyEncipherment'
  return `[req]
prompt = no
utf8 = yes
distinguished_name = subject
x509_extensions = extensions
[subject]
CN = ${commonName}
[extensions]
basicConstraints = critical, CA:${authority ? 'TRUE' : 'FALSE'}
keyUsage = critical, ${uses}
subjectKeyIdentifier = hash
${issuer === undefined ? '' : 'authorityKeyIdentifier = keyid\n'}${authority ? '' : 'extendedKeyUsage = serverAuth, clientAuth\n'}${names.length === 0 ? '' : 'subjectAltName = @names\n'}[names]
${names.map((name, index) => `${isAddress(name) ? 'IP' : 'DNS'}.${index} = ${name}\n`).join('')}`
}
