import t from 'tap'
import { execSync } from 'node:child_process'
import { ZeoSite } from '/work/wt/upkeep/test/machine/support/zeo_site.ts'
t.setTimeout(3600_000)
t.test('dev', async (t) => {
  const site = await ZeoSite.make(t)
  const r = await site.run('deploy')
  console.error(r.name, r.output.slice(-2000), site.root)
  execSync('cp -a ' + site.root + ' /tmp/upkeep/site')
  console.error('copied')
})
