/** Defines the attributes of the Varnish package. */
import { field, group } from './fields.ts'
import { flag } from './values.ts'

export const varnish = () =>
  group(
    'Where Varnish comes from.',
    {
      use_default_repo: field(
        flag(),
        false,
        "Installs Varnish from its maker's package repository instead of the distribution's.",
      ),
    },
    {
      cookbook: 'varnish',
      open: true,
      unused:
        'converge installs the Varnish of the distribution, and sets it up with varnish_plone and converge.frontend',
    },
  )
