/** Tests the storage of blobs as root on disposable copies of the system: GlusterFS, S3 and NFS with their programs. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { systemCopy, systemCopyNeeds } from '../support/system_copy.ts'
import { motoDirectory } from './support/moto.ts'

t.setTimeout(800_000)

const helpers = `converge() { node --import tsx recipes/converge.ts "$@"; }
client() { node --import tsx ${fileURLToPath(new URL('support/blob_client.ts', import.meta.url))} "$@"; }
useradd -m -g www-data deploy 2>/dev/null
as() { runuser -u deploy -- "$@"; }
`

const buckets = (moto: string) => `${helpers}export PYTHONPATH=${moto}
serve() { python3 -m moto.server -H 127.0.0.1 -p 5555 >/tmp/moto.log 2>&1 & server=$!
  for _ in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:5555/ && return; sleep 0.2; done; }
serve
curl -s -X PUT http://127.0.0.1:5555/blobs
role() { converge "$@" --role s3fs --json /tmp/site.json; }
echo "== before"
client /tmp/site.json
ls -A /srv/s3 2>&1
echo "== first"
role setup || exit 1
client /tmp/site.json
grep s3fs /etc/fstab
stat -c '%a %U' /etc/passwd-s3fs /srv/s3 /srv/s3/blobstorage /var/cache/s3fs
echo "== second"
role setup
client /tmp/site.json
echo "== data"
as sh -c 'cd /srv/s3/blobstorage && echo kept > new && mv new blob && cat blob'
as touch /srv/s3/other 2>&1
echo "== killed"
kill -9 $(pgrep -x s3fs)
until grep -q s3fs /proc/mounts && ! stat /srv/s3 >/dev/null 2>&1; do sleep 0.1; done
client /tmp/site.json
role start || exit 1
client /tmp/site.json
as cat /srv/s3/blobstorage/blob
echo "== silent"
kill -STOP $(pgrep -x s3fs)
SECONDS=0
plone() { converge "$@" --role zeo-client --json /tmp/site.json 2>&1; }
client /tmp/site.json > /tmp/client & first=$!
plone doctor > /tmp/doctor & second=$!
plone status > /tmp/status & third=$!
plone plan --event setup > /tmp/plan & fourth=$!
role undeploy > /tmp/undeploy 2>&1 & fifth=$!
wait $first $second $third $fourth $fifth
cat /tmp/client
[ $SECONDS -lt 60 ] && echo "did not hang"
kill -CONT $(pgrep -x s3fs)
client /tmp/site.json
for name in doctor status plan undeploy; do echo "== silent $name"; cat /tmp/$name; done
echo "== silent storage"
kill -9 $(pgrep -x s3fs)
until grep -q s3fs /proc/mounts && ! stat /srv/s3 >/dev/null 2>&1; do sleep 0.1; done
role start || exit 1
kill -STOP $server
SECONDS=0
client /tmp/site.json
[ $SECONDS -lt 60 ] && echo "did not hang"
kill -CONT $server
client /tmp/site.json
echo "== unmounted"
umount /srv/s3
as mkdir /srv/s3/blobstorage 2>&1
mkdir /srv/s3/blobstorage 2>&1
lsattr -d /srv/s3
client /tmp/site.json
role || exit 1
as cat /srv/s3/blobstorage/blob
echo "== hidden"
umount /srv/s3
chattr -i /srv/s3
mkdir /srv/s3/blobstorage && echo local > /srv/s3/blobstorage/blob
role configure
cat /srv/s3/blobstorage/blob
rm -r /srv/s3/blobstorage
echo "== undeployed"
role configure || exit 1
role undeploy || exit 1
grep -c s3fs /etc/fstab /proc/mounts
ls /etc/passwd-s3fs 2>&1
client /tmp/site.json
kill $server
`

t.test('S3 by s3fs: mounted, guarded and undone', async (t) => {
  if (!needs(t, [...systemCopyNeeds, 's3fs', 'pip registry'])) return
  const copy = systemCopy(t)
  const mounts = [{ bucket: 'blobs', path: '/srv/s3' }]
  const s3fs_fuse = { s3_key: 'AKIAPLANTED', s3_secret: 'planted-secret', s3_url: 'http://127.0.0.1:5555', mounts }
  const site = { s3fs_fuse, plone_blobs: { blob_dir: '/srv/s3/blobstorage' } }
  writeFileSync(`${copy.given}/site.json`, JSON.stringify(site))
  const { status, output, part } = await copy.run(buckets(motoDirectory()))
  t.equal(status, 0)
  const refused =
    /NOT_MOUNTED: s3fs_fuse\.mounts is set, but no network file system is mounted at \/srv\/s3\/blobstorage/
  t.match(part('before'), refused)
  t.match(
    part('first'),
    /\nblobs \/srv\/s3 fuse\.s3fs rw,_netdev,nofail,.*\n600 root\n755 root\n700 deploy\n700 root\n/,
  )
  t.match(part('second'), /nothing to do: \d+ unchanged.*\nunchanged\n/s)
  t.match(part('data'), /\nkept\ntouch: .*Permission denied/)
  t.match(
    part('killed'),
    /MOUNT_UNREACHABLE: .*mounted at \/srv\/s3\/blobstorage is not connected(.*\n)*unchanged\nkept\n/,
  )
  const unanswered = /MOUNT_UNREACHABLE: .*has not answered within 20 seconds(.*\n)*did not hang\nunchanged\n/
  t.match(part('silent'), unanswered)
  t.match(part('silent doctor'), /missing +mounted blobs: .*does not answer\n +fix: start the server of the mount/)
  t.match(part('silent status'), /\nlast run /)
  for (const name of ['plan', 'undeploy'])
    t.match(part(`silent ${name}`), /file system mounted at \/srv\/s3.* has not answered within 20 seconds/)
  t.match(part('silent storage'), unanswered, 's3fs itself waits, and SIGKILL does not end the probe')
  t.match(part('unmounted'), /mkdir: .*\nmkdir: .*not permitted\n----i.*\/srv\/s3\n/, 'nobody writes below it')
  t.match(part('unmounted'), new RegExp(`${refused.source}(.*\\n)*kept\\n`))
  t.match(part('hidden'), /\/srv\/s3 is not mounted, and has files that a mount would hide(.*\n)*local\n/)
  t.match(part('undeployed'), /\/etc\/fstab:0\n\/proc\/mounts:0\nls: .*No such file/)
  t.match(part('undeployed'), refused)
  t.notOk(output.includes('planted-secret'), 'the secret is displayed nowhere')
  if (!t.passing()) t.comment(output)
})

/** Hosts in namespaces of their own, with one disk, one package database and one process table. */
const gluster = `${helpers}
mount -t tmpfs tmpfs /srv
cat > /etc/init.d/glusterd <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides: glusterd
### END INIT INFO
case $1 in
start) glusterd -p /run/glusterd.pid ;;
stop) kill $(cat /run/glusterd.pid) ;;
status) kill -0 $(cat /run/glusterd.pid) 2>/dev/null ;;
esac
END
chmod 755 /etc/init.d/glusterd
ip link add hosts type bridge; ip addr add 10.77.8.1/24 dev hosts; ip link set hosts up
host() { ip netns add $1; ip link add v$1 type veth peer name eth0 netns $1; ip link set v$1 master hosts up
  ip -n $1 link set lo up; ip -n $1 addr add $2/24 dev eth0; ip -n $1 link set eth0 up
  mkdir -p /srv/$1/{lib,log,run,state,srv,mnt}
  nsenter --net=/run/netns/$1 unshare --mount --propagation private bash -c "
    mount --bind /srv/$1/lib /var/lib/glusterd; mount --bind /srv/$1/log /var/log/glusterfs
    mount --bind /srv/$1/state /var/lib/converge; mount --bind /srv/$1/mnt /mnt
    mount --bind /srv/$1/run /run; mount --bind /srv/$1/srv /srv; echo \\$\\$ > /run/host.pid; exec sleep 600" & 
  until [ -s /srv/$1/run/host.pid ]; do sleep 0.1; done; }
on() { nsenter -t $(cat /srv/$1/run/host.pid) --mount --net --root --wd bash -c "$(declare -f converge client as); cd $PWD; $2"; }
mkdir -p /var/lib/glusterd /var/log/glusterfs /var/lib/converge
host one 10.77.8.11; host two 10.77.8.12; host app 10.77.8.13
server() { on $1 "converge $2 --role gluster-server --json /tmp/$1.json"; }
echo "== first alone"
server one || exit 1
on app "client /tmp/app.json"
on app "as sh -c 'echo early > /mnt/shared/blobs/blobstorage/early'; stat -c '%a %U %G' /mnt/shared/blobs/blobstorage; cat /etc/fstab | grep glusterfs"
on one "gluster volume info blobs | grep -E 'Type|auth.allow|Brick1'"
echo "== second"
server one
on app "client /tmp/app.json"
echo "== joined"
server two || exit 1
server one configure || exit 1
on one "gluster volume info blobs | grep -E 'Type|Brick'"
for _ in $(seq 100); do [ -e /srv/two/srv/gluster/brick/blobstorage/early ] && break; sleep 0.2; done
cat /srv/two/srv/gluster/brick/blobstorage/early
on app "as sh -c 'echo late > /mnt/shared/blobs/blobstorage/late'"
cat /srv/one/srv/gluster/brick/blobstorage/late /srv/two/srv/gluster/brick/blobstorage/late
echo "== unchanged"
server one configure
server two configure
echo "== one away"
on one "pkill -x glusterd -F /run/glusterd.pid; kill $(pgrep -f 'glusterfsd.*10.77.8.11')"
on app "as sh -c 'echo alone > /mnt/shared/blobs/blobstorage/alone; cat /mnt/shared/blobs/blobstorage/late'"
on app "client /tmp/app.json"
echo "== both away"
kill $(pgrep -x glusterfsd)
sleep 1
on app "as sh -c 'timeout 60 cat /mnt/shared/blobs/blobstorage/late'" 2>&1
on app "client /tmp/app.json"
ls -A /srv/app/mnt/shared/blobs
echo "== back"
server two restart || exit 1
server one start || exit 1
for _ in $(seq 300); do on app "as cat /mnt/shared/blobs/blobstorage/alone" 2>/dev/null && break; sleep 0.2; done
on app "client /tmp/app.json"
echo "== end"
kill -9 $(pgrep -x 'gluster.*')
`

t.test('GlusterFS: a volume that grows with its servers, and a client whose servers go away', async (t) => {
  if (!needs(t, [...systemCopyNeeds, 'glusterd', 'network namespaces'])) return
  const copy = systemCopy(t)
  const plone_blobs = { gluster_export_dir: '/srv/gluster' }
  const address = { one: '10.77.8.11', two: '10.77.8.12', app: '10.77.8.13' }
  const at = (host: keyof typeof address) => ({ private_ip: address[host], status: 'online' })
  const shared_blobs = { instances: { one: at('one'), two: at('two') } }
  for (const host of ['one', 'two', 'app'] as const) {
    const instance = { hostname: host, private_ip: address[host] }
    const layers = { shared_blobs, plone_instances: { instances: { app: at('app') } } }
    const json = { opsworks: { instance, layers }, plone_blobs, plone_instances: { gluster_blobs: true } }
    writeFileSync(`${copy.given}/${host}.json`, JSON.stringify(json))
  }
  const { status, output, part } = await copy.run(gluster)
  t.equal(status, 0)
  t.match(part('first alone'), /10\.77\.8\.12 do not answer at port 24007, and have no copy of blobs yet/)
  t.match(
    part('first alone'),
    /\nchanged\n750 deploy www-data\n10\.77\.8\.11:\/blobs \/mnt\/shared\/blobs glusterfs auto,rw,/,
  )
  t.match(part('first alone'), /_netdev,nofail,backup-volfile-servers=10\.77\.8\.12 0 0\nType: Distribute\n/)
  t.match(part('first alone'), 'auth.allow: 127.0.0.1,10.77.8.11,10.77.8.12,10.77.8.13\n')
  t.match(part('second'), /nothing to do: \d+ unchanged.*\nunchanged\n/)
  t.match(part('joined'), /Type: Replicate\nNumber of Bricks: 1 x 2 = 2\n(.*\n)*early\nlate\nlate\n/)
  t.match(part('unchanged'), /nothing to do.*\nnothing to do/)
  t.match(part('one away'), /\nlate\nunchanged\n/, 'the other server has all blobs')
  t.match(part('both away'), /cat: .*not connected\nMOUNT_UNREACHABLE: .*is not connected to its server/)
  t.match(part('back'), /\nalone\nunchanged\n/, 'clients continue without another mount')
  if (!t.passing()) t.comment(output)
})

const nfs = `${helpers}
role() { converge "$@" --role nfs-server --json /tmp/site.json; }
printf 'nodev\\ttmpfs\\n' > /tmp/without
(cat /tmp/without; printf 'nodev\\tnfsd\\n') > /tmp/with
mount --bind /tmp/without /proc/filesystems
echo "== kernel"
role
echo "status $?"
umount /proc/filesystems
mount --bind /tmp/with /proc/filesystems
cat > /etc/init.d/nfs-kernel-server <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides: nfs-kernel-server
### END INIT INFO
case $1 in
start) python3 -m http.server 2049 >/dev/null 2>&1 & echo $! > /run/nfsd.pid ;;
stop) kill $(cat /run/nfsd.pid) ;;
status) kill -0 $(cat /run/nfsd.pid) 2>/dev/null ;;
esac
END
echo "== first"
role || exit 1
cat /var/lib/nfs/etab
stat -c '%a %U %G %n' /srv/exports /srv/exports/blobstorage /srv/exports/tmp
for key in "nfsd threads" "mountd port" "statd port" "statd outgoing-port" "lockd port"; do nfsconf --get $key; done
modprobe -c 2>/dev/null | grep nlm_ || cat /etc/modprobe.d/converge-lockd.conf
echo "== second"
role
echo "== changed"
pid=$(cat /run/nfsd.pid)
role configure --json /tmp/more.json
cat /var/lib/nfs/etab
[ $pid = $(cat /run/nfsd.pid) ] && echo "not restarted"
role configure --json /tmp/threads.json
nfsconf --get nfsd threads
[ $pid != $(cat /run/nfsd.pid) ] && echo "restarted"
echo "== client"
SECONDS=0
client /tmp/client.json
[ $SECONDS -lt 60 ] && echo "did not hang"
grep exports /etc/fstab
as mkdir /mnt/shared/blobs/blobstorage 2>&1
echo "== undeployed"
role undeploy || exit 1
cat /var/lib/nfs/etab
ls /etc/exports.d
kill $(cat /run/nfsd.pid) 2>/dev/null || echo stopped
`

t.test('NFS: the programs of the server read what the role writes', async (t) => {
  if (!needs(t, [...systemCopyNeeds, 'exportfs'])) return
  const copy = systemCopy(t)
  const at = (private_ip: string) => ({ private_ip, status: 'online' })
  const shared_blobs = { instances: { nfs: at('10.77.8.11') } }
  const stack = (clients: object) => ({
    opsworks: {
      instance: { hostname: 'nfs', private_ip: '10.77.8.11' },
      layers: { shared_blobs, plone_instances: { instances: clients } },
    },
  })
  const write = (name: string, json: object) => writeFileSync(`${copy.given}/${name}.json`, JSON.stringify(json))
  write('site', stack({ app: at('10.77.8.13') }))
  write('more', stack({ app: at('10.77.8.13'), app2: at('10.77.8.14') }))
  write('threads', { ...stack({ app: at('10.77.8.13') }), nfs: { threads: 4 } })
  write('client', { ...stack({}), plone_instances: { nfs_blobs: true }, plone_blobs: { host: '127.0.0.1' } })
  const { status, output, part } = await copy.run(nfs)
  t.equal(status, 0)
  t.match(part('kernel'), /this kernel has no NFS server \(nfsd\)(.*\n)*status 1\n/)
  const exported = /^\/srv\/exports\t10\.77\.8\.1[13]\(rw,sync,.*root_squash,no_all_squash,no_subtree_check/m
  t.match(part('first'), exported)
  t.notMatch(output, 'no_root_squash')
  t.match(
    part('first'),
    '\n755 root root /srv/exports\n750 deploy www-data /srv/exports/blobstorage\n1777 root root /srv/exports/tmp\n',
  )
  t.match(part('first'), /\n8\n32767\n32765\n32766\n32768\n(.*\n)*options lockd nlm_udpport=32768 nlm_tcpport=32768\n/)
  t.match(part('second'), /nothing to do: \d+ unchanged/)
  t.match(part('changed'), /10\.77\.8\.14\(rw(.*\n)*not restarted\n(.*\n)*4\nrestarted\n/)
  t.match(
    part('client'),
    /failed\ndid not hang\n127\.0\.0\.1:\/srv\/exports \/mnt\/shared\/blobs nfs auto,rw,noatime,nodiratime,_netdev,nofail,retry=0 0 0\n/,
  )
  t.match(part('client'), /mkdir: .*(not permitted|Permission denied)/)
  t.match(part('undeployed'), /(\n|^)stopped\n/)
  t.notMatch(part('undeployed'), /10\.77\.8/)
  if (!t.passing()) t.comment(output)
})
