/** Opens the host that converge runs on. */
import { LocalHost } from './local.ts'
import { refuseSilentMounts } from './network_mounts.ts'

/** Returns the host, which refuses reads of mounts that do not answer: such a read never returns. */
export async function openHost(stateDirectory: string): Promise<LocalHost> {
  const host = new LocalHost(stateDirectory)
  await refuseSilentMounts(host)
  return host
}
