/** What this engine does otherwise than the cookbook, or beyond it. */
import * as z from 'zod'
import { field, flag, group, integer, line, list, number, path } from './fields.ts'

const httpStatus = () => integer(100, 599)

/** A range of status numbers; one number alone is accepted for just that one. */
const statusRange = () =>
  z.preprocess(
    (value) => (typeof value === 'number' || typeof value === 'string' ? { min: value, max: value } : value),
    group('Which status counts as ready.', {
      min: field(httpStatus(), 200, 'Lowest HTTP status that counts as ready.'),
      max: field(httpStatus(), 399, 'Highest HTTP status that counts as ready.'),
    }).refine(({ min, max }) => min <= max, { error: 'a range whose min is not above its max' }),
  )

const readiness = () =>
  group('When a client that was restarted counts as up, so that the next one may go.', {
    path: field(
      z.string().regex(/^\/[^\s]*$/, { error: 'the path of a URL, which starts with /' }),
      '/',
      'Path that is asked for.',
    ),
    status: field(
      statusRange(),
      { min: 200, max: 399 },
      'HTTP status of the answer that counts as ready: {min, max}, or one number.',
    ),
    deadline_seconds: field(number(1), 120, 'How long a client may take to come up.', { unit: 'seconds' }),
    warm_paths: field(
      list(z.string().regex(/^\/[^\s]*$/, { error: 'the path of a URL, which starts with /' })),
      [],
      'Paths asked for once it is up and before the next one goes, to fill its caches.',
    ),
  })

const supervisor = () =>
  group('The supervisor that keeps the programs running.', {
    conf_dir: field(path(), '/etc/supervisor/conf.d', 'Directory of the programs, one file each.', {
      mirrors: 'supervisord.conf: [include] files',
    }),
    config: field(path(), '/etc/supervisor/supervisord.conf', 'Its own configuration.', { mirrors: 'supervisord -c' }),
    socket: field(path(), '/var/run/supervisor.sock', 'Socket it takes commands at.', {
      mirrors: 'supervisord.conf: [unix_http_server] file',
    }),
    log_dir: field(path(), '/var/log/supervisor', 'Directory for its log and those of the programs.', {
      mirrors: 'supervisord.conf: [supervisord] childlogdir',
    }),
    version: field(line(), '', "Version from PyPI where the host's own supervisor isn't used; empty for the newest."),
  })

export const converge = () =>
  group(
    'What the engine does otherwise than the cookbook, or beyond it.',
    {
      roles: field(list(line()), [], 'Roles of this host, where the command line names none.'),
      prefix: field(path(), '/', 'Directory that all absolute paths are placed below.'),
      python: field(line(), 'python3', 'Python that virtualenvs are made with: a command or an absolute path.'),
      supervisor: supervisor(),
      readiness: readiness(),
      allow_root: field(
        flag(),
        false,
        'Runs builds as root where the account is root, though a build runs code of others.',
      ),
      build_timeout_seconds: field(number(1), 1800, 'How long a build may take.', { unit: 'seconds' }),
    },
    { cookbook: null },
  )
