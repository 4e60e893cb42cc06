/** Refuses and reports files of others that override or extend a file of converge. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Override } from '../../resources/services/overrides.ts'
import { missing, ok } from './findings.ts'

/** @throws OVERRIDDEN, before the first change */
export function refuseOverride(override: Override | null): void {
  if (override !== null)
    throw new ConvergeError(override.message, { code: 'OVERRIDDEN', hint: override.hint, usage: true })
}

/** Reports an override in `doctor`. */
export function overrideCheck(what: string, find: () => Override | null): HostCheck {
  return {
    what,
    run() {
      const found = find()
      return found === null ? ok('no other file overrides ours') : missing(found.message, found.hint)
    },
  }
}
