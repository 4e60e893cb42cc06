/**
 * Keeps the cron jobs that the current release of a buildout app declares with z3c.recipe.usercrontab, and removes
 * those of other releases.
 */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { accountName } from '../accounts/account_files.ts'
import { reachOfAccount } from '../reach.ts'
import { readAccountCrontab, writeAccountCrontab } from './crontab.ts'
import { cronParts, findEntries, partLines } from './usercrontab.ts'

const props = z.strictObject({
  releases: absolutePath.describe('Directory of the releases'),
  current: absolutePath.describe('Link to the current release; the jobs run what lies behind it'),
  release: absolutePath.optional().describe('The current release; none removes the jobs of all releases'),
  except: z.array(z.string()).default([]).describe('Parts that something else schedules, such as a cron()'),
  user: accountName.optional().describe('Account whose crontab it is; default: the account of the run'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  /** Lines of the crontab that belong to releases of the app. */
  entries: z.array(z.string()),
  /** The lines that the current release declares. */
  scheduled: z.array(z.string()),
})

function findOwnEntries(host: HostReader, { releases, current, release }: Props, text: string) {
  return findEntries(host, text, { releases, current, release: release ?? null })
}

/**
 * Decides whether the crontab may have entries of the app. An ordinary user needs a command to read a crontab: a run
 * without changes skips it if no release uses the recipe.
 */
function mayHaveEntries(host: HostReader, { releases, current }: Props): boolean {
  if (host.isRoot) return true
  const names = host.stat(releases)?.kind === 'directory' ? host.list(releases) : []
  return names.some((name) => cronParts(host, { release: `${releases}/${name}`, current }).length > 0)
}

function scheduledLines(host: HostReader, { release, current, except }: Props): string[] {
  if (release === undefined) return []
  const parts = cronParts(host, { release, current }).filter(({ name }) => !except.includes(name))
  return parts.flatMap((part) => partLines(part, current))
}

export const release_crontab = defineResource(
  {
    type: 'release_crontab',
    doc: "Keeps the jobs that parts of the current release schedule by z3c.recipe.usercrontab in the account's crontab, once each, and removes those of other releases.",
    mirrors: 'z3c.recipe.usercrontab; crontab(1)',
    examples: [
      {
        releases: '/srv/www/zeoserver/releases',
        current: '/srv/www/zeoserver/current',
        release: '/srv/www/zeoserver/releases/000042-1a2b3c4d',
        except: ['packcronjob', 'backupcronjob'],
        user: 'deploy',
      },
    ],
    reach: reachOfAccount,
    key: ({ releases }) => releases,
    props,
    state,
  },
  {
    async read(host, props) {
      const text = mayHaveEntries(host, props) ? await readAccountCrontab(host, props.user) : null
      if (text === null) return { entries: [], scheduled: [] }
      return { entries: [...findOwnEntries(host, props, text).ownLines], scheduled: scheduledLines(host, props) }
    },
    desired: (_, { scheduled }) => ({ entries: scheduled, scheduled }),
    async apply(host: Host, props, { desired }) {
      const text = (await readAccountCrontab(host, props.user)) ?? ''
      const lines = [...findOwnEntries(host, props, text).rest, ...desired.entries]
      await writeAccountCrontab(host, props.user, lines.map((line) => `${line}\n`).join(''))
    },
    predict: () => undefined,
  },
)
