/**
 * Limits the versions of dependencies whose newest version is known not to work with the packages that require them.
 */

/** The first major version of zc.buildout that does not need pkg_resources. */
const withoutPkgResources = 6
/** setuptools 80 lacks package_index, which zc.buildout 3 imports; 82 lacks pkg_resources. */
const setuptoolsLimit = 'setuptools<80'

/**
 * Returns further arguments for pip. They are no part of the declared packages, so that existing environments stay
 * unchanged.
 * @param packages versions by name, '' for any
 */
export function versionLimits(packages: Readonly<Record<string, string>>): string[] {
  const major = Number.parseInt(packages['zc.buildout'] ?? '', 10)
  return major < withoutPkgResources && packages.setuptools === undefined ? [setuptoolsLimit] : []
}
