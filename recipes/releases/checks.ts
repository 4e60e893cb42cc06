/** Lists the checks of `doctor` for every app that is deployed in releases. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { asConvergeError } from '../../core/model/errors.ts'
import { missing, ok } from '../checks/findings.ts'
import { programCheck } from '../checks/programs.ts'
import { rightsCheck } from '../checks/rights.ts'
import type { PloneNode } from '../node.ts'
import { sourceOf } from './checkout.ts'
import { committed } from './committed.ts'
import { hostProgramChecks, shellCommandsOf } from './host_programs.ts'
import type { AppLayout } from './layout.ts'
import { linkedFiles, ownNames, type SharedNames } from './links.ts'

interface AppCheckOptions {
  /** False for an app whose code may come from elsewhere; default true. */
  readonly repository?: boolean
  /** Names to which releases link; default: those in the attributes of the app. */
  readonly names?: SharedNames
  /** All roles of the host. */
  readonly roles?: readonly string[]
}

export function appChecks(
  node: PloneNode,
  host: HostReader,
  at: AppLayout,
  { repository = true, names = ownNames(at), roles = [] }: AppCheckOptions = {},
): HostCheck[] {
  return [
    rightsCheck(node, host, at.deployTo),
    programCheck(host, 'git', 'git'),
    ...(repository || at.own.scm?.repository ? [repositoryCheck(node, host, at)] : []),
    ...hostProgramChecks(node, host, at, shellCommandsOf(at), roles),
    ...linkedFiles(names).map((name) => linkedFileCheck(host, at, name)),
  ]
}

/** Checks for a linked file, without which a deploy fails. */
function linkedFileCheck(
  host: HostReader,
  { app, shared, owner: { owner, group } }: AppLayout,
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
function repositoryCheck(node: PloneNode, host: HostReader, at: AppLayout): HostCheck {
  const what = `deploy.${at.app}.scm.repository`
  return {
    what,
    async run() {
      if (sourceOf(at) === null)
        return missing(
          'is not set: there is nothing to deploy',
          `set it in a file given with --json: {"deploy": {"${at.app}": {"scm": {"scm_type": "git", "repository": "..."}}}}`,
        )
      if (host.which('git') === null) throw new Error('git is not installed')
      try {
        const { description } = await committed(node, host, at)
        return ok(description)
      } catch (error) {
        const { message, output, hint } = asConvergeError(error)
        const reason = output?.split('\n').find((line) => /^(fatal|ssh|error)/.test(line))
        return missing(reason === undefined ? message : `${message}: ${reason}`, hint)
      }
    },
  }
}
