/** Mounts the blobs of a Zope client as its role does, in a process of a test host: `site.json [role]`. */
import { readFileSync } from 'node:fs'
import { compile } from '../../../core/compile/compile.ts'
import { role } from '../../../core/compile/role.ts'
import { converge } from '../../../core/converge/engine.ts'
import { openHost } from '../../../core/host/open_host.ts'
import { declareAccount } from '../../../recipes/app/account.ts'
import type { SiteNode } from '../../../recipes/node.ts'
import { requireBlobMount } from '../../../recipes/plone/blob_mounts.ts'
import { buildoutApp } from '../../../recipes/plone/buildout_app.ts'
import { directory } from '../../../resources/files/directory.ts'
import { failureOf } from '../../support/contract.ts'
import { roleNode } from '../../support/role_plans.ts'

const client = role<SiteNode>('blob-client', {
  setup(r, node) {
    const app = buildoutApp(node, 'zeo-client')
    declareAccount(r, app)
    requireBlobMount(r, node, app)
    const { blob_dir } = node.plone_blobs
    if (blob_dir !== null) directory(r, { path: blob_dir, mode: '0700', ...app.owner })
  },
})

const node = roleNode(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')), { events: ['setup'] })
const report = await converge(compile([client], ['setup'], node), await openHost('/var/lib/blob-client'), {
  id: 'x',
  mode: 'run',
})
const failure = failureOf(report) as { code: string; message: string; hint: string; output?: string } | undefined
if (failure !== undefined)
  process.stdout.write(`${failure.code}: ${failure.message} ${failure.output ?? ''} (${failure.hint})\n`)
process.stdout.write(`${report.outcome}\n`)
