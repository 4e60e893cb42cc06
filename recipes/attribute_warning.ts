/** Warns of an attribute that the operator can change, at the file and line where it is set. */
import type { Recipe } from '../core/compile/role.ts'
import { describeLocation } from '../core/model/errors.ts'
import { formatPath, type KeyPath } from '../core/node/path.ts'
import type { SiteNode } from './node.ts'

export interface AttributeWarning {
  /** The attribute to change; if it is not set, the warning names the nearest location around it. */
  readonly attribute: KeyPath
  readonly message: string
  /** Advice for the operator, in the imperative. */
  readonly hint: string
}

/** Returns the warning about a role whose app has no repository. */
export function noRepository(role: string, app: string): AttributeWarning {
  const attribute = ['deploy', app, 'scm', 'repository']
  const path = formatPath(attribute)
  return {
    attribute,
    message: `${path} is not set: ${role} has nothing to deploy`,
    hint: `set ${path}, or remove the role`,
  }
}

export function warnOfAttribute(
  r: Recipe<SiteNode>,
  { run }: SiteNode,
  { attribute, message, hint }: AttributeWarning,
): void {
  const source = run.locate?.(formatPath(attribute))
  r.warn(`${source === undefined ? '' : `${describeLocation(source)}: `}${message} (${hint})`)
}
