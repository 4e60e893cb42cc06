/** Limits for packages that others bring along, where the newest version is known not to work with them. */

/** From this major version on zc.buildout does without pkg_resources. */
const withoutPkgResources = 6
/** setuptools 80 has no package_index any more, which zc.buildout 3 imports, and 82 no pkg_resources. */
const setuptoolsLimit = 'setuptools<80'

/**
 * Further arguments for pip: no part of what is asked for, so that environments which exist stay as they are.
 * @param packages versions by name, '' for any
 */
export function limitsFor(packages: Readonly<Record<string, string>>): string[] {
  const major = Number.parseInt(packages['zc.buildout'] ?? '', 10)
  return major < withoutPkgResources && packages.setuptools === undefined ? [setuptoolsLimit] : []
}
