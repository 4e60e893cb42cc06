/** Defines the attributes of S3 buckets that the role s3fs mounts as directories. */
import { field, group, list, optional, required, shape, unimplemented } from './fields.ts'
import { line, path, pattern } from './texts.ts'
import { flag } from './values.ts'

const bucket = () =>
  pattern(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](:\/[\w./-]*)?$/, 'the name of a bucket, such as blobs or blobs:/folder')

const url = () => pattern(/^https?:\/\/[\w.:[\]-]+\/?$/, 'an address such as https://s3.eu-central-1.amazonaws.com')

const watched = 'remove it: a run of the role s3fs mounts again what is not connected'

export const s3fs_fuse = () =>
  group(
    'S3 buckets that the role s3fs mounts as directories.',
    {
      version: unimplemented('1.74', 'Version of s3fs that is built.', {
        unused: 'remove it: converge installs the package s3fs of the distribution',
      }),
      s3_key: field(line(), '', 'Access key of the account.', { sensitive: true }),
      s3_secret: field(line(), '', 'Secret of that key.', { sensitive: true }),
      s3_url: field(url(), 'https://s3.amazonaws.com', 'Address of the storage.'),
      mounts: field(
        list(
          shape({
            bucket: required(bucket(), 'Name of the bucket; with `:/folder`, only that part of it.'),
            path: required(path(), 'Directory that the bucket is mounted at.'),
            tmp_store: optional(
              path(),
              'Directory that s3fs keeps copies of files in; absent for /var/cache/s3fs. The cookbook has /tmp/s3_cache, where every account can write.',
              { usual: '/var/cache/s3fs' },
            ),
            no_upload: optional(flag(), 'Never writes to the bucket, as `read_only` does.', { usual: false }),
            read_only: optional(flag(), 'Mounts the bucket read-only.', { usual: false }),
          }),
        ),
        [],
        'Buckets, and where they are mounted.',
      ),
      bluepill: unimplemented(false, 'Watches the mounts with bluepill.', { unused: watched }),
      rc_mon: unimplemented(false, 'Watches the mounts with a script.', { unused: watched }),
      maxmemory: unimplemented(100, 'Memory at which they are mounted again.', { unit: 'megabytes', unused: watched }),
      no_upload: field(flag(), false, 'Mounts all buckets read-only.'),
      packages: unimplemented([], 'Packages that s3fs is built with.', {
        unused: 'remove it: converge installs the package s3fs of the distribution',
      }),
    },
    { cookbook: 's3fs_fuse', open: true, unusedRest: 'remove it: the role s3fs has no such setting' },
  )
