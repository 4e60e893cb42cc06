import t from 'tap'
import { release_file } from '../../../resources/releases/release_file.ts'
import { contract } from '../../support/contract.ts'

const release = '/srv/site/releases/000001-1a2b3c4d'
const source = {
  ...{ into: '/srv/site/releases', shared: '/srv/site/shared', current: '/srv/site/current', app: 'site' },
  ...{ repository: '/src/site', scmType: 'directory' as const },
}
const props = { release, file: 'cfg/base.cfg', attribute: 'plone_instances.base_config', source }

contract(t, release_file, [
  {
    name: 'the release has the file',
    props,
    given: (host) => void host.given(`${release}/cfg/base.cfg`, ''),
    changes: [],
  },
  {
    name: 'the release lacks the file',
    props,
    given: (host) => void host.given(`${release}/buildout.cfg`, ''),
    fails: /the repository of site has no cfg\/base\.cfg.*set plone_instances\.base_config/,
  },
  {
    name: 'the run reports an unreadable repository',
    props: { ...props, source: { ...source, repository: 'https://git.example.com/site.git', scmType: 'git' as const } },
    changes: [],
  },
])
