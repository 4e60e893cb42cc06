/** Contains the bash scripts that make a host, connect it to the bridge and start it. */
import { whiteouts } from './host_files.ts'

export const hostPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** $1: directory of the host; then hidden paths, the lower layers, and the size in MB. */
export const makeFiles = `
lower="\${@: -2:1}"
mkdir -p "$1/disk" "$1/root" "$1/cgroup"
mount -t tmpfs -o mode=755,size="\${@: -1}m" tmpfs "$1/disk"
mkdir "$1/disk/upper" "$1/disk/work"
directory="$1"
set -- "\${@:1:$#-2}"
${whiteouts('$directory/disk/upper')}
mount -t overlay overlay -o lowerdir="$lower",upperdir="$directory/disk/upper",workdir="$directory/disk/work" "$directory/root"
`

/** $1: name of namespace and link, $2: bridge, $3: address, $4: gateway, $5: hardware address. */
export const connectToBridge = `
ip netns add $1
ip link add $1 type veth peer name eth0 address $5 netns $1
ip link set $1 master $2 up
ip -n $1 -batch - <<END
link set lo up
addr add $3 dev eth0
link set eth0 up
route add default via $4
END
`

/** $1: directory, $2: name of the namespace, $3: host name, $4: init program, $5: Node or nothing. */
export const boot = `set -e
if [ "$4" = systemd ]; then
  # The host sees only its own cgroup.
  unshare --mount --propagation private bash -c 'mount -t cgroup2 none "$1"; mkdir -p "$1/$2"; echo $3 > "$1/$2/cgroup.procs"' bash "$1/cgroup" "$2" $$
fi
exec nsenter --net="/run/netns/$2" unshare --mount --uts --ipc --pid --cgroup --fork --kill-child --propagation private bash -c 'set -e
cd "$1/root"
hostname "$3"
rm -rf tmp/* tmp/.[!.]*
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
cp -a "$1/../layer/dev/." dev/
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mkdir run/sshd run/old
mkdir -m 1777 run/lock
if [ -n "$5" ]; then touch usr/local/bin/node; mount --bind "$5" usr/local/bin/node; fi
if [ "$4" = systemd ]; then mount -t cgroup2 cgroup2 sys/fs/cgroup; fi
cat /proc/sys/kernel/random/uuid > run/boot-id
mount --bind run/boot-id proc/sys/kernel/random/boot_id
pivot_root . run/old
cd /
umount -l /run/old
rmdir /run/old
if [ "$4" = systemd ]; then
  exec env -i PATH=${hostPath} container=test /sbin/init systemd.show_status=0 systemd.log_target=journal
else
  exec env -i PATH=${hostPath} /usr/sbin/sshd -D -e
fi' bash "$@"
`
