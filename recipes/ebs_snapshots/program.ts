/**
 * The program that makes snapshots of the EBS volumes of a host, and records how that ended. cron and converge call it. It
 * requires Python 3 without further modules.
 */

export const snapshotProgram = String.raw`#!/usr/bin/env python3
"""Written by converge, changes are overwritten. Makes snapshots of the EBS volumes that are mounted on this host."""
import datetime, fcntl, hashlib, hmac, json, os, re, select, signal, sys, time
import urllib.error, urllib.parse, urllib.request
import xml.etree.ElementTree as ElementTree

HERE = os.path.dirname(os.path.realpath(__file__))
RECORD = os.path.join(HERE, 'snapshots.json')
TAG = 'converge:ebs-snapshots'
# ioctl_fs(2) on x86 and ARM.
FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
# Seconds for which a file system stays frozen at most.
FREEZE_LIMIT = 30


class Failure(Exception):
    pass


def settings():
    with open(os.path.join(HERE, 'settings.json')) as stream:
        return json.load(stream)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def say(text):
    print(text, flush=True)


def record(status, error, **more):
    what = dict(ended=now().isoformat(timespec='seconds'), status=status, error=error[-2000:], **more)
    with open(RECORD + '.new', 'w') as stream:
        json.dump(what, stream)
    os.chmod(RECORD + '.new', 0o644)
    os.rename(RECORD + '.new', RECORD)


def former_record():
    try:
        with open(RECORD) as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return {}


# The metadata service of the instance, and EC2.

class Metadata:
    """The metadata service, version 2: each request needs a token."""

    def __init__(self, address):
        self.address = address.rstrip('/')
        # A proxy must not get these requests.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.token = self.request('/latest/api/token', 'PUT', {'X-aws-ec2-metadata-token-ttl-seconds': '300'})

    def request(self, path, method='GET', headers={}):
        request = urllib.request.Request(self.address + path, method=method, headers=headers)
        try:
            with self.opener.open(request, timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise Failure('the metadata service %s answered %s with status %d' % (self.address, path, error.code))
        except OSError as error:
            raise Failure('cannot read the metadata of the instance at %s: %s' % (self.address, reason(error)))

    def get(self, path):
        return self.request('/latest/meta-data/' + path, headers={'X-aws-ec2-metadata-token': self.token or ''})


def reason(error):
    return str(getattr(error, 'reason', None) or error)


class Ec2:
    def __init__(self, given, metadata):
        self.region = given['region'] or metadata.get('placement/region')
        if not self.region:
            raise Failure('the region of the instance is unknown: set opsworks.instance.region')
        self.token = None
        if given['aws_key']:
            self.key, self.secret = given['aws_key'], given['aws_secret']
        else:
            self.use_role_of(metadata)
        domain = 'amazonaws.com.cn' if self.region.startswith('cn-') else 'amazonaws.com'
        self.endpoint = (given['endpoint'] or 'https://ec2.%s.%s' % (self.region, domain)).rstrip('/')

    def use_role_of(self, metadata):
        base = 'iam/security-credentials/'
        name = (metadata.get(base) or '').split('\n')[0].strip()
        found = json.loads((metadata.get(base + name) if name else None) or '{}')
        if 'SecretAccessKey' not in found:
            raise Failure('the instance has no IAM role, and ebs_snapshots.aws_key is not set')
        self.key, self.secret, self.token = found['AccessKeyId'], found['SecretAccessKey'], found.get('Token')

    def mask(self, text):
        for secret in (self.secret, self.token, self.key):
            if secret:
                text = text.replace(secret, '***')
        return text

    def headers(self, body):
        """Signs a request: Signature Version 4 of AWS."""
        address = urllib.parse.urlsplit(self.endpoint)
        moment = now().strftime('%Y%m%dT%H%M%SZ')
        signed = {'content-type': 'application/x-www-form-urlencoded; charset=utf-8', 'host': address.netloc,
                  'x-amz-date': moment}
        if self.token:
            signed['x-amz-security-token'] = self.token
        names = ';'.join(sorted(signed))
        lines = ''.join('%s:%s\n' % (name, signed[name]) for name in sorted(signed))
        digest = hashlib.sha256(body).hexdigest()
        canonical = '\n'.join(['POST', address.path or '/', '', lines, names, digest])
        scope = '%s/%s/ec2/aws4_request' % (moment[:8], self.region)
        text = '\n'.join(['AWS4-HMAC-SHA256', moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ('AWS4' + self.secret).encode()
        for part in scope.split('/'):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        signed['authorization'] = 'AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s' % (
            self.key, scope, names, signature)
        return signed

    def call(self, action, timeout=60, **params):
        values = dict({name.replace('_', '.'): value for name, value in params.items()},
                      Action=action, Version='2016-11-15')
        body = urllib.parse.urlencode(values).encode()
        request = urllib.request.Request(self.endpoint + '/', data=body, headers=self.headers(body))
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise Failure(self.mask('%s: %s' % (action, ec2_error(error))))
        except OSError as error:
            raise Failure('%s: cannot connect to %s: %s' % (action, self.endpoint, reason(error)))
        try:
            return without_namespaces(text)
        except ElementTree.ParseError as error:
            raise Failure('%s: %s sent no XML: %s' % (action, self.endpoint, error))

    def list(self, action, path, **params):
        found, token = [], {}
        while True:
            answer = self.call(action, **params, **token)
            found += answer.findall(path)
            following = answer.findtext('nextToken')
            if not following:
                return found
            token = dict(NextToken=following)


def ec2_error(error):
    try:
        found = without_namespaces(error.read()).find('.//Error')
        return '%s: %s' % (found.findtext('Code'), found.findtext('Message'))
    except (ElementTree.ParseError, AttributeError, OSError):
        return 'HTTP status %d' % error.code


def without_namespaces(text):
    root = ElementTree.fromstring(text)
    for element in root.iter():
        element.tag = element.tag.rpartition('}')[2]
    return root


# The file systems of this host, and the volumes below them.

class FileSystem:
    def __init__(self, path, volumes):
        self.path = path
        self.volumes = volumes


def attached_volumes(ec2, instance):
    """Returns the volumes of the instance by their device names."""
    devices = ec2.list('DescribeInstances', './/blockDeviceMapping/item', InstanceId_1=instance)
    return {one.findtext('deviceName'): one.findtext('ebs/volumeId') for one in devices if one.find('ebs') is not None}


def volume_of(disk, attached):
    """Returns the volume of a disk: NVMe disks have its id as serial number, and others the name that EC2 knows."""
    try:
        with open('/sys/class/block/%s/device/serial' % disk) as stream:
            serial = re.sub('^vol-?', 'vol-', stream.read().strip())
    except OSError:
        serial = None
    if serial in attached.values():
        return serial
    for device, volume in attached.items():
        name = device.rpartition('/')[2]
        if disk in (name, re.sub('^sd', 'xvd', name)):
            return volume
    return None


def disks_below(name):
    """Returns the disks of a block device: of a partition, of RAID and of LVM."""
    path = os.path.realpath('/sys/class/block/' + name)
    below = os.listdir(path + '/slaves') if os.path.isdir(path + '/slaves') else []
    if below:
        return set().union(*(disks_below(one) for one in below))
    if os.path.exists(path + '/partition'):
        return {os.path.basename(os.path.dirname(path))}
    return {name}


def mounted_file_systems(attached):
    found, seen = [], set()
    with open('/proc/self/mountinfo') as stream:
        lines = stream.read().splitlines()
    for line in lines:
        before, _, after = line.partition(' - ')
        path, source = (re.sub(r'\\(\d{3})', lambda match: chr(int(match.group(1), 8)), word)
                        for word in (before.split(' ')[4], after.split(' ')[1]))
        if not source.startswith('/dev/') or not os.path.isdir(path):
            continue
        name = os.path.basename(os.path.realpath(source))
        # The kernel calls the device of / so, which has no file.
        if name == 'root' and not os.path.exists('/sys/class/block/root'):
            name = os.path.basename(os.path.realpath('/sys/dev/block/' + before.split(' ')[2]))
        if name in seen or not os.path.exists('/sys/class/block/' + name):
            continue
        seen.add(name)
        volumes = {volume_of(disk, attached) for disk in disks_below(name)} - {None}
        if volumes:
            found.append(FileSystem(path, volumes))
    return found


def groups(file_systems):
    """Joins file systems that share volumes: they are frozen together."""
    joined = []
    for one in file_systems:
        touching = [group for group in joined if group[0] & one.volumes]
        joined = [group for group in joined if group not in touching]
        volumes = set(one.volumes).union(*(group[0] for group in touching))
        joined.append((volumes, [one] + [other for group in touching for other in group[1]]))
    return joined


# Freezing.

class Frozen:
    """Freezes file systems, also if this process is killed meanwhile: a process of its own thaws them."""

    def __init__(self, paths):
        # The host itself would stop with its root file system.
        root = os.stat('/').st_dev
        self.paths = [path for path in paths if os.stat(path).st_dev != root]

    def __enter__(self):
        os.sync()
        self.to_child, answers = None, None
        ours, theirs = os.pipe(), os.pipe()
        self.child = os.fork()
        if self.child == 0:
            os.close(ours[1])
            os.close(theirs[0])
            freeze_until_closed(self.paths, ours[0], theirs[1])
        os.close(ours[0])
        os.close(theirs[1])
        self.release, self.answers = ours[1], theirs[0]
        answer = os.read(self.answers, 4000).decode()
        if answer != 'frozen':
            self.end()
            raise Failure(answer or 'the process that freezes file systems was killed')
        return self

    def __exit__(self, *_):
        if self.end() == 3:
            raise Failure('%s was frozen for %d seconds, and EC2 had not answered' % (', '.join(self.paths), FREEZE_LIMIT))

    def end(self):
        os.close(self.release)
        _, status = os.waitpid(self.child, 0)
        os.close(self.answers)
        if os.WIFSIGNALED(status):
            for path in self.paths:
                thaw(os.open(path, os.O_RDONLY))
        return os.WEXITSTATUS(status) if os.WIFEXITED(status) else None


def freeze_until_closed(paths, released, answers):
    """Freezes until the other process closes its end of a pipe or ends, at most FREEZE_LIMIT seconds."""
    status, frozen = 1, []
    try:
        os.setsid()
        for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(one, signal.SIG_IGN)
        opened = [(path, os.open(path, os.O_RDONLY)) for path in paths]
        answer = 'frozen'
        for path, handle in opened:
            try:
                fcntl.ioctl(handle, FIFREEZE, 0)
                frozen.append(handle)
            except OSError as error:
                # File systems such as vfat have no such operation.
                if error.errno not in (25, 95):
                    answer = 'cannot freeze %s: %s' % (path, error.strerror)
                    break
        os.write(answers, answer.encode())
        status = 0 if select.select([released], [], [], FREEZE_LIMIT if answer == 'frozen' else 0)[0] else 3
    finally:
        for handle in frozen:
            thaw(handle)
        os._exit(status)


def thaw(handle):
    try:
        fcntl.ioctl(handle, FITHAW, 0)
    except OSError:
        # It is not frozen.
        pass


# Snapshots.

class Snapshot:
    def __init__(self, item):
        self.id = item.findtext('snapshotId')
        self.state = item.findtext('status')
        self.started = item.findtext('startTime') or ''
        self.ours = any(tag.findtext('key') == TAG for tag in item.findall('tagSet/item'))


def snapshots_of(ec2, volume):
    items = ec2.list('DescribeSnapshots', 'snapshotSet/item', Owner_1='self', Filter_1_Name='volume-id',
                     Filter_1_Value_1=volume)
    return sorted((Snapshot(item) for item in items), key=lambda one: one.started, reverse=True)


def make(ec2, host, volumes, file_systems):
    """Requests the snapshots of volumes that belong together, and returns what failed."""
    with Frozen([one.path for one in file_systems]):
        made = {volume: request_snapshot(ec2, host, volume, file_systems) for volume in sorted(volumes)}
    for volume, snapshot in made.items():
        say('%s: made %s' % (volume, snapshot))


def request_snapshot(ec2, host, volume, file_systems):
    paths = ' '.join(sorted(one.path for one in file_systems if volume in one.volumes))
    answer = ec2.call('CreateSnapshot', timeout=FREEZE_LIMIT, VolumeId=volume,
                      Description='%s %s' % (host, paths), TagSpecification_1_ResourceType='snapshot',
                      TagSpecification_1_Tag_1_Key=TAG, TagSpecification_1_Tag_1_Value=host,
                      TagSpecification_1_Tag_2_Key='Name', TagSpecification_1_Tag_2_Value=('%s %s' % (host, paths))[:255])
    return answer.findtext('snapshotId')


def remove_old(ec2, volume, keep):
    """Removes our old snapshots. One that is pending may still fail, so it does not replace a complete one."""
    ours = [one for one in snapshots_of(ec2, volume) if one.ours]
    complete = [one for one in ours if one.state == 'completed']
    old = complete[keep:] if keep is not None else []
    for one in old + [one for one in ours if one.state == 'error']:
        ec2.call('DeleteSnapshot', SnapshotId=one.id)
        say('%s: removed %s' % (volume, one.id))


def work(given):
    metadata = Metadata(given['metadata'])
    ec2 = Ec2(given, metadata)
    attached = attached_volumes(ec2, metadata.get('instance-id') or '')
    file_systems = mounted_file_systems(attached)
    if not file_systems:
        raise Failure('no EBS volume of this instance is mounted')
    problems, skipped, newest = [], [], []
    for volumes, members in groups(file_systems):
        try:
            pending = sorted(volume for volume in volumes
                             if any(one.state == 'pending' for one in snapshots_of(ec2, volume)))
            if pending:
                skipped += pending
                say('%s: skipped, because a snapshot is pending' % ', '.join(pending))
            else:
                make(ec2, given['host'], volumes, members)
            for volume in sorted(volumes):
                remove_old(ec2, volume, given['keep'])
                newest.append(max([one.started for one in snapshots_of(ec2, volume)
                                   if one.ours and one.state != 'error'], default=''))
        except (Failure, OSError) as error:
            problems.append('%s: %s' % (', '.join(sorted(volumes)), error))
    if problems:
        raise Failure('; '.join(problems))
    return dict(newest=min(newest) or None, skipped=skipped)


def run():
    handle = open(os.path.join(HERE, 'lock'), 'w')
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit('another run of the snapshots is under way')
    newest = former_record().get('newest')
    try:
        more = work(settings())
    except Exception as error:
        # Whatever ends the run is a failure that status reports; the earlier record says that it succeeded.
        text = str(error) if isinstance(error, (Failure, OSError)) else '%s: %s' % (type(error).__name__, error)
        record(1, text, newest=newest, skipped=[])
        sys.exit('the snapshots failed: ' + text)
    record(0, '', **more)


os.umask(0o077)
if sys.argv[1:] == ['begin']:
    record(0, '', newest=None, skipped=[], begun=True)
else:
    run()
`
