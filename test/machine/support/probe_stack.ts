/** Provides a stack whose hosts deploy the repository /srv/site with the role probe of the directory recipes. */

export function probeStack(hosts: readonly { readonly name: string; readonly address: string }[]): object {
  return {
    name: 'probe',
    layers: { all: { roles: ['probe'] } },
    recipes: ['recipes'],
    apps: { mine: { layers: ['all'], scm: { repository: '/srv/site', revision: 'main' } } },
    ssh: { user: 'root' },
    hosts: Object.fromEntries(hosts.map(({ name, address }) => [name, { address, layers: ['all'] }])),
  }
}
