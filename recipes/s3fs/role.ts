/** Defines the role s3fs: mounts buckets of S3 as directories. */
import { type Recipe, role } from '../../core/compile/role.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { mount } from '../../resources/files/mount.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import { requireSystem } from '../app/require_system.ts'
import { programCheck } from '../checks/programs.ts'
import { rightsCheck } from '../checks/rights.ts'
import type { SiteNode } from '../node.ts'
import { AttributeWriter } from '../site/attribute_writer.ts'

const name = 's3fs'
const keyFile = '/etc/passwd-s3fs'
/** In /tmp, as in the cookbook, any account could make the directory first. */
const cacheDirectory = '/var/cache/s3fs'

type Bucket = SiteNode['s3fs_fuse']['mounts'][number]

function mountBuckets(r: Recipe<SiteNode>, node: SiteNode): void {
  requireSystem(node, name)
  const { s3_key, s3_secret, mounts } = node.s3fs_fuse
  requireKey(node)
  file(r, {
    path: keyFile,
    ...(s3_key === '' ? { absent: true } : { content: `${s3_key}:${s3_secret}\n`, mode: '0600', sensitive: true }),
    owner: 'root',
    group: 'root',
  })
  for (const bucket of mounts) {
    const cache = bucket.tmp_store ?? cacheDirectory
    r.unlessDeclared('directory', cache, () => {
      directory(r, { path: cache, parents: true, mode: '0700', owner: 'root', group: 'root' })
    })
    mount(r, {
      path: bucket.path,
      device: bucket.bucket,
      type: 'fuse.s3fs',
      options: optionsOf(node, bucket, cache),
      sealed: true,
    })
  }
}

/** @throws INVALID_ATTRIBUTE for one half of a key */
function requireKey({ s3fs_fuse: { s3_key, s3_secret } }: SiteNode): void {
  if ((s3_key === '') === (s3_secret === '')) return
  const values = new AttributeWriter()
  values.refuse(
    s3_key === '' ? 's3fs_fuse.s3_key' : 's3fs_fuse.s3_secret',
    'is not set',
    'set s3fs_fuse.s3_key and s3fs_fuse.s3_secret, or neither, to use the IAM role of the host',
  )
  values.check()
}

function optionsOf(node: SiteNode, { bucket, read_only, no_upload }: Bucket, cache: string): string[] {
  const { s3_url, s3_key, no_upload: none } = node.s3fs_fuse
  const isAmazon = /\.amazonaws\.com/.test(s3_url)
  return [
    read_only || no_upload || none ? 'ro' : 'rw',
    '_netdev',
    'nofail',
    'allow_other',
    // The directory itself would be writable by every account.
    'mp_umask=0022',
    `url=${s3_url}`,
    s3_key === '' ? 'iam_role=auto' : `passwd_file=${keyFile}`,
    `use_cache=${cache}`,
    'retries=20',
    // The certificate of the storage names no host below a bucket with a dot, and other servers know no such hosts.
    ...(isAmazon && !bucket.includes('.') ? [] : ['use_path_request_style']),
  ]
}

export default role<SiteNode>(name, {
  doc: 'Buckets of S3, mounted as directories',
  setup(r, node) {
    requireSystem(node, name)
    // The older mount.fuse of the package fuse refuses the option nofail.
    packages(r, { names: ['fuse3', 's3fs'] })
    mountBuckets(r, node)
  },
  configure: mountBuckets,
  deploy: mountBuckets,
  start: mountBuckets,
  restart: mountBuckets,
  undeploy(r, node) {
    requireSystem(node, name)
    for (const { path } of node.s3fs_fuse.mounts) mount(r, { path, absent: true, sealed: true })
    file(r, { path: keyFile, absent: true })
  },
  checks: (node, host) => [rightsCheck(node, host, '/etc'), programCheck(host, 's3fs', 's3fs')],
})
