/** Lists the checks of `doctor` for every app that is deployed in releases. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { asConvergeError } from '../../core/model/errors.ts'
import { missing, ok } from '../checks/findings.ts'
import { programCheck } from '../checks/programs.ts'
import { rightsCheck } from '../checks/rights.ts'
import type { SiteNode } from '../node.ts'
import type { App } from './app.ts'
import { sourceOf } from './checkout.ts'
import { readCommitContents } from './commit_contents.ts'
import { hostProgramChecks, shellCommandsOf } from './host_programs.ts'
import { linkedFiles, ownNames, type SharedNames } from './shared_links.ts'

interface AppCheckOptions {
  /** False for an app whose code may come from elsewhere; default true. */
  readonly repository?: boolean
  /** Names to which releases link; default: those in the attributes of the app. */
  readonly names?: SharedNames
  /** All roles of the host. */
  readonly roles?: readonly string[]
}

export function appChecks(
  node: SiteNode,
  host: HostReader,
  app: App,
  { repository = true, names = ownNames(app), roles = [] }: AppCheckOptions = {},
): HostCheck[] {
  return [
    rightsCheck(node, host, app.deployTo),
    programCheck(host, 'git', 'git'),
    ...(repository || app.attributes.scm?.repository ? [repositoryCheck(node, host, app)] : []),
    ...hostProgramChecks(node, host, app, shellCommandsOf(app), roles),
    ...linkedFiles(names).map((name) => linkedFileCheck(host, app, name)),
  ]
}

/** Checks for a linked file, without which a deploy fails. */
function linkedFileCheck(
  host: HostReader,
  { name: app, shared, owner: { owner, group } }: App,
  name: string,
): HostCheck {
  const path = `${shared}/${name}`
  const forOwner = owner === undefined ? '' : ` for ${owner}:${group}`
  return {
    what: `linked file ${path}`,
    async run() {
      if (host.stat(path) !== null) return ok('exists')
      return missing(
        'does not exist: releases would link to nothing',
        `create it${forOwner}; where it is a directory, list it in deploy.${app}.create_dirs_before_symlink`,
      )
    },
  }
}

/** Checks that the repository accepts the key or the login of the app, and has the revision. */
function repositoryCheck(node: SiteNode, host: HostReader, app: App): HostCheck {
  const what = `deploy.${app.name}.scm.repository`
  return {
    what,
    async run() {
      if (sourceOf(app) === null)
        return missing(
          'is not set: there is nothing to deploy',
          `set it in a file given with --json: {"deploy": {"${app.name}": {"scm": {"scm_type": "git", "repository": "..."}}}}`,
        )
      if (host.which('git') === null) throw new Error('git is not installed')
      try {
        const { description, ask } = await readCommitContents(node, host, app)
        await ask()
        return ok(description)
      } catch (error) {
        const { message, output, hint } = asConvergeError(error)
        const reason = output?.split('\n').find((line) => /^(fatal|ssh|error)/.test(line))
        return missing(reason === undefined ? message : `${message}: ${reason}`, hint)
      }
    },
  }
}
