/** The part of the program that finds the volumes below the file systems of the host. */
export const volumesProgram = String.raw`# The file systems of this host, and the volumes below them.

class FileSystem:
    def __init__(self, path, volumes):
        self.path = path
        self.volumes = volumes


def attached_volumes(ec2, instance):
    """Returns the volumes of the instance by their device names."""
    devices = ec2.list('DescribeInstances', './/blockDeviceMapping/item', InstanceId_1=instance)
    return {one.findtext('deviceName'): one.findtext('ebs/volumeId') for one in devices if one.find('ebs') is not None}


def serial_of(disk):
    try:
        with open('%s/class/block/%s/device/serial' % (SYS, disk)) as stream:
            return stream.read().strip()
    except OSError:
        return ''


def volume_of(disk, attached):
    """Returns the volume of a disk: NVMe disks have its id as serial number, and others the name that EC2 knows."""
    serial = re.sub('^vol-?', 'vol-', serial_of(disk))
    if serial in attached.values():
        return serial
    for device, volume in attached.items():
        name = device.rpartition('/')[2]
        # EC2 calls the disk of / /dev/sda1, and its driver xvda.
        for known in (name, re.sub(r'^((?:sd|xvd)[a-z]+)\d+$', r'\1', name)):
            if disk in (known, re.sub('^sd', 'xvd', known)):
                return volume
    return None


def may_be_volume(disk):
    """Whether a disk looks like a volume. The serial numbers of the local disks of an instance begin with AWS."""
    if re.match(r'nvme\d+n\d+$', disk):
        return not serial_of(disk).startswith('AWS')
    return re.match(r'(sd|xvd)[a-z]+\d*$', disk) is not None


def disks_below(name):
    """Returns the disks of a block device: of a partition, of RAID and of LVM."""
    path = os.path.realpath('%s/class/block/%s' % (SYS, name))
    below = os.listdir(path + '/slaves') if os.path.isdir(path + '/slaves') else []
    if below:
        return set().union(*(disks_below(one) for one in below))
    if os.path.exists(path + '/partition'):
        return {os.path.basename(os.path.dirname(path))}
    return {name}


def devices_of(name):
    """Returns the block devices of the file system on a block device: btrfs can have several."""
    base = SYS + '/fs/btrfs'
    for one in sorted(os.listdir(base)) if os.path.isdir(base) else []:
        devices = '%s/%s/devices' % (base, one)
        if os.path.isdir(devices) and name in os.listdir(devices):
            return set(os.listdir(devices))
    return {name}


def mounts():
    """Returns path, number and source of each mount that no later one hides, and that of / first."""
    found = {}
    with open(MOUNTS) as stream:
        lines = stream.read().splitlines()
    for line in lines:
        before, _, after = line.partition(' - ')
        path, source = (re.sub(r'\\(\d{3})', lambda match: chr(int(match.group(1), 8)), word)
                        for word in (before.split(' ')[4], after.split(' ')[1]))
        found[path] = path, before.split(' ')[2], source
    return sorted(found.values(), key=lambda one: one[0] != '/')


def mounted_file_systems(attached):
    """Returns the file systems on volumes, and the disks of others that look like volumes."""
    found, unknown, seen = [], set(), set()
    for path, number, source in mounts():
        if not source.startswith('/dev/') or not os.path.isdir(path):
            continue
        name = os.path.basename(os.path.realpath(source))
        # The kernel calls the device of / so, which has no file.
        if name == 'root' and not os.path.exists(SYS + '/class/block/root'):
            name = os.path.basename(os.path.realpath('%s/dev/block/%s' % (SYS, number)))
        if name in seen or not os.path.exists('%s/class/block/%s' % (SYS, name)):
            continue
        devices = devices_of(name)
        seen |= devices
        disks = set().union(*(disks_below(one) for one in devices))
        volumes = {disk: volume_of(disk, attached) for disk in disks}
        unknown |= {disk for disk in disks if volumes[disk] is None and may_be_volume(disk)}
        if any(volumes.values()):
            found.append(FileSystem(path, set(volumes.values()) - {None}))
    return found, unknown


def groups(file_systems):
    """Joins file systems that share volumes: they are frozen together."""
    joined = []
    for one in file_systems:
        touching = [group for group in joined if group[0] & one.volumes]
        joined = [group for group in joined if group not in touching]
        volumes = set(one.volumes).union(*(group[0] for group in touching))
        joined.append((volumes, [one] + [other for group in touching for other in group[1]]))
    return joined


`
