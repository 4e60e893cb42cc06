/** Refuses roles that change the whole system for an ordinary user, and below a prefix. */
import { ConvergeError } from '../../core/model/errors.ts'
import type { SiteNode } from '../node.ts'

/** @throws NEEDS_ROOT without root or below a prefix: what the role manages belongs to the whole system */
export function requireSystem({ facts, converge }: SiteNode, role: string): void {
  if (facts.uid === 0 && converge.prefix === '/') return
  throw new ConvergeError(`the role ${role} requires root and the whole system`, {
    code: 'NEEDS_ROOT',
    hint: converge.prefix === '/' ? 'run converge as root' : 'run converge as root, without --prefix',
    usage: true,
  })
}
