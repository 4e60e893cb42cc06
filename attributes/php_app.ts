/** Defines the attributes of a PHP application in php-fpm behind nginx, which the role php-app deploys. */

import * as z from 'zod'
import { expectedPhpSetting } from '../core/text/php_fpm.ts'
import { field, group, orNull } from './fields.ts'
import { checkedText, line, pattern, servedDirectory } from './texts.ts'
import { choice, integer, number } from './values.ts'
import { health, webSite } from './web_app.ts'

const phpVersion = () => pattern(/^\d+(\.\d+)?$/, 'a version such as 8.2')

const settingName = z.string().regex(/^[\w.-]+$/, { error: 'the name of a setting of PHP, such as memory_limit' })

/** A value as php.ini has it. */
const phpSetting = () => checkedText('phpSetting', expectedPhpSetting)

/** A page: nginx must read it as one word. */
const pageName = () => pattern(/^[^\s\0;{}"'\\#$]+$/, 'the name of a page, such as index.php')

const fpm = () =>
  group('Its pool in php-fpm.', {
    version: field(
      orNull(phpVersion()),
      null,
      'Version of PHP, as "8.2"; null for the newest that is installed. Where none is, setup installs that of the distribution.',
    ),
    pm: field(choice(['static', 'dynamic', 'ondemand']), 'dynamic', 'How php-fpm decides on the number of workers.', {
      mirrors: 'php-fpm.conf: pm',
    }),
    max_children: field(integer(1), 10, 'Workers at most.', { mirrors: 'php-fpm.conf: pm.max_children' }),
    start_servers: field(integer(1), 2, 'Workers at the start.', { mirrors: 'php-fpm.conf: pm.start_servers' }),
    min_spare_servers: field(integer(1), 1, 'Idle workers at least.', {
      mirrors: 'php-fpm.conf: pm.min_spare_servers',
    }),
    max_spare_servers: field(integer(1), 3, 'Idle workers at most.', { mirrors: 'php-fpm.conf: pm.max_spare_servers' }),
    control_timeout_seconds: field(
      number(0),
      30,
      'How long php-fpm waits for running requests when it reloads; 0 interrupts them.',
      { unit: 'seconds', mirrors: 'php-fpm.conf: process_control_timeout' },
    ),
    settings: field(
      z.record(settingName, phpSetting()),
      {},
      'Settings of PHP, by name, that the application cannot change.',
      {
        mirrors: 'php-fpm.conf: php_admin_value',
      },
    ),
  })

export const php_app = () =>
  group(
    'The application of the role php-app.',
    {
      app_name: field(line(), 'php_app', 'Name of the application, as below `deploy`, whose repository holds it.'),
      update_mode: field(
        choice(['hot', 'cold']),
        'hot',
        'hot: a link switches the release, and nothing is reloaded; cold: nginx names the release, and a switch reloads nginx and php-fpm.',
      ),
      document_root: field(
        orNull(servedDirectory()),
        null,
        'Directory in the release that nginx serves; null for the release itself.',
      ),
      index: field(pageName(), 'index.php', 'Page of a directory; PHP also runs it if no file matches the path.'),
      fpm: fpm(),
      health: health('a new release'),
      ...webSite(),
    },
    { cookbook: null },
  )
