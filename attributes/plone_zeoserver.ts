/** Defines the attributes of the ZEO server: what it stores, packs and backs up. */
import * as z from 'zod'
import { copyTarget, maxAgeHours } from './backups.ts'
import { field, group, orNull } from './fields.ts'
import { blobMounts } from './plone_blobs.ts'
import { buildoutFile, line, ownDirectory, path, portPattern } from './texts.ts'
import { flag, integer } from './values.ts'

const backup = () =>
  group(
    'The backups of the database.',
    {
      blobs: field(
        flag(),
        true,
        'Backs up the blobs as well, unless collective.recipe.backup does so. Blobs that have not changed take no space again.',
      ),
      copy_to: copyTarget(),
      keep: field(
        orNull(integer(1)),
        null,
        'Full backups that are kept, each with the incremental ones after it. Null keeps all; collective.recipe.backup has its own option `keep`.',
      ),
      max_age_hours: maxAgeHours(),
    },
    { cookbook: null },
  )

const address = () => z.string().regex(new RegExp(`^([^\\s/]+:)?${portPattern}$`), { error: 'a port, or host:port' })

export const plone_zeoserver = () =>
  group(
    'The ZEO server of the role zeo-server.',
    {
      app_name: field(
        line(),
        'zeoserver',
        'Name of the application, as below `deploy`, whose buildout holds the ZEO server.',
      ),
      backup: backup(),
      base_config: field(
        buildoutFile(),
        'cfg/base.cfg',
        'Buildout file, in the repository, that the generated deploy.cfg extends.',
      ),
      enable_backup: field(
        flag(),
        false,
        'Schedules backups of the database, at 21:00 or as the part `backupcronjob` of the buildout says.',
      ),
      enable_pack: field(flag(), true, 'Adds the part that packs the database on a schedule.'),
      filestorage_dir: field(
        orNull(ownDirectory(path())),
        '/shared/zodb/filestorage',
        'Directory that holds Data.fs; the release directories link to it. Null keeps it below `shared/var`.',
      ),
      ...blobMounts(),
      readiness: group(
        'When the server counts as up.',
        {
          address: field(
            orNull(address()),
            null,
            'Port, or `host:port`, of the readiness check; null for that of its zeo.conf, else 8001.',
          ),
        },
        { cookbook: null },
      ),
      syslog_facility: field(
        orNull(line()),
        null,
        'Syslog facility the server logs to beside its own file; null for none.',
      ),
      syslog_level: field(line(), 'INFO', 'Least severe level that goes to syslog.', { needs: '.syslog_facility' }),
    },
    { cookbook: 'plone_buildout' },
  )
