/** Defines the attributes of the New Relic agents and of what they report. */

import { field, group, list, optional, orNull, unimplemented } from './fields.ts'
import { line, path, pattern } from './texts.ts'
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

/** Either of the keys installs the agent of the host. */
const ofHost = { needs: ['newrelic.infrastructure', 'new_relic.infrastructure'] }

export const endedAgent = {
  unused:
    'remove it: New Relic ended this agent in 2017; set newrelic.infrastructure to true, and give the host the role newrelic',
}

const url = () => pattern(/^https?:\/\/\S+$/, 'an http or https URL')

const infrastructureAgent = () =>
  group(
    'Settings of the infrastructure agent, written into /etc/newrelic-infra.yml.',
    {
      display_name: field(orNull(line()), null, 'Name under which the host is reported; null for its host name.'),
      log_file: field(orNull(path()), null, 'File that the agent logs to; null for the journal.'),
      verbose: field(flag(), false, 'Logs more, for debugging.'),
      proxy: field(orNull(url()), null, 'Proxy that the agent connects through.', { sensitive: true }),
    },
    { open: true, ...ofHost, unusedRest: 'remove it: converge writes no such setting of the agent' },
  )

const repository = () =>
  group(
    'The apt repository of the infrastructure agent.',
    {
      infrastructure: group(
        'The apt repository of the infrastructure agent.',
        {
          uri: field(
            url(),
            'https://download.newrelic.com/infrastructure_agent/linux/apt',
            'Address of the repository.',
          ),
          key: field(
            url(),
            'https://download.newrelic.com/infrastructure_agent/gpg/newrelic-infra.gpg',
            'Address of the key that signs it.',
          ),
          fingerprints: field(
            list(pattern(/^[0-9A-Fa-f]{40}$/, 'a fingerprint of 40 hexadecimal digits')),
            ['A758B3FBCD43BE8D123A3476BB29EE038ECCE87C'],
            'Fingerprints of that key: another key is refused.',
          ),
          components: field(list(line()), ['main'], 'Components of the repository.'),
          ssl_verify: unimplemented(true, 'Checks the certificate of the repository.', {
            unused: 'remove it: the certificate is always checked; set uri to an http address for a mirror without one',
          }),
        },
        ofHost,
      ),
    },
    {
      open: true,
      unusedRest:
        'remove it: converge installs the infrastructure agent from apt, and the agent for Python as an egg of the site',
    },
  )

export const newrelic = () =>
  group(
    'Settings of the New Relic agents.',
    {
      license: optional(line(), 'License key of the account, for all agents.', {
        sensitive: true,
        needs: ['plone_instances.newrelic_tracing', ...ofHost.needs],
      }),
      infrastructure: optional(flag(), 'Runs the infrastructure agent on hosts with the role newrelic.', {
        usual: false,
      }),
      infrastructure_agent: infrastructureAgent(),
      repository: repository(),
      servers: optional(flag(), 'Runs the old agent for hosts.', endedAgent),
      varnish: group('The plugin for Varnish of the old agent.', {}, { open: true, ...endedAgent }),
      application_monitoring: applicationMonitoring(),
      server_monitoring: group(
        'The agent of the host.',
        {
          license: optional(line(), 'License key of the host agent; default `newrelic.license`.', { sensitive: true }),
        },
        { open: true, ...ofHost, unusedRest: 'remove it: it is of the old agent, which New Relic ended in 2017' },
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
        'remove it, or install another agent as New Relic documents it: converge sets up the infrastructure agent and the one for Python',
    },
  )
