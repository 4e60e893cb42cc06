/** The ZEO server: what it stores, packs and backs up. */
import * as z from 'zod'
import { field, group, orNull } from './fields.ts'
import { blobMounts } from './plone_blobs.ts'
import { buildoutFile, line, path } from './texts.ts'
import { flag } from './values.ts'

const address = () => z.string().regex(/^([^\s/]+:)?\d{1,5}$/, { error: 'a port, or host:port' })

export const plone_zeoserver = () =>
  group(
    'The ZEO server of the role zeo-server.',
    {
      app_name: field(
        line(),
        'zeoserver',
        'Name of the application, as below `deploy`, whose buildout holds the ZEO server.',
      ),
      base_config: field(
        buildoutFile(),
        'cfg/base.cfg',
        'Buildout file, in the repository, that the generated deploy.cfg extends.',
      ),
      enable_backup: field(flag(), false, 'Adds the parts that make and schedule repozo backups.'),
      enable_pack: field(flag(), true, 'Adds the part that packs the database on a schedule.'),
      filestorage_dir: field(
        orNull(path()),
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
            'Port, or `host:port`, that is asked; null for that of its zeo.conf, else 8001.',
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
