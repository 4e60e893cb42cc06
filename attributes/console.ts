/** Defines the attributes of the console that the role console installs. */
import { field, group, list, orAbsent, orNull } from './fields.ts'
import { accountName, domainName, path, pattern, portPattern } from './texts.ts'
import { integer } from './values.ts'

const listenAddress = () =>
  pattern(
    new RegExp(`^(\\[[0-9a-f:]+\\]|[\\w.-]+):${portPattern}$`, 'i'),
    'an address and a port, such as 127.0.0.1:8484',
  )

export const console_ = orAbsent(() =>
  group('The console of the role console.', {
    stack_files: field(list(path()), [], 'Stack files that it serves. Its account must be able to read them.'),
    listen: field(
      listenAddress(),
      '127.0.0.1:8484',
      'Address and port it listens on. Keep it on loopback, and let nginx answer other computers.',
    ),
    url: field(
      orNull(pattern(/^https?:\/\/[^\s/?#]+$/, 'a scheme and a host, such as https://deploy.example.com')),
      null,
      'Address under which browsers reach it. Null for https and server_name, or without that for its own address.',
    ),
    settings_file: field(
      orNull(path()),
      null,
      'File with settings: login by OpenID Connect, mail and notices. Its account must be able to read it.',
    ),
    keep_days: field(
      integer(1, 99_999),
      365,
      'How long ended deployments, their logs and the audit are kept. The newest deployment of each stack stays.',
      { unit: 'days' },
    ),
    server_name: field(
      orNull(domainName()),
      null,
      'Host name under which nginx serves it with TLS. Null for no nginx.',
    ),
    certificate: field(orNull(path()), null, 'File with the certificate chain for nginx. Required with server_name.'),
    certificate_key: field(orNull(path()), null, 'File with the key of the certificate. Required with server_name.'),
    account: field(accountName(), 'converge-console', 'Account that runs it, whose SSH keys reach the hosts.'),
    program: field(
      list(path()),
      ['/usr/local/bin/converge'],
      'The program, or Node and the program. It requires Node 22.13 or later.',
    ),
  }),
)
