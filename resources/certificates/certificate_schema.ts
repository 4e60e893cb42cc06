/** Defines the properties and the state of a certificate with its key. */
import * as z from 'zod'
import { digestOf } from '../../core/model/json.ts'
import { absolutePath, fileMode } from '../../core/model/units.ts'
import { ownershipProps, ownershipState } from '../files/ownership.ts'
import { keyTypes } from './issue_certificate.ts'

const dnsName = z.string().regex(/^(\*\.)?[A-Za-z0-9_]([\w-]*\w)?(\.[A-Za-z0-9_]([\w-]*\w)?)*$/, {
  error: 'a DNS name such as shop.example.com or *.example.com, or an IP address',
})

export const props = z
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
export type Props = z.output<typeof props>

const access = z.strictObject(ownershipState)

export const state = z.strictObject({
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
export type State = z.output<typeof state>

/** The state without a certificate. */
export const noCertificate: Omit<State, 'certificate' | 'key' | 'certificateAccess' | 'keyAccess'> = {
  commonName: '',
  names: [],
  days: null,
  authority: false,
  issuer: 'none',
  isDue: false,
  serial: '',
  content: null,
}

/** Owner, group and mode of each file. */
export const accessOf = {
  certificate: ({ owner, group }: Props) => ({ owner, group, mode: '0644' }),
  key: ({ owner, group, keyMode }: Props) => ({ owner, group, mode: keyMode }),
}

export const commonNameOf = ({ commonName, names }: Props) => commonName ?? names[0] ?? ''
export const digestOfPair = (certificate: string, key: string) => digestOf([certificate.trim(), key.trim()])
