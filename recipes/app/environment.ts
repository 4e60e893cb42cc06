/** Collects the environment variables of an app from the attributes, sorts them, and refuses invalid ones. */
import { requireText, type Writer } from '../../core/text/writer.ts'
import type { AttributeValue, AttributeWriter } from '../site/attribute_writer.ts'
import type { AppAttributes } from '../site/site_attributes.ts'

export interface Variable {
  readonly value: AttributeValue
  /** Key path of the attribute that sets it. */
  readonly key: string
}

export type Variables = Readonly<Record<string, Variable>>

/** Returns the variables below a key. */
export function variablesAt(key: string, environment: Readonly<Record<string, AttributeValue>> = {}): Variables {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [name, { value, key: `${key}.${name}` }]),
  )
}

/** Returns those of `deploy.<app>`: `environment` (custom JSON) overrides `environment_variables` (console). */
export function appVariables(app: string, { environment, environment_variables }: AppAttributes): Variables {
  return {
    ...variablesAt(`deploy.${app}.environment_variables`, environment_variables),
    ...variablesAt(`deploy.${app}.environment`, environment),
  }
}

/** The variables of the tool that ran the cookbook, not of the app. */
const foreign = /^(RUBY|RAILS|RACK)/

const anyText: Writer = (text) => {
  requireText('a process', text)
  return text
}

/**
 * Returns the variables sorted by name, without RUBY*, RAILS* and RACK*, their values as text.
 * @param writes notation in which the process gets them; default: converge starts the process directly
 */
export function tidyVariables(
  variables: Variables,
  values: AttributeWriter,
  writes: Writer = anyText,
): Record<string, string> {
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
