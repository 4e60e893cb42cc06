/** Lists settings of cookbooks that converge does not implement, with what to do instead of each. */
import { deploy_django } from './deploy_django.ts'
import { group, orAbsent, unimplemented } from './fields.ts'

const glusterfs = () =>
  group(
    'The GlusterFS server.',
    {},
    {
      cookbook: 'glusterfs',
      open: true,
      unused: 'set plone_blobs, which the role gluster-server reads, or set the option with gluster volume set',
    },
  )

const certbot = () =>
  group(
    'How certbot asks for certificates.',
    {
      config_dir: unimplemented('/etc/letsencrypt', 'Directory that it keeps certificates in.', {
        unused: 'remove it: certbot keeps its certificates in /etc/letsencrypt',
      }),
      server: unimplemented(null, 'Address of the certificate authority.'),
      staging: unimplemented(false, 'Asks for certificates that are for tests only.'),
    },
    {
      cookbook: 'certbot',
      open: true,
      unused: 'set server, and other options of certbot, in /etc/letsencrypt/cli.ini',
    },
  )

const python = () =>
  group(
    'How the cookbook installed Python.',
    { virtualenv_version: unimplemented('16.7.10', 'Version of virtualenv.') },
    {
      cookbook: 'python',
      open: true,
      unused: 'choose the Python of an app with python_major_version, or of all apps with converge.python',
    },
  )

const gunicorn = () =>
  group(
    'How the cookbook installed gunicorn.',
    {},
    { cookbook: 'gunicorn', open: true, unused: 'start gunicorn, with its options, in port_app.command' },
  )

const supervisor = () =>
  group(
    'How the cookbook installed supervisor.',
    {},
    { cookbook: 'supervisor', open: true, unused: 'set converge.supervisor, or edit /etc/supervisor/supervisord.conf' },
  )

const logrotate = () =>
  group(
    'How long logs of apps are kept.',
    {
      rotate: unimplemented(30, 'Rotated logs that are kept of each app.', {
        unused: 'remove it: converge rotates the logs of an app weekly or at 100 MB, and keeps eight of each',
      }),
    },
    { cookbook: 'logrotate', open: true, unused: 'add a file of your own to /etc/logrotate.d' },
  )

const nginx = () =>
  group(
    'The nginx cookbook of the platform.',
    {},
    {
      cookbook: 'nginx',
      open: true,
      unused: 'set nginx_plone and converge.frontend, or add a file of your own to /etc/nginx/conf.d',
    },
  )

/** By top-level key. */
export const otherCookbooks = {
  glusterfs: orAbsent(glusterfs),
  certbot: orAbsent(certbot),
  python: orAbsent(python),
  gunicorn: orAbsent(gunicorn),
  supervisor: orAbsent(supervisor),
  logrotate: orAbsent(logrotate),
  nginx: orAbsent(nginx),
  deploy_django: orAbsent(deploy_django),
}
