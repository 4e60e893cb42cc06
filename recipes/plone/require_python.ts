/** Refuses a Python 2 that the host does not have. */
import { basename } from 'node:path'
import type { Recipe } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { programPathOf } from '../../resources/commands/find_program.ts'
import type { SiteNode } from '../node.ts'
import type { BuildoutApp } from './buildout_app.ts'
import { isPython2 } from './python.ts'

/**
 * Refuses a missing Python 2 before the first change, because current distributions cannot install it.
 * @throws NO_PYTHON
 */
export function requirePython(
  r: Recipe<SiteNode>,
  node: SiteNode,
  { name: app, attributes: own, account, build: { python } }: BuildoutApp,
): void {
  if (!isPython2(python)) return
  const packages = [...(own.os_packages ?? node.deploy_python.os_packages), ...node.converge.packages]
  if (packages.some(({ name }) => /^(python|pypy)-?2/.test(name))) return
  const key = own.python_major_version ? `deploy.${app}.python_major_version` : 'converge.python'
  r.given(programPathOf(python, account.user), (path) => {
    if (path !== null) return
    throw new ConvergeError(`${key} asks for ${python}, and this host has none`, {
      code: 'NO_PYTHON',
      source: node.run.locate?.(key),
      hint: `install it where the account of the app finds it (/usr/local/bin/${basename(python)}); or name it by its full path in converge.python, without python_major_version; or list its package in os_packages of the app`,
      usage: true,
    })
  })
}
