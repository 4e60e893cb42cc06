/** Defines the attributes that all apps behind a web server have. */
import { field, group, list, orNull } from './fields.ts'
import { readinessRequest } from './http.ts'
import { domainName, text } from './texts.ts'
import { integer, number, port } from './values.ts'

/** The health check that a new process or a new release must pass before it gets requests. */
export const health = (subject: string) =>
  group(`The check that ${subject} must pass before it gets requests.`, {
    ...readinessRequest(),
    deadline_seconds: field(number(1), 120, 'How long it may take to answer with that status.', { unit: 'seconds' }),
  })

/** The site of the web server in front. */
export const webSite = () => ({
  domains: field(
    list(domainName()),
    [],
    'Host names it answers for; empty for `deploy.<app>.domains`, and any where there are none.',
  ),
  http_port: field(port(), 80, 'TCP port that nginx listens on.'),
  https_port: field(port(), 443, 'TCP port of TLS, where `deploy.<app>.ssl_support` and a certificate are given.'),
  max_body_megabytes: field(integer(0), 100, 'Largest request body that is taken; 0 for any size.', { unit: 'MB' }),
  additional_config: field(
    text(),
    '',
    "Further nginx directives of the site's server block; checked by nginx -t first.",
  ),
  build_command: field(
    orNull(text()),
    null,
    'Command that builds a release, for /bin/sh, in its directory, as the account of the app; null for none.',
  ),
})

/** Two ports that processes take in turn. */
export const turns = () => ({
  ports: field(
    list(port()).refine((ports) => ports.length === 2 && ports[0] !== ports[1], { error: 'two different ports' }),
    [9090, 9091],
    'The two local TCP ports that its processes take in turn.',
  ),
  stop_deadline_seconds: field(number(0), 30, 'How long the old process may keep the connections it has.', {
    unit: 'seconds',
  }),
})
