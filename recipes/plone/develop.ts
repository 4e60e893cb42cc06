/**
 * Defines the event that updates the packages under development in the current release, by mr.developer. It builds and
 * restarts nothing.
 */
import type { Recipe } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { anyHost } from '../../core/model/query.ts'
import { minutes } from '../../core/model/units.ts'
import { execute } from '../../resources/commands/execute.ts'
import { currentReleaseOf } from '../../resources/releases/queries.ts'
import { refuseRoot } from '../app/checkout.ts'
import type { SiteNode } from '../node.ts'
import type { BuildoutApp } from './buildout_app.ts'
import { appEnvironment } from './site.ts'

const event = 'develop_up'

/** Checks out the sources that the buildout names, and updates them: the recipe instances-develop-up of the cookbook. */
export function developUp(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): void {
  refuseRoot(node, app, app.attributes.buildout_allow_root ?? node.converge.allow_root)
  r.given(anyHost, () =>
    r.given(currentReleaseOf(app), (current) => {
      if (current === undefined) return r.leaveOut(event, noRelease(app))
      r.takePart(event)
      for (const [name, words] of [
        ['checkout', ['checkout', '--auto-checkout', '.*']],
        ['update', ['update']],
      ] as const)
        execute(r, {
          name: `${name} of the sources of ${app.name}`,
          command: [`${app.current}/bin/develop`, ...words],
          cwd: app.current,
          environment: appEnvironment(node, app.role, app.deployTo),
          timeout: minutes(30),
          ...app.account,
        })
    }),
  )
}

function noRelease({ name, current, role }: BuildoutApp): ConvergeError {
  return new ConvergeError(`${name} has no current release (${current})`, {
    code: 'NO_SUCH_RELEASE',
    hint: `deploy it first: converge deploy --role ${role}`,
  })
}
