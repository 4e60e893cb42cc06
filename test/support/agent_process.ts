/** Runs an agent in a process of its own, so that a test can kill it. */
import { Agent } from '../../core/agent/agent.ts'
import { AgentDirectory } from '../../core/agent/agent_directory.ts'

const agent = new Agent({ directory: new AgentDirectory(process.argv[2] ?? ''), version: '0', log: () => undefined })
process.once('SIGTERM', () => void agent.stop())
await agent.run()
