/** S3 buckets as directories. */
import { field, group, kept } from './fields.ts'
import { line } from './texts.ts'

export const s3fs_fuse = () =>
  group(
    's3fs, which mounts S3 buckets.',
    {
      version: field(line(), '1.74', 'Version of s3fs that is built.'),
      s3_key: kept('', 'Access key of the account.', { sensitive: true }),
      s3_secret: kept('', 'Secret of that key.', { sensitive: true }),
      s3_url: kept('https://s3.amazonaws.com', 'Address of the storage.'),
      mounts: kept([], 'Buckets, and where they are mounted.'),
      bluepill: kept(false, 'Watches the mounts with bluepill.'),
      rc_mon: kept(false, 'Watches the mounts with a script.'),
      maxmemory: kept(100, 'Memory at which they are mounted again.', { unit: 'megabytes' }),
      no_upload: kept(false, 'Never writes to the buckets.'),
      packages: kept([], 'Packages that s3fs is built with.'),
    },
    {
      cookbook: 's3fs_fuse',
      open: true,
      unused: 'install s3fs with converge.packages and the role base, and add the mount to /etc/fstab',
    },
  )
