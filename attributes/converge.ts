/** Defines the attributes for features that the cookbook lacks, or has in another form. */
import * as z from 'zod'
import { field, group, list, map, orNull } from './fields.ts'
import { readinessRequest, urlPath } from './http.ts'
import { configuredPath, line, portPattern } from './texts.ts'
import { choice, flag, integer, number, packages, port } from './values.ts'

const readiness = () =>
  group('The readiness check of a restarted client; the next client restarts after it succeeds.', {
    ...readinessRequest(),
    stay_up_seconds: field(
      number(0),
      5,
      'How long a program without a readiness check must stay up before it counts as started.',
      { unit: 'seconds' },
    ),
    deadline_seconds: field(number(1), 120, 'Deadline for a client to become ready.', { unit: 'seconds' }),
    warm_paths: field(
      list(urlPath()),
      [],
      'Paths that converge requests from a ready client to fill its caches, before the next client restarts.',
    ),
  })

const supervisor = () =>
  group('The supervisor that keeps the programs running.', {
    conf_dir: field(configuredPath(), '/etc/supervisor/conf.d', 'Directory of the programs, one file each.', {
      mirrors: 'supervisord.conf: [include] files',
    }),
    config: field(configuredPath(), '/etc/supervisor/supervisord.conf', 'Its own configuration.', {
      mirrors: 'supervisord -c',
    }),
    socket: field(configuredPath(), '/var/run/supervisor.sock', 'Socket that accepts its commands.', {
      mirrors: 'supervisord.conf: [unix_http_server] file',
    }),
    log_dir: field(configuredPath(), '/var/log/supervisor', 'Directory for its log and those of the programs.', {
      mirrors: 'supervisord.conf: [supervisord] childlogdir',
    }),
    version: field(line(), '', "Version from PyPI where the host's own supervisor is not used; empty for the newest."),
  })

const endpoint = () =>
  z
    .string()
    .regex(new RegExp(`^(/[^\\s\\0]*|[^\\s/:]+:${portPattern})$`), { error: 'the path of a socket, or host:port' })

const listenAddress = () =>
  z.union([z.literal('*'), z.ipv4(), z.ipv6()], { error: 'an IP address of the host, or * for all of them' })

const share = () =>
  z.union([integer(1), z.string().regex(/^([1-9]\d?|100)%$/)], { error: "a count from 1 up, or a share such as '50%'" })

const balancer = () =>
  group("HAProxy's runtime API, by which clients are drained before they restart.", {
    drain: field(
      flag(),
      true,
      'Drains a client in its balancers before it restarts or stops. If false, it restarts or stops without draining.',
    ),
    drain_deadline_seconds: field(
      number(0),
      60,
      'How long to wait for the last visitor of a client before it restarts anyway.',
      { unit: 'seconds' },
    ),
    max_unavailable: field(
      share(),
      1,
      "How many clients restart at once, over all hosts: a count, or a share such as '25%'.",
    ),
    layers: field(
      list(line()),
      ['frontend', 'lb', 'haproxy'],
      'Short names of the layers whose hosts run the balancer.',
    ),
    port: field(
      orNull(port()),
      null,
      'Port of the runtime API at `opsworks.instance.private_ip`, for the hosts of the clients; it has no password. Null for none.',
      { mirrors: 'haproxy.cfg: stats socket ipv4@' },
    ),
    sockets: field(
      list(endpoint()),
      [],
      'Further runtime APIs, beside those of the layers: paths of sockets, or `host:port`.',
      { mirrors: 'haproxy.cfg: stats socket' },
    ),
  })

const frontend = () =>
  group('Addresses, ports and options of the programs of the role frontend.', {
    http_port: field(port(), 80, 'Port that nginx answers HTTP on.'),
    https_port: field(port(), 443, 'Port that nginx answers HTTPS on.'),
    balancer_port: field(port(), 8080, 'Port that HAProxy accepts requests on.', { mirrors: 'haproxy.cfg: bind' }),
    balancer_address: field(
      listenAddress(),
      '127.0.0.1',
      'Address that HAProxy accepts requests on, without nginx and its TLS; * for all addresses of the host.',
      { mirrors: 'haproxy.cfg: bind' },
    ),
    cache_address: field(
      orNull(listenAddress()),
      null,
      'Address that Varnish accepts requests on, without nginx and its TLS; * for all addresses. Null for loopback, and the private address if clients on other hosts send PURGE.',
      { mirrors: 'varnishd: -a' },
    ),
    cache_size: field(
      z.string().regex(/^\d+[kMGTmgtK]?$/, { error: "a size in varnishd's notation: 256m" }),
      '256m',
      'Memory that Varnish keeps pages in.',
      { mirrors: 'varnishd: -s malloc,<size>' },
    ),
    slow_start_seconds: field(
      integer(0),
      30,
      'Time in which a ready client gradually gets its full share of requests.',
      {
        unit: 'seconds',
        mirrors: 'haproxy.cfg: server slowstart',
      },
    ),
    blobs: field(
      orNull(configuredPath()),
      null,
      'Directory of the blobs that nginx sends itself; null for that of the clients.',
    ),
  })

const exporterPort = (number: number, description: string) =>
  field(port(), number, description, { mirrors: '--web.listen-address' })

const monitoring = () =>
  group('The Prometheus exporters of the role monitoring.', {
    address: field(
      orNull(listenAddress()),
      null,
      'Address that the exporters listen on; * for all addresses. Null for loopback, or the private address of the host if the stack has other hosts.',
      { mirrors: '--web.listen-address' },
    ),
    node_port: exporterPort(9100, 'Port of the exporter for the host, and for the runs of converge.'),
    nginx_port: exporterPort(9113, 'Port of the exporter for nginx.'),
    varnish_port: exporterPort(9131, 'Port of the exporter for Varnish.'),
    redis_port: exporterPort(9121, 'Port of the exporter for the broker.'),
    haproxy_port: field(port(), 8405, 'Port at which HAProxy serves its metrics.', { mirrors: 'haproxy.cfg: bind' }),
    nginx_status_port: field(
      port(),
      8406,
      'Port of the loopback address at which nginx tells its exporter its counters.',
      {
        mirrors: 'nginx: stub_status',
      },
    ),
  })

export const converge = () =>
  group(
    'Features that the cookbook lacks, or has in another form.',
    {
      roles: field(list(line()), [], 'Roles of this host, where the command line names none.'),
      deployed_apps: field(
        orNull(list(line())),
        null,
        'Apps that a deploy is for; null means all. Another app stays stopped if it was stopped on purpose, and keeps its release if its configuration was rolled back. Set by `converge stack deploy --app`.',
      ),
      reuse_releases: field(
        flag(),
        false,
        'Whether a deploy switches to an older complete release with the same commit and configuration instead of building one. Set by `converge stack` for a host that catches up.',
      ),
      deployed: field(
        map(
          group('The deployed commit of an app.', {
            commit: field(orNull(line()), null, 'Commit that its hosts run.'),
            deployment: field(
              orNull(line()),
              null,
              'Deployment that switched a host to another release; null for none.',
            ),
          }),
        ),
        {},
        'The commits that a rollout deployed, by app. Other hosts use them afterwards, for example to ban cached pages. Set by `converge stack`.',
      ),
      packages: field(
        packages(),
        [],
        'Packages of the distribution that the role base installs; as `os_packages` of an app.',
      ),
      automatic_updates: field(
        orNull(flag()),
        null,
        'Whether the host installs security updates automatically; the role base sets it up. null leaves the host as it is.',
        { mirrors: 'apt.conf: APT::Periodic::Unattended-Upgrade' },
      ),
      hosts_file: field(
        orNull(flag()),
        null,
        'Whether /etc/hosts has the names of the hosts of the stack; the role base writes them in configure. False removes them, null leaves the file as it is.',
      ),
      log_rotation: field(
        choice(['copytruncate', 'rename']),
        'copytruncate',
        'How logrotate rotates logs of buildout apps. rename loses no line, and requires programs that open a new file, such as by WatchedFileHandler.',
      ),
      prefix: field(configuredPath(), '/', 'Directory that all absolute paths are placed below.'),
      python: field(line(), 'python3', 'Python that virtualenvs are made with: a command or an absolute path.'),
      supervisor: supervisor(),
      readiness: readiness(),
      balancer: balancer(),
      frontend: frontend(),
      monitoring: monitoring(),
      secret_names: field(
        list(line()),
        [],
        'Names whose values are masked wherever they stand, beside those that sound secret, such as `DB_PASSWORD`.',
      ),
      open_names: field(
        list(line()),
        [],
        'Names whose values are shown although they sound secret, such as `CSRF_TOKEN_NAME`.',
      ),
      allow_root: field(
        flag(),
        false,
        'Runs builds as root where the account is root, though a build runs code of others.',
      ),
      build_timeout_seconds: field(number(1), 1800, 'How long a build may take.', { unit: 'seconds' }),
    },
    { cookbook: null },
  )
