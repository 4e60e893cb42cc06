/** Manages a certificate and its private key: made and renewed here, or an existing pair. */

import { dirname } from 'node:path'
import type * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { Unknown } from '../../core/model/reference.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { applyOwnership } from '../files/ownership.ts'
import { accessOf, commonNameOf, type Props, props, type State, state } from './certificate_schema.ts'
import { readAccess, readState } from './current_certificate.ts'
import { desiredState, isReissued } from './desired_certificate.ts'
import { issueCertificate, makeKey } from './issue_certificate.ts'
import { certificateFacts, parseCertificate } from './parse_certificate.ts'

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
      hint: "declare it before this: packages(r, { names: ['openssl'] })",
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
    doc: 'Keeps a certificate with its private key, self-signed or signed by your own CA, and renews it before its end. Or installs an existing pair, after a check that they match.',
    mirrors: "Chef's openssl_x509_certificate, Ansible's x509_certificate; openssl-req(1), openssl-x509(1)",
    examples,
    reach: 'paths',
    key: ({ path }) => path,
    props,
    state,
  },
  {
    read: readState,
    desired: desiredState,
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
