/** Lists the definitions of all resource types. */
import type { AnyDefinition } from '../core/model/resource.ts'
import * as types from './index.ts'

/** All definitions, by type. In the bundle `types` also has the key `default`, see build.mjs. */
export const definitions: Readonly<Record<string, AnyDefinition>> = Object.fromEntries(
  Object.entries(types).flatMap(([name, type]) =>
    name === 'default' ? [] : [[type.definition.type, type.definition] as const],
  ),
)
