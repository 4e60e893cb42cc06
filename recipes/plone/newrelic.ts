/** Writes the configuration of New Relic's Python agent, which the clients' variable NEW_RELIC_CONFIG_FILE names. */
import { posix } from 'node:path'
import type { Recipe } from '../../core/compile/role.ts'
import type { CommonOptions, Handle } from '../../core/model/resource.ts'
import { newRelicValue } from '../../core/text/newrelic_ini.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { isWritable } from '../../resources/files/queries.ts'
import { warnOfAttribute } from '../attribute_warning.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import { type AttributeValue, AttributeWriter, isSet } from '../site/attribute_writer.ts'
import type { BuildoutApp } from './buildout_app.ts'

const header = '# Written by converge, changes are overwritten.\n'

function isTraced(node: SiteNode, app: BuildoutApp): boolean {
  return app.role === 'zeo-client' && node.plone_instances.newrelic_tracing
}

/** @throws INVALID_ATTRIBUTE for values that the file cannot contain, before anything is declared */
export function checkNewRelic(node: SiteNode, app: BuildoutApp): void {
  if (isTraced(node, app)) newRelicIni(node)
}

/** Writes the file if clients are traced; leaves a file unchanged that converge has not written. */
export function newRelicConfig(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: BuildoutApp,
  guard: CommonOptions = {},
): Handle[] {
  if (!isTraced(node, app)) return []
  const path = underPrefix(node, node.newrelic.python_agent.config_file)
  const content = newRelicIni(node)
  return r.given(isWritable(path, header), (isOurs) => {
    if (!isOurs) {
      warnOfAttribute(r, node, {
        attribute: ['plone_instances', 'newrelic_tracing'],
        message: `converge did not write ${path} and leaves it as it is, so newrelic.application_monitoring has no effect`,
        hint: 'remove that file, or set newrelic.python_agent.config_file to another path',
      })
      return []
    }
    const parent = posix.dirname(path)
    r.unlessDeclared('directory', parent, () => void directory(r, { path: parent, parents: true, ...guard }))
    const { owner, group } = app.owner
    // The file contains the license, and the clients must be able to read it.
    const access = app.system ? { owner: 'root', group } : { owner, group }
    return [file(r, { path, content, mode: '0640', sensitive: true, ...access, ...guard })]
  })
}

/** @throws INVALID_ATTRIBUTE for values that the file cannot contain */
export function newRelicIni(node: SiteNode): string {
  const { license, application_monitoring: reported } = node.newrelic
  const values = new AttributeWriter()
  const written = (key: string, value: AttributeValue) => values.writtenLine(key, value, newRelicValue)
  const ofApp = reported.license
  const key = isSet(ofApp)
    ? written('newrelic.application_monitoring.license', ofApp)
    : isSet(license)
      ? written('newrelic.license', license)
      : ''
  const stack = written('opsworks.stack.name', node.opsworks.stack.name)
  const app = written('newrelic.application_monitoring.app_name', reported.app_name)
  const lines = [
    '[newrelic]',
    ...(key === '' ? ['# No license here: the agent takes NEW_RELIC_LICENSE_KEY.'] : [`license_key = ${key}`]),
    `app_name = ${stack}: ${app}`,
    `browser_monitoring.auto_instrument = ${reported.browser_monitoring.auto_instrument}`,
    'transaction_tracer.enabled = true',
    `transaction_tracer.record_sql = ${reported.transaction_tracer.record_sql}`,
    `slow_sql.enabled = ${reported.transaction_tracer.slow_sql}`,
  ]
  values.check()
  return `${header}${lines.join('\n')}\n`
}
