/** The New Relic agents and what they report. */
import { choice, field, flag, group, line, optional, path } from './fields.ts'

const applicationMonitoring = () =>
  group(
    'What the agent inside the application reports.',
    {
      app_name: field(line(), 'plone_instances', 'Name the application is reported under.'),
      license: optional(line(), 'License key of the application agent alone.', { sensitive: true }),
      browser_monitoring: group(
        'Measurements in the browser.',
        { auto_instrument: field(flag(), true, 'Puts the measuring script into pages by itself.') },
        { open: true },
      ),
      transaction_tracer: group(
        'Traces of slow requests.',
        {
          slow_sql: field(flag(), false, 'Reports slow SQL statements.'),
          record_sql: field(choice(['off', 'raw', 'obfuscated']), 'raw', 'How SQL statements are reported.'),
        },
        { open: true },
      ),
    },
    { open: true },
  )

export const newrelic = () =>
  group(
    'What the New Relic agents are set up with.',
    {
      license: optional(line(), 'License key of the account.', { sensitive: true }),
      application_monitoring: applicationMonitoring(),
      server_monitoring: group(
        'The agent of the host.',
        { license: optional(line(), 'License key of the host agent alone.', { sensitive: true }) },
        { open: true },
      ),
      python_agent: group(
        'The agent for Python.',
        { config_file: field(path(), '/etc/newrelic/newrelic.ini', 'Configuration of the agent.') },
        { open: true },
      ),
    },
    { cookbook: 'newrelic', open: true },
  )
