/** Defines the attributes of scheduled snapshots of EBS volumes, which the role ebs-snapshots makes. */
import { field, group, orNull } from './fields.ts'
import { line, pattern } from './texts.ts'
import { integer, number } from './values.ts'

const address = () =>
  pattern(/^https?:\/\/[\w.:[\]-]+\/?$/, 'an address such as https://ec2.eu-central-1.amazonaws.com')

export const ebs_snapshots = () =>
  group(
    'Scheduled snapshots of the EBS volumes that are mounted on this host.',
    {
      keep: field(orNull(integer(1)), 15, 'Complete snapshots kept of each volume; null keeps all.', {
        unit: 'snapshots',
      }),
      hour: field(line(), '8', 'Hours they are made at, as in crontab(5).'),
      minute: field(line(), '0', 'Minutes they are made at, as in crontab(5).'),
      weekday: field(line(), '0-6', 'Days of the week they are made on, as in crontab(5).'),
      aws_key: field(orNull(line()), null, 'Access key of AWS; null for the IAM role of the instance.', {
        sensitive: true,
      }),
      aws_secret: field(orNull(line()), null, 'Secret that goes with the access key.', { sensitive: true }),
      max_age_hours: field(
        number(1),
        26,
        'Age from which `converge status` reports the last snapshot as too old, at least two hours more than the longest time between runs.',
        {
          unit: 'hours',
        },
      ),
      endpoint: field(orNull(address()), null, 'Address of EC2; null for that of the region.'),
      metadata_url: field(address(), 'http://169.254.169.254', 'Address of the metadata service of the instance.'),
    },
    { cookbook: 'plone_buildout' },
  )
