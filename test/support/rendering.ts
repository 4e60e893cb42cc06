/** Renders the configuration files that a role writes for given attributes, in the process of the test. */
import { attributeSchemas, foreignKeys } from '../../attributes/index.ts'
import { renderedFiles } from '../../core/cli/inputs/rendered_files.ts'
import { compile, defaultEvents } from '../../core/compile/compile.ts'
import { checkProps } from '../../core/compile/props.ts'
import { resolveReferences } from '../../core/model/reference.ts'
import type { PlannedResource } from '../../core/model/resource.ts'
import { neutralFacts } from '../../core/node/facts.ts'
import { withLocations } from '../../core/node/located.ts'
import { buildNode } from '../../core/node/node.ts'
import { parseAttributes } from '../../core/node/parse_layer.ts'
import { catalogue } from '../../recipes/catalogue.ts'
import { programText } from '../../resources/port_swap/programs.ts'
import { upstreamText } from '../../resources/port_swap/upstream.ts'

export type Files = Readonly<Record<string, string>>

/** @throws ConvergeError for rejected attributes, with `source` in site.json */
export async function configurationOf(role: string, json: object): Promise<Files> {
  const text = JSON.stringify(json, null, 1)
  const layer = await parseAttributes({ text, file: 'site.json', kind: 'deployment' })
  const loaded = await catalogue.roles[role]?.load()
  if (loaded === undefined) throw new Error(`no role ${role}`)
  const facts = { ...neutralFacts, uid: 0, init: 'systemd' as const }
  const built = buildNode({ layers: [layer], facts, schemas: attributeSchemas, foreignKeys })
  return withLocations(built, async () => {
    const run = { id: '1', events: defaultEvents, by: 'tester', options: {} }
    const plan = compile([loaded], defaultEvents, catalogue.node(built, run))
    const files = await renderedFiles(plan)
    const contents = Object.entries(files).map(([path, { content }]) => [path, content] as const)
    return Object.fromEntries([...contents, ...plan.resources.flatMap(otherFiles)])
  })
}

/** Returns the files that resources write in addition to those that `render` prints. */
function otherFiles({ type, key, definition, props }: PlannedResource): [path: string, content: string][] {
  if (type === 'cron') {
    const nothing = { kind: 'absent', content: null, mode: null, owner: null }
    const texts = ['/etc/cron.d/job', 'crontab'].map((place) => {
      const { content } = definition.implementation.desired(
        props as never,
        { place, ...nothing } as never,
        {} as never,
      ) as {
        content: string | null
      }
      return [`${place}/cron.d/${key}`, content ?? ''] as [string, string]
    })
    return texts
  }
  if (type !== 'port_swap') return []
  const resolved = resolveReferences(props, ({ transform }) =>
    transform ? transform('/releases/1' as never) : '/releases/1',
  )
  const checked = checkProps(definition, resolved as object)
  if (!('props' in checked)) return []
  const given = checked.props as Parameters<typeof programText>[0]
  return [
    ['/etc/supervisor/conf.d/swap.conf', programText(given, 8001, 'digest')],
    [given.upstream.path, upstreamText(given.upstream, 8001)],
  ]
}
