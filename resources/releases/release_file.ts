/** Refuses a release that lacks a file that an attribute names; in a dry run, before the checkout. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { NotYetKnown } from '../../core/model/reference.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { openContents } from '../git/contents.ts'
import { type GitReleaseProps, gitReleaseProps } from '../git/props.ts'

const props = z.strictObject({
  release: absolutePath.describe('Directory of the release, as git_release gives it'),
  file: z
    .string()
    .regex(/^[^/\0][^\0]*$/, { error: 'a path in the repository' })
    .describe('The file, relative to the release'),
  attribute: z.string().min(1).describe('The attribute that names the file'),
  source: gitReleaseProps.describe('Properties of git_release: a dry run finds the file of a new release there'),
})
const state = z.strictObject({ found: z.boolean() })

export const release_file = defineResource(
  {
    type: 'release_file',
    doc: 'Refuses a release without a file that an attribute names; a dry run looks for the file in the repository.',
    examples: [
      {
        release: '/srv/www/site/releases/000042-1a2b3c4d',
        file: 'cfg/base.cfg',
        attribute: 'plone_instances.base_config',
        source: {
          into: '/srv/www/site/releases',
          shared: '/srv/www/site/shared',
          current: '/srv/www/site/current',
          repository: 'https://git.example.com/site.git',
        },
      },
    ],
    reach: 'paths',
    key: ({ release, file }) => `${release} ${file}`,
    props,
    state,
  },
  {
    read: async (host, props) => ({
      found:
        host.stat(`${props.release}/${props.file}`) !== null || (await isCommitted(host, props.source, props.file)),
    }),
    desired({ file, attribute, source }, now) {
      if (now.found) return now
      throw new ConvergeError(
        `the repository${source.app === undefined ? '' : ` of ${source.app}`} has no ${file} at ${source.revision}`,
        {
          code: 'NO_BASE_CONFIG',
          hint: `set ${attribute} to the buildout file of the repository that deploy.cfg extends, or commit ${file}`,
        },
      )
    },
    apply: () => undefined,
  },
)

/**
 * Decides whether the commit contains the file, for a dry run: in a run the release has its files. An unreadable
 * repository counts as yes, and the run reports it.
 */
export async function isCommitted(host: HostReader, source: GitReleaseProps, file: string): Promise<boolean> {
  if (source.scmType === 'directory') return false
  try {
    return await hasFile(host, source, file)
  } catch (error) {
    if (error instanceof NotYetKnown) throw error
    // An account that this run would create exists only in the overlay: the account of the run asks instead.
    const isAbsent = error instanceof ConvergeError && error.code === 'NO_ACCOUNT'
    return isAbsent ? hasFile(host, { ...source, user: undefined, group: undefined }, file).catch(() => true) : true
  }
}

async function hasFile(host: HostReader, source: GitReleaseProps, file: string): Promise<boolean> {
  const contents = await openContents(host, source)
  if ((await contents.file(file)) !== null) return true
  const modules = (await contents.file('.gitmodules')) ?? ''
  const paths = [...modules.matchAll(/^\s*path\s*=\s*(.*?)\s*$/gm)].map(([, path = '']) => path)
  return paths.some((path) => path !== '' && file.startsWith(`${path}/`))
}
