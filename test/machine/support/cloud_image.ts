/** What makes a host one that has come from a cloud's image: cloud-init, its user data beside it, and nobody who may log in yet. */
import { put } from './host_files.ts'
import { script } from './host_network.ts'
import { newKey } from './ssh_keys.ts'

/** The name that an image has before anybody gives it one. */
export const imageName = 'localhost'

/** As Debian's own. */
const sshdConfig = `Include /etc/ssh/sshd_config.d/*.conf
KbdInteractiveAuthentication no
UsePAM yes
PrintMotd no
Subsystem sftp /usr/lib/openssh/sftp-server
`

/** The user data lie in the image; no metadata server is asked, and the network is left as it is. One key of each host is enough. */
const cloudConfig = `datasource_list: [NoCloud]
network: {config: disabled}
ssh_genkeytypes: [ed25519]
`

const seed = '/var/lib/cloud/seed/nocloud'

/** Its services start with the machine, as the package has it. */
const enable = `
cd "$1/etc/systemd/system"
rm -f cloud-init.target
mkdir cloud-init.target.wants
for name in cloud-init-local cloud-init cloud-config cloud-final; do
  ln -s /lib/systemd/system/$name.service cloud-init.target.wants/
done
# By that name cloud-init is ordered before sshd.
ln -s /lib/systemd/system/ssh.service sshd.service
# What is installed is there already, and nothing else can be reached.
rm -rf "$1/etc/apt/sources.list" "$1/etc/apt/sources.list.d"
mkdir -p "$1/etc/ssh/sshd_config.d" "$1/etc/apt/sources.list.d"
`

/** @param root files of the host */
export async function makeCloudImage(root: string, userData: string): Promise<void> {
  put(`${root}/etc/ssh/sshd_config`, sshdConfig)
  put(`${root}/etc/cloud/cloud.cfg.d/99_test.cfg`, cloudConfig)
  put(`${root}${seed}/meta-data`, 'instance-id: first\n')
  put(`${root}${seed}/user-data`, userData, 0o600)
  await script(enable, root)
  // An image that was once started has keys, which everybody knows who has the image.
  for (const type of ['ed25519', 'ecdsa'] as const) await newKey(`${root}/etc/ssh/ssh_host_${type}_key`, { type })
}
