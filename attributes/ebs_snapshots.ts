/** Defines the attributes of scheduled snapshots of EBS volumes. */
import { field, group, orNull } from './fields.ts'
import { line } from './texts.ts'
import { integer } from './values.ts'

export const ebs_snapshots = () =>
  group(
    'Scheduled snapshots of the EBS volumes of this host.',
    {
      keep: field(orNull(integer(1)), 15, 'Snapshots kept of each volume; null keeps all.', { unit: 'snapshots' }),
      hour: field(line(), '8', 'Hours they are made at, as in crontab(5).'),
      minute: field(line(), '0', 'Minutes they are made at, as in crontab(5).'),
      weekday: field(line(), '0-6', 'Days of the week they are made on, as in crontab(5).'),
      aws_key: field(orNull(line()), null, 'Access key of the AWS account that makes them; null makes none.', {
        sensitive: true,
      }),
      aws_secret: field(orNull(line()), null, 'Secret that goes with the access key.', { sensitive: true }),
    },
    {
      cookbook: 'plone_buildout',
      unused: 'schedule the snapshots with Amazon Data Lifecycle Manager, and remove ebs_snapshots from the attributes',
    },
  )
