/** Defines which New Relic agents a host runs. */
import { field, group } from './fields.ts'
import { endedAgent } from './newrelic.ts'
import { flag } from './values.ts'

export const new_relic = () =>
  group(
    'Which New Relic agents a host runs.',
    {
      servers: field(flag(), true, 'Runs the old agent for hosts.', endedAgent),
      infrastructure: field(flag(), false, 'Does the same as `newrelic.infrastructure`.'),
    },
    { cookbook: 'plone_buildout' },
  )
