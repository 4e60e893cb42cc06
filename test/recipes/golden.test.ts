/** Tests each golden case of the roles that run a buildout: the meaning of deploy.cfg, and the programs. */
import t from 'tap'
import { renderDeployCfg } from '../../recipes/plone/deploy_cfg.ts'
import { programs } from '../../recipes/plone/programs.ts'
import { appName } from '../../recipes/plone/site.ts'
import type { BuildoutRole } from '../../recipes/plone/types.ts'
import { deployDirectory } from '../../recipes/site/site_attributes.ts'
import { goldenCases } from '../support/golden.ts'
import { parseIni } from '../support/ini.ts'

const cases = goldenCases(['zeo-client', 'zeo-server', 'solr'])
t.ok(cases.length >= 16, 'all cases exist')

for (const { file, role: name, attributes, expected } of cases) {
  t.test(file, async (t) => {
    const role = name as BuildoutRole
    t.strictSame(parseIni(renderDeployCfg(attributes, role)), expected.deploy_cfg, 'deploy.cfg')
    const app = appName(attributes, role)
    const current = `${deployDirectory(attributes, app)}/current`
    t.strictSame(
      programs(attributes, role).map(({ name, command, delay, type, directory }) => ({
        name,
        command,
        delay: delay.ms,
        type,
        directory,
      })),
      expected.init_commands?.map(({ name, cmd, args, delay }) => ({
        name: name === app ? app : `${app}-${name}`,
        command: `${current}/${cmd} ${args ?? ''}`.trim(),
        delay: (delay ?? 0) * 1000,
        type: 'program',
        directory: current,
      })),
      'programs',
    )
    for (const { name, environment } of programs(attributes, role))
      t.strictSame(environment, expected.environment, `environment of ${name}`)
  })
}
