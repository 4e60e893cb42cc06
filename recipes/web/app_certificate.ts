/** Returns the certificate of an app from its attributes. */
import { isSet } from '../site/attribute_writer.ts'
import type { AppAttributes } from '../site/site_attributes.ts'

/** Returns key and certificates as one text, so that one write replaces both; null if the app has none. */
export function appCertificate(app: AppAttributes): string | null {
  const { ssl_support, ssl_certificate, ssl_certificate_key, ssl_certificate_ca } = app
  if (ssl_support !== true || !isSet(ssl_certificate) || !isSet(ssl_certificate_key)) return null
  const parts = [ssl_certificate_key, ssl_certificate, ssl_certificate_ca].filter(isSet)
  return `${parts.map((part) => part.trim()).join('\n')}\n`
}
