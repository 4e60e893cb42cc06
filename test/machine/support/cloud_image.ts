/** Turns a host into one from a cloud image: with cloud-init and user data, and without accounts that can log in. */
import { writeFileWithParents } from './host_files.ts'
import { script } from './host_network.ts'
import { newKey } from './ssh_keys.ts'

/** The host name in an image before cloud-init sets one. */
export const imageName = 'localhost'

/** The file from Debian's package. */
const sshdConfig = `Include /etc/ssh/sshd_config.d/*.conf
KbdInteractiveAuthentication no
UsePAM yes
PrintMotd no
Subsystem sftp /usr/lib/openssh/sftp-server
`

/**
 * The user data is in the image; cloud-init contacts no metadata server, and leaves the network unchanged. One key of
 * each host suffices.
 */
const cloudConfig = `datasource_list: [NoCloud]
network: {config: disabled}
ssh_genkeytypes: [ed25519]
`

const seed = '/var/lib/cloud/seed/nocloud'

/** Enables the services of cloud-init at boot, as its package does. */
const enable = `
cd "$1/etc/systemd/system"
rm -f cloud-init.target
mkdir cloud-init.target.wants
for name in cloud-init-local cloud-init cloud-config cloud-final; do
  ln -s /lib/systemd/system/$name.service cloud-init.target.wants/
done
# By that name cloud-init is ordered before sshd.
ln -s /lib/systemd/system/ssh.service sshd.service
# All packages are installed already, and no server is reachable.
rm -rf "$1/etc/apt/sources.list" "$1/etc/apt/sources.list.d"
mkdir -p "$1/etc/ssh/sshd_config.d" "$1/etc/apt/sources.list.d"
`

/** @param root files of the host */
export async function makeCloudImage(root: string, userData: string): Promise<void> {
  writeFileWithParents(`${root}/etc/ssh/sshd_config`, sshdConfig)
  writeFileWithParents(`${root}/etc/cloud/cloud.cfg.d/99_test.cfg`, cloudConfig)
  writeFileWithParents(`${root}${seed}/meta-data`, 'instance-id: first\n')
  writeFileWithParents(`${root}${seed}/user-data`, userData, 0o600)
  await script(enable, root)
  // An image that was once started contains host keys, which everybody with the image knows.
  for (const type of ['ed25519', 'ecdsa'] as const) await newKey(`${root}/etc/ssh/ssh_host_${type}_key`, { type })
}
