/** Defines which New Relic agents a host runs. */
import { field, group } from './fields.ts'
import { flag } from './values.ts'

export const new_relic = () =>
  group(
    'Which New Relic agents a host runs.',
    {
      servers: field(flag(), true, 'Runs the old agent for hosts.'),
      infrastructure: field(flag(), false, 'Runs the infrastructure agent.'),
    },
    {
      cookbook: 'plone_buildout',
      unused: 'converge installs no agent for hosts: install newrelic-infra as New Relic documents it',
    },
  )
