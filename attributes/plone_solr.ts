/** Defines the attributes of the Solr search server. */

import { field, group, orNull } from './fields.ts'
import { urlPath } from './http.ts'
import { buildoutFile, line, ownDirectory, path } from './texts.ts'
import { flag, port } from './values.ts'

export const plone_solr = () =>
  group(
    'The search server of the role solr.',
    {
      app_name: field(line(), 'solr', 'Name of the application, as below `deploy`, whose buildout holds Solr.'),
      base_config: field(
        buildoutFile(),
        'cfg/base.cfg',
        'Buildout file, in the repository, that the generated deploy.cfg extends.',
      ),
      enable_papertrail: field(flag(), false, "Sends Solr's log to Papertrail.", {
        needs: 'papertrail.remote_port',
      }),
      readiness: group(
        'When Solr counts as up.',
        {
          port: field(orNull(port()), null, 'Port of the request; null for that of its jetty.xml, else 8983.'),
          path: field(urlPath(), '/solr/', 'Path of the request.'),
        },
        { cookbook: null },
      ),
      data_dir: field(ownDirectory(path()), '/shared/solr', 'Directory that holds the index.'),
    },
    { cookbook: 'plone_buildout' },
  )
