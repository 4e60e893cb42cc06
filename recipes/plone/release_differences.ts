/** Compares a release of a buildout app with the attributes: the environment of its programs, and its deploy.cfg. */
import type { Recipe } from '../../core/compile/role.ts'
import { releaseFileOf } from '../../resources/releases/queries.ts'
import type { Release } from '../../resources/releases/releases.ts'
import { type Differences, differingVariables } from '../app/release_attributes.ts'
import type { SiteNode } from '../node.ts'
import { configOf } from './build.ts'
import type { BuildoutApp } from './buildout_app.ts'
import type { Program } from './programs.ts'
import { buildoutSetting } from './site.ts'

/** In bytes; the account of the app can write the file. */
const longestConfig = 1024 * 1024

interface Programs {
  readonly recorded: readonly Program[]
  readonly requested: readonly Program[]
}

/** Declares what depends on the differences between a release and the attributes. */
export function givenDifferences(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: BuildoutApp,
  release: Release,
  { programs, declare }: { readonly programs: () => Programs; readonly declare: (differences: Differences) => void },
): void {
  if (release.record === null) return
  const path = `${release.path}/${buildoutSetting(node, app.name, 'config')}`
  r.given(releaseFileOf(path, longestConfig), (text) => declare(differencesOf(node, app, text, programs())))
}

function differencesOf(node: SiteNode, app: BuildoutApp, text: string | null, programs: Programs): Differences {
  const variables = new Set(
    programs.requested.flatMap(({ name, environment }) => {
      const recorded = programs.recorded.find((one) => one.name === name)
      return recorded === undefined ? [] : differingVariables(recorded.environment, environment)
    }),
  )
  const settings = text === null ? [] : differingOptions(text, configOf(node, app))
  // The environment is in deploy.cfg as well.
  const otherSettings = settings.filter(
    (name) => variables.size === 0 || !/ (environment-vars|zope-conf-additional)$/.test(name),
  )
  return { variables: [...variables].sort(), settings: otherSettings }
}

/** Returns the options of two buildout configurations whose lines differ, as `[section] option`. */
function differingOptions(recorded: string, requested: string): string[] {
  const [left, right] = [optionsOf(recorded), optionsOf(requested)]
  const names = new Set([...left.keys(), ...right.keys()])
  return [...names].filter((name) => left.get(name) !== right.get(name))
}

function optionsOf(text: string): Map<string, string> {
  const options = new Map<string, string>()
  let section = ''
  let name = ''
  for (const line of text.split('\n')) {
    const header = /^\[([^\]]+)\]/.exec(line)?.[1]
    const option = /^([^\s#;[=+<]+)\s*\+?=/.exec(line)?.[1]
    if (header !== undefined) [section, name] = [header, '']
    else if (option !== undefined) name = option
    if (name === '') continue
    const key = `[${section}] ${name}`
    options.set(key, `${options.get(key) ?? ''}${line.trim()}\n`)
  }
  return options
}
