/** Defines the attributes of the New Relic agents and of what they report. */

import { field, group, optional, unimplemented } from './fields.ts'
import { line, path } from './texts.ts'
import { choice, flag } from './values.ts'

/** The cookbook installed the agents and wrote more of their settings. */
const asVariable = 'set it as a NEW_RELIC_* variable of the agent in deploy.<app>.environment'

const applicationMonitoring = () =>
  group(
    'Settings of the agent inside the clients, written into the file that `newrelic.python_agent.config_file` names.',
    {
      app_name: field(
        line(),
        'plone_instances',
        'Name the application is reported under, after the name of the stack.',
      ),
      license: optional(line(), 'License key of the application agent; default `newrelic.license`.', {
        sensitive: true,
      }),
      browser_monitoring: group(
        'Measurements in the browser.',
        { auto_instrument: field(flag(), true, 'Adds the measuring script to pages.') },
        { open: true, unusedRest: asVariable },
      ),
      transaction_tracer: group(
        'Traces of slow requests.',
        {
          slow_sql: field(flag(), false, 'Reports slow SQL statements.'),
          record_sql: field(choice(['off', 'raw', 'obfuscated']), 'raw', 'How SQL statements are reported.'),
        },
        { open: true, unusedRest: asVariable },
      ),
    },
    { open: true, needs: 'plone_instances.newrelic_tracing', unusedRest: asVariable },
  )

/** The agent is an egg of the site. */
const pinned = { unused: 'pin the egg newrelic in the [versions] of the site: its buildout installs the agent' }

const noHostAgent = { unused: 'converge installs no agent for hosts: install newrelic-infra as New Relic documents it' }

export const newrelic = () =>
  group(
    'Settings of the New Relic agents.',
    {
      license: optional(line(), 'License key of the account, for the agent inside the clients.', {
        sensitive: true,
        needs: 'plone_instances.newrelic_tracing',
      }),
      infrastructure: optional(flag(), 'Runs the infrastructure agent.', noHostAgent),
      servers: optional(flag(), 'Runs the old agent for hosts.', noHostAgent),
      application_monitoring: applicationMonitoring(),
      server_monitoring: group(
        'The agent of the host.',
        { license: optional(line(), 'License key of the host agent alone.', { sensitive: true }) },
        { open: true, ...noHostAgent },
      ),
      python_agent: group(
        'The agent for Python.',
        {
          config_file: field(path(), '/etc/newrelic/newrelic.ini', 'File that the agent reads.'),
          python_version: unimplemented('2.100.0.84', 'Version of the agent.', pinned),
          python_venv: unimplemented(null, 'Virtualenv that the agent is installed into.', pinned),
        },
        { open: true, needs: 'plone_instances.newrelic_tracing', unusedRest: pinned.unused },
      ),
    },
    {
      cookbook: 'newrelic',
      open: true,
      unusedRest:
        'install the agents of New Relic as New Relic documents them; converge sets up the one for Python alone',
    },
  )
