/** Defines the attributes of the balancer between the cache and the clients. */

import { field, group, optional, orNull } from './fields.ts'
import { configuredPath, countText, haproxyTime, haproxyWords, line, printableWord } from './texts.ts'
import { choice, flag, integer, milliseconds } from './values.ts'

const health = () => ({
  health_check_url: field(printableWord(), '/', 'Path that the balancer asks each client for, to see that it lives.'),
  health_check_host: field(
    orNull(printableWord()),
    null,
    'Host header of that request; null for none. For clients that answer their own names only.',
    { mirrors: 'haproxy.cfg: http-check send hdr Host' },
  ),
  health_check_method: field(printableWord(), 'OPTIONS', 'HTTP method of that request.'),
  check_interval: field(milliseconds(), 10000, 'Time between two checks of a client.', { unit: 'milliseconds' }),
  rise: field(integer(1), 1, 'Successful checks in a row after which a client counts as up.', { unit: 'checks' }),
  fall: field(integer(1), 5, 'Failed checks in a row after which a client counts as down.', { unit: 'checks' }),
  retries: field(
    integer(0),
    3,
    'How often a request that a client did not take is sent to another one. HAProxy gets at least the number of clients, or 60 for a single one, unless it is 0.',
    { unit: 'tries' },
  ),
})

const limits = () => ({
  global_max_connections: field(countText(), '80000', 'Most connections the whole balancer takes at once.', {
    unit: 'connections',
  }),
  default_max_connections: field(countText(), '80000', 'Most connections one front end takes at once.', {
    unit: 'connections',
  }),
  client_timeout: field(haproxyTime(), '60s', 'How long a visitor may be silent, in HAProxy notation: 60s.'),
  queue_timeout: field(haproxyTime(), '120s', 'How long a request may wait for a free client, in HAProxy notation.'),
  connect_timeout: field(haproxyTime(), '10s', 'How long a connection to a client may take, in HAProxy notation.'),
  http_request_timeout: field(
    haproxyTime(),
    '30s',
    'How long a visitor may take to send the head of a request, in HAProxy notation.',
  ),
  server_timeout: field(haproxyTime(), '900s', 'How long a client may take to answer, in HAProxy notation.'),
})

export const haproxy = () =>
  group(
    'HAProxy, which spreads requests over the clients.',
    {
      enable_stats: field(flag(), false, 'Shows a page with the state of all clients.'),
      stats_url: field(printableWord(), '/haproxy?stats', 'Path of that page.', { needs: '.enable_stats' }),
      stats_user: field(printableWord(), 'opsworks', 'Account that may see it.', { needs: '.enable_stats' }),
      stats_password: optional(line(), 'Password of that account; without one, converge generates a password once.', {
        sensitive: true,
      }),
      stats_socket_path: field(configuredPath(), '/var/lib/haproxy/stats', 'Socket for commands at run time.'),
      stats_socket_level: field(
        orNull(choice(['user', 'operator', 'admin'])),
        null,
        'Permitted commands of that socket; null for admin, which draining clients requires.',
      ),
      ...health(),
      ...limits(),
      httpclose: field(flag(), true, 'Closes the connection after each answer.'),
      http_server_close: field(flag(), false, "Closes only the server's side of the connection after each answer.", {
        needs: '!.httpclose',
      }),
      balance: field(haproxyWords(), 'leastconn', 'How the next client is chosen, in HAProxy notation.'),
      sticky_sessions: field(flag(), false, 'Sends a visitor to the same client each time.'),
    },
    { cookbook: 'haproxy', open: true },
  )
