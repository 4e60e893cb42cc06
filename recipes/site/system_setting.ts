/** Declares settings of the whole system where the run can make them; elsewhere warns that it leaves them out. */
import type { Recipe } from '../../core/compile/role.ts'
import { formatPath, type KeyPath } from '../../core/node/path.ts'
import { warnOfAttribute } from '../attribute_warning.ts'
import type { SiteNode } from '../node.ts'

export interface SystemSetting {
  /** The attribute that asks for it. */
  readonly attribute: KeyPath
  /** Says what is left out, and that it needs root and the whole system. */
  readonly leftOut: string
  readonly declare: () => void
  /** Names the thing to remove in the hint; default: the attribute. */
  readonly subject?: string
}

/** A run changes the whole system as root, and without a prefix. */
export function systemSetting(r: Recipe<SiteNode>, node: SiteNode, setting: SystemSetting): void {
  const { attribute, leftOut, declare, subject } = setting
  const { prefix } = node.converge
  if (node.facts.uid === 0 && prefix === '/') return declare()
  const hint =
    prefix === '/'
      ? `run converge as root, or remove ${subject ?? formatPath(attribute)}`
      : `remove ${subject ?? 'it'}, or the prefix ${prefix}`
  warnOfAttribute(r, node, { attribute, message: leftOut, hint })
}
