/** Defines the attribute with the address to which the certificate authority writes. */
import { field, orNull } from './fields.ts'
import { line } from './texts.ts'

export const certbot_email = () =>
  field(orNull(line()), null, 'Mail address that the certificate authority sends its warnings to; null for none.', {
    mirrors: "plone_buildout: node['certbot_email']",
    needs: 'certbot_domains',
  })
