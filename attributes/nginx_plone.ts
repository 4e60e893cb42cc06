/** Defines the attributes of the web server in front of a site. */
import { field, group, orNull } from './fields.ts'
import { nginxSize, text } from './texts.ts'
import { flag, integer, port } from './values.ts'

/** A certificate: from certbot, or given for an app. */
const withTls = { needs: ['certbot_domains', 'deploy.*.ssl_certificate'] }

export const nginx_plone = () =>
  group(
    'nginx, which answers the visitors of the front end.',
    {
      enable_ssi: field(flag(), false, 'Lets nginx put pages together from server-side includes.'),
      additional_servers: field(orNull(text()), null, 'Whole server blocks added before those of the site.'),
      additional_config: field(orNull(text()), null, 'Directives added to each server block of the site.'),
      additional_ssl_config: field(
        orNull(text()),
        null,
        'Directives added to each server block that speaks TLS.',
        withTls,
      ),
      default_config: field(orNull(text()), null, 'Directives added to the default server block only.'),
      default_ssl_config: field(
        orNull(text()),
        null,
        'Directives added to the default server block that speaks TLS.',
        withTls,
      ),
      proxy_port: field(port(), 6081, 'Port of the cache that requests are passed to.'),
      log_retention_days: field(integer(1), 14, 'How long logs are kept.', { unit: 'days' }),
      force_reload: field(flag(), false, 'Reloads nginx in each run, whether its configuration changed or not.', {
        unused:
          'remove it: converge reloads nginx when its configuration or certificate has changed; to reload it by hand, run nginx -s reload',
      }),
      client_max_body_size: field(
        nginxSize(),
        '128m',
        'Largest request body that is let through, in nginx notation: 128m.',
      ),
    },
    { cookbook: 'plone_buildout' },
  )
