/** Runs the agent alone: a bundle of its own, because the whole program takes 20 MB more memory. */
import { printable } from '../report/printable.ts'
import { Agent } from './agent.ts'
import { AgentDirectory, defaultAgentDirectory } from './agent_directory.ts'

/** The bundler replaces it. */
declare const CONVERGE_VERSION: string

/** @param directory default: /var/lib/converge/agent */
export async function runAgent(directory: string | undefined): Promise<void> {
  const agent = new Agent({
    directory: new AgentDirectory(directory ?? defaultAgentDirectory),
    version: CONVERGE_VERSION,
    log: (line) => process.stdout.write(printable(`${line}\n`, false)),
  })
  const stop = () => void agent.stop()
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  await agent.run()
}
