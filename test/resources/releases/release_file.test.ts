/** Tests release_file: requiring a file of the repository before a build. */
import t from 'tap'
import { release_file } from '../../../resources/releases/release_file.ts'
import { contract } from '../../support/contract.ts'

const release = '/srv/site/releases/000001-1a2b3c4d'
const source = {
  into: '/srv/site/releases',
  shared: '/srv/site/shared',
  current: '/srv/site/current',
  app: 'site',
  repository: '/src/site',
  scmType: 'directory' as const,
}
const props = { release, file: 'cfg/base.cfg', attribute: 'plone_instances.base_config', source }

contract(t, release_file, [
  {
    name: 'accepts a release with the file',
    props,
    given: (host) => void host.given(`${release}/cfg/base.cfg`, ''),
    changes: [],
  },
  {
    name: 'fails if the release lacks the file',
    props,
    given: (host) => void host.given(`${release}/buildout.cfg`, ''),
    fails: /the repository of site has no cfg\/base\.cfg.*set plone_instances\.base_config/,
  },
  {
    name: 'accepts a repository that it cannot read, because the checkout reports that',
    props: { ...props, source: { ...source, repository: 'https://git.example.com/site.git', scmType: 'git' as const } },
    changes: [],
  },
])
