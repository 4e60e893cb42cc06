/**
 * Checks that the pins of the example buildout are complete for a Python: some requirements of packages apply only from
 * a certain version of Python on.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const versionsFile = fileURLToPath(new URL('../../fixtures/example-buildout/cfg/versions.cfg', import.meta.url))

/**
 * @param eggs directory of eggs that were built with pins, for any Python
 * @param python such as `3.13`
 * @returns names of packages that an egg requires for that Python and that have no pin, in lower case
 */
export function unpinned(eggs: string, python: string): string[] {
  const pins = new Set(pinnedNames())
  const required = metadataOf(eggs).flatMap((text) =>
    [...text.matchAll(/^Requires-Dist: ([\w.-]+)[^;\n]*(?:;(.*))?$/gm)].flatMap(([, name = '', marker = '']) =>
      applies(marker, python) ? [normal(name)] : [],
    ),
  )
  return [...new Set(required)].filter((name) => !pins.has(name) && !provided.has(name)).sort()
}

/** The packages that the buildout environment provides. */
const provided = new Set(['packaging', 'pip', 'setuptools', 'wheel', 'zc-buildout'])

function pinnedNames(): string[] {
  const section = readFileSync(versionsFile, 'utf8').split('[versions]')[1] ?? ''
  return [...section.matchAll(/^([\w.-]+) *=/gm)].map(([, name = '']) => normal(name))
}

function metadataOf(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = `${directory}/${entry.name}`
    if (!entry.isDirectory()) return []
    if (!/\.(dist-info|egg-info)$|^EGG-INFO$/.test(entry.name))
      return /\.egg$|^v\d+$|^cp\d+$/.test(entry.name) ? metadataOf(path) : []
    const file = ['METADATA', 'PKG-INFO'].map((name) => `${path}/${name}`).find((one) => existsSync(one))
    return file === undefined ? [] : [readFileSync(file, 'utf8')]
  })
}

const compare: Readonly<Record<string, (difference: number) => boolean>> = {
  '<': (difference) => difference < 0,
  '<=': (difference) => difference <= 0,
  '>': (difference) => difference > 0,
  '>=': (difference) => difference >= 0,
  '==': (difference) => difference === 0,
  '!=': (difference) => difference !== 0,
}

/** Decides whether a marker's condition on the Python version is true; an extra is never requested. */
function applies(marker: string, python: string): boolean {
  if (/\bextra\b|sys_platform|platform_system/.test(marker)) return false
  if (/platform_python_implementation *== *.PyPy/.test(marker)) return false
  const clauses = [...marker.matchAll(/python_version *([<>=!]+) *["']3\.(\d+)/g)]
  return clauses.every(
    ([, sign = '', minor]) => compare[sign]?.(Number(python.split('.')[1]) - Number(minor)) !== false,
  )
}

function normal(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-')
}
