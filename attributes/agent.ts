/** The agent of the role agent. */
import { field, group, list, orAbsent } from './fields.ts'
import { path } from './texts.ts'

export const agent = orAbsent(() =>
  group('The agent of the role agent.', {
    program: field(list(path()), ['/usr/local/bin/converge'], 'The program, or Node and the program.'),
    directory: field(path(), '/var/lib/converge/agent', 'Directory with the keys and the journal of the host.'),
  }),
)
