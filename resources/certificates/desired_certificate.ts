/** Computes the desired state of a certificate, and refuses to replace one of another issuer. */

import { ConvergeError } from '../../core/model/errors.ts'
import { inTheWay } from '../../core/model/file_errors.ts'
import { sameJson } from '../../core/model/json.ts'
import { desiredOwnership, noOwnership } from '../files/ownership.ts'
import { accessOf, commonNameOf, digestOfPair, noCertificate, type Props, type State } from './certificate_schema.ts'
import { canonicalName, certificateFacts, isSignedBy, parseCertificate, parsePrivateKey } from './parse_certificate.ts'

/** @throws INVALID_CONTENT, KEY_MISMATCH or NAME_MISMATCH for a pair that no server could use */
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
    certificateAccess: desiredOwnership(accessOf.certificate(props)),
    keyAccess: desiredOwnership(accessOf.key(props)),
  }
}

function isCovered(name: string, names: readonly string[]): boolean {
  const wildcard = name.replace(/^[^.]+/, '*').toLowerCase()
  return names.includes(canonicalName(name)) || names.includes(wildcard)
}

export function desiredState(props: Props, now: State): State {
  if (props.absent)
    return {
      ...noCertificate,
      certificate: 'absent',
      key: 'absent',
      certificateAccess: noOwnership,
      keyAccess: noOwnership,
    }
  if (props.content !== undefined) return desiredPair(props, props.content, now)
  if (now.issuer === 'other')
    throw inTheWay(`${props.path} is a certificate of another issuer, which a new one would replace`, props.path)
  const declared: State = {
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
    certificateAccess: desiredOwnership(accessOf.certificate(props)),
    keyAccess: desiredOwnership(accessOf.key(props)),
  }
  return isReissued(now, declared) ? { ...declared, serial: '' } : declared
}

/** Decides whether more than modes and owners differ. */
export function isReissued(now: State, desired: State): boolean {
  const { certificateAccess, keyAccess } = desired
  return !sameJson({ ...now, certificateAccess, keyAccess }, desired)
}
