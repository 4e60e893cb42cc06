/** Defines the attribute with the names on the TLS certificate. */
import { field } from './fields.ts'
import { hostNames } from './values.ts'

export const certbot_domains = () =>
  field(
    hostNames(),
    [],
    "Host names of the one certificate that certbot gets; none for no certificate of Let's Encrypt.",
    {
      mirrors: "plone_buildout: node['certbot_domains']",
    },
  )
