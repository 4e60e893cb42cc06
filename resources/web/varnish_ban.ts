/** Bans the cached pages of an app from a Varnish of this host after a deploy of another release. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { varnishWord } from '../../core/text/varnish_cli.ts'

const deployed = z.strictObject({
  commit: z.string().min(1).nullable().describe('Commit that the hosts of the app run; null where that is not known'),
  deployment: z
    .string()
    .min(1)
    .nullable()
    .describe('Deployment that switched a host to another release; null for none'),
})

const props = z.strictObject({
  app: z.string().min(1).describe('The app'),
  urls: z.array(z.string().min(1)).min(1).describe('Regular expressions that match the URLs of its pages in Varnish'),
  config: absolutePath.describe('The VCL file of Varnish; without it no page is cached'),
  directory: absolutePath.optional().describe('Working directory of varnishd (`-n`); default: the usual one'),
  deployed: deployed.optional().describe('Release that a rollout deployed on all hosts of the app: one ban for each'),
  force: z
    .string()
    .min(1)
    .optional()
    .describe('Name of one command that bans regardless of changes, once for each name'),
})
type Props = z.output<typeof props>

const state = z.strictObject({ outdated: z.boolean() })

/** The state that the pages were last banned for. */
const record = z.object({
  cause: z.string().nullable().default(null),
  force: z.string().nullable().default(null),
  commit: z.string().nullable().default(null),
  deployment: z.string().nullable().default(null),
})
type Banned = z.output<typeof record>

const recordKey = ({ app }: Props) => `ban ${app}`

function recordedBan(host: HostReader, props: Props): Banned {
  try {
    return record.parse(JSON.parse(host.recorded(recordKey(props)) || '{}'))
  } catch {
    // A damaged record counts as none.
    return record.parse({})
  }
}

/** Returns the state that the pages must be banned for; a null value has no effect. */
function desiredBan({ deployed, force }: Props, cause: string | null): Banned {
  return { cause, force: force ?? null, commit: deployed?.commit ?? null, deployment: deployed?.deployment ?? null }
}

function isOutdated(banned: Banned, target: Banned): boolean {
  const keys: readonly (keyof Banned)[] = ['cause', 'force', 'commit', 'deployment']
  return keys.some((key) => target[key] !== null && target[key] !== banned[key])
}

function recordBan(host: Host, props: Props, { cause }: Context): void {
  const target = Object.entries(desiredBan(props, cause)).filter(([, value]) => value !== null)
  host.record(recordKey(props), JSON.stringify({ ...recordedBan(host, props), ...Object.fromEntries(target) }))
}

async function ban(host: Host, props: Props, context: Context): Promise<void> {
  const { app, urls, config, directory } = props
  const varnishadm = ['varnishadm', ...(directory === undefined ? [] : ['-n', directory])]
  if (host.stat(config) === null) return
  const { status } = await host.query([...varnishadm, 'ping'], { accept: 'any' })
  if (status !== 0) return context.note(`Varnish does not run, so there are no cached pages of ${app} to ban`)
  for (const url of urls) await host.run([...varnishadm, 'ban', 'req.url', '~', varnishWord(url)])
}

export const varnish_ban = defineResource(
  {
    type: 'varnish_ban',
    doc: 'Bans the cached pages of an app from the Varnish of this host when what `when` lists has changed, or a rollout deployed the app. Pages of other sites stay cached.',
    mirrors: 'varnishadm ban',
    examples: [{ app: 'site', urls: ['^/VirtualHostBase/[^/]+/[^/]+/Plone/'], config: '/etc/varnish/default.vcl' }],
    reach: 'paths',
    key: ({ app }) => app,
    props,
    state,
    when: 'cause',
  },
  {
    read: (host, props, { cause }) => ({ outdated: isOutdated(recordedBan(host, props), desiredBan(props, cause)) }),
    desired: () => ({ outdated: false }),
    async apply(host, props, _, context) {
      await ban(host, props, context)
      recordBan(host, props, context)
    },
    words: ({ app }) => `ban the cached pages of ${app}`,
    predict: (host, props, _, context) => recordBan(host, props, context),
  },
)
