/** Environment variables of an app: gathered from the attributes, sorted, and refused where they cannot reach a process. */
import { requireText, type Writer } from '../../core/text/writer.ts'
import type { AppAttributes } from '../plone/types.ts'
import type { Values } from '../plone/values.ts'

export interface Variable {
  readonly value: unknown
  /** Key path of the attribute that sets it. */
  readonly key: string
}

export type Variables = Readonly<Record<string, Variable>>

/** The variables that stand below a key. */
export function variablesAt(key: string, environment: Readonly<Record<string, unknown>> = {}): Variables {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [name, { value, key: `${key}.${name}` }]),
  )
}

/** Those of `deploy.<app>`: `environment`, of the custom JSON, goes before `environment_variables`, of the console. */
export function appVariables(app: string, { environment, environment_variables }: AppAttributes): Variables {
  return {
    ...variablesAt(`deploy.${app}.environment_variables`, environment_variables),
    ...variablesAt(`deploy.${app}.environment`, environment),
  }
}

/** Variables of the tool that ran the cookbook, not of the app. */
const foreign = /^(RUBY|RAILS|RACK)/

const anyText: Writer = (text) => {
  requireText('a process', text)
  return text
}

/**
 * The variables sorted by name, without RUBY*, RAILS* and RACK*, their values as text.
 * @param writes the language in which they reach the process; default: the process is started by converge itself
 */
export function tidyVariables(variables: Variables, values: Values, writes: Writer = anyText): Record<string, string> {
  const names = Object.keys(variables)
    .filter((name) => !foreign.test(name))
    .sort()
  return Object.fromEntries(
    names.map((name) => {
      const { key, value } = variables[name] as Variable
      if (!/^[A-Za-z_]\w*$/.test(name))
        values.refuse(
          key.slice(0, -name.length - 1),
          `has a variable named ${JSON.stringify(name)}`,
          'use letters, digits and underscores, and no digit first',
        )
      values.written(key, value, writes)
      return [name, value === null || value === undefined ? '' : String(value)]
    }),
  )
}
