/**
 * The program that makes snapshots of the EBS volumes of a host, and records how that ended. cron and converge call it. It
 * requires Python 3 without further modules.
 */

export const snapshotProgram = String.raw`#!/usr/bin/env python3
"""Written by converge, changes are overwritten. Makes snapshots of the EBS volumes that are mounted on this host."""
import datetime, errno, fcntl, hashlib, hmac, json, os, re, select, signal, sys, threading, time
import urllib.error, urllib.parse, urllib.request
import xml.etree.ElementTree as ElementTree

HERE = os.path.dirname(os.path.realpath(__file__))
RECORD = os.path.join(HERE, 'snapshots.json')
UNFINISHED = os.path.join(HERE, 'unfinished.json')
SYS, MOUNTS = '/sys', '/proc/self/mountinfo'
TAG = 'converge:ebs-snapshots'
# ioctl_fs(2) on x86 and ARM.
FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
# Seconds from the first freeze until file systems are thawed at the latest.
FREEZE_LIMIT = 30
# Seconds that a run waits until its snapshots are complete, and between two questions.
WAIT, POLL = 600, 15
# Seconds before EC2 is asked again.
PAUSES = (1, 2, 4, 8)


class Failure(Exception):
    pass


class Refusal(Failure):
    """An error that EC2 answered."""

    def __init__(self, text, code, passing):
        Failure.__init__(self, text)
        self.code = code
        self.passing = passing


def settings():
    with open(os.path.join(HERE, 'settings.json')) as stream:
        return json.load(stream)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def say(text):
    print(text, flush=True)


def store(path, value):
    with open(path + '.new', 'w') as stream:
        json.dump(value, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.chmod(path + '.new', 0o644)
    os.rename(path + '.new', path)


def stored(path, kind):
    """Returns the value in a file, or an empty one: a crash of the host can damage the file."""
    try:
        with open(path) as stream:
            value = json.load(stream)
    except (OSError, ValueError):
        return kind()
    return value if isinstance(value, kind) else kind()


def record(status, error, **more):
    store(RECORD, dict(ended=now().isoformat(timespec='seconds'), status=status, error=error[-2000:], **more))


def text_of(error):
    return str(error) if isinstance(error, (Failure, OSError)) else '%s: %s' % (type(error).__name__, error)


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
            code, message = ec2_error(error)
            passing = error.code >= 500 or code in ('RequestLimitExceeded', 'Throttling', 'ThrottlingException')
            raise Refusal(self.mask('%s: %s' % (action, message)), code, passing)
        except OSError as error:
            raise Failure('%s: cannot connect to %s: %s' % (action, self.endpoint, reason(error)))
        try:
            return without_namespaces(text)
        except ElementTree.ParseError as error:
            raise Failure('%s: %s sent no XML: %s' % (action, self.endpoint, error))

    def retry(self, action, **params):
        """Calls an action that can be repeated."""
        for pause in PAUSES:
            try:
                return self.call(action, **params)
            except Refusal as error:
                if not error.passing:
                    raise
            time.sleep(pause)
        return self.call(action, **params)

    def list(self, action, path, **params):
        found, token = [], {}
        while True:
            answer = self.retry(action, **params, **token)
            found += answer.findall(path)
            following = answer.findtext('nextToken')
            if not following:
                return found
            token = dict(NextToken=following)


def ec2_error(error):
    """Returns the code of an error, and its text."""
    try:
        found = without_namespaces(error.read()).find('.//Error')
        return found.findtext('Code'), '%s: %s' % (found.findtext('Code'), found.findtext('Message'))
    except (ElementTree.ParseError, AttributeError, OSError):
        return None, 'HTTP status %d' % error.code


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


# Freezing.

class Frozen:
    """Freezes file systems, also if this process is killed meanwhile: a process of its own thaws them."""

    def __init__(self, paths):
        # The host itself would stop with its root file system.
        root = os.stat('/').st_dev
        self.paths = [path for path in paths if path != '/' and os.stat(path).st_dev != root]

    def __enter__(self):
        os.sync()
        self.deadline = time.monotonic() + FREEZE_LIMIT
        ours, theirs = os.pipe(), os.pipe()
        self.child = os.fork()
        if self.child == 0:
            os.close(ours[1])
            os.close(theirs[0])
            freeze_until_closed(self.paths, self.deadline, ours[0], theirs[1])
        os.close(ours[0])
        os.close(theirs[1])
        self.release, self.answers = ours[1], os.fdopen(theirs[0], errors='replace')
        try:
            first = self.answers.readline()
        except BaseException:
            self.end()
            raise
        if first != 'frozen\n':
            raise Failure('; '.join(one for one in (first.strip(), self.end()) if one))
        return self

    def remaining(self):
        return max(self.deadline - time.monotonic(), 0.1)

    def __exit__(self, _, error, trace):
        problem = self.end()
        if problem:
            raise Failure('%s; %s' % (text_of(error), problem) if error else problem)

    def end(self):
        """Thaws, and returns what failed."""
        os.close(self.release)
        with self.answers:
            problems = self.answers.read().splitlines()
        _, status = os.waitpid(self.child, 0)
        if status != 0:
            problems = ['the process that freezes file systems ended with status %d' % status] + thaw_paths(self.paths)
        return '; '.join(problems)


def freeze_until_closed(paths, deadline, released, answers):
    """Freezes until the other process closes its end of a pipe or ends, until the deadline at the latest."""
    status = 1
    try:
        os.setsid()
        for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(one, signal.SIG_IGN)
        problems = Freezer(paths, deadline).run(released, answers)
        answer(answers, ''.join(text.replace('\n', ' ') + '\n' for text in problems))
        status = 0
    except BaseException as error:
        answer(answers, text_of(error) + '\n')
    finally:
        os._exit(status)


def answer(handle, text):
    try:
        os.write(handle, text.encode())
    except BrokenPipeError:
        # The process that would read it was killed.
        pass


class Freezer:
    """Freezes in a thread: the kernel can take long, and then the file systems before are thawed meanwhile."""

    def __init__(self, paths, deadline):
        self.opened = [(path, os.open(path, os.O_RDONLY)) for path in paths]
        self.deadline = deadline
        self.lock = threading.Lock()
        self.frozen, self.problems = [], []
        self.over = False

    def run(self, released, answers):
        done, at_end = os.pipe()
        thread = threading.Thread(target=self.freeze, args=(at_end,))
        try:
            thread.start()
            self.wait(done, released, answers)
        finally:
            with self.lock:
                self.over = True
            for path, handle in self.frozen:
                self.thaw(path, handle)
            thread.join()
        return self.problems

    def wait(self, done, released, answers):
        paths = ', '.join(path for path, _ in self.opened)
        ready = select.select([done, released], [], [], self.left())[0]
        if not ready:
            self.problems.append('%s was not frozen within %g seconds' % (paths, FREEZE_LIMIT))
        elif released not in ready and not self.problems:
            answer(answers, 'frozen\n')
            if not select.select([released], [], [], self.left())[0]:
                self.problems.append('%s was frozen for %g seconds, and EC2 had not answered' % (paths, FREEZE_LIMIT))

    def left(self):
        return max(self.deadline - time.monotonic(), 0)

    def freeze(self, at_end):
        try:
            for path, handle in self.opened:
                if self.over or not self.freeze_one(path, handle):
                    break
        except Exception as error:
            self.problems.append(text_of(error))
        finally:
            os.close(at_end)

    def freeze_one(self, path, handle):
        try:
            fcntl.ioctl(handle, FIFREEZE, 0)
        except OSError as error:
            # File systems such as vfat have no such operation.
            if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP):
                return True
            self.problems.append('cannot freeze %s: %s' % (path, error.strerror))
            return False
        with self.lock:
            if not self.over:
                self.frozen.append((path, handle))
                return True
        self.thaw(path, handle)
        return False

    def thaw(self, path, handle):
        problem = thaw(path, handle)
        if problem:
            self.problems.append(problem)


def thaw(path, handle):
    """Thaws a file system, and returns what failed."""
    try:
        fcntl.ioctl(handle, FITHAW, 0)
    except OSError as error:
        # EINVAL: it is not frozen. Others: it has no such operation.
        if error.errno not in (errno.EINVAL, errno.ENOTTY, errno.EOPNOTSUPP):
            return 'cannot thaw %s (run fsfreeze -u %s): %s' % (path, path, error.strerror)
    return None


def thaw_paths(paths):
    problems = []
    for path in paths:
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        problems.append(thaw(path, handle))
        os.close(handle)
    return [one for one in problems if one]


# Snapshots.

class Snapshot:
    def __init__(self, item):
        self.id = item.findtext('snapshotId')
        self.state = item.findtext('status')
        self.message = item.findtext('statusMessage') or ''
        self.started = item.findtext('startTime') or ''
        self.ours = any(tag.findtext('key') == TAG for tag in item.findall('tagSet/item'))


def snapshots_of(ec2, volume):
    items = ec2.list('DescribeSnapshots', 'snapshotSet/item', Owner_1='self', Filter_1_Name='volume-id',
                     Filter_1_Value_1=volume)
    return sorted((Snapshot(item) for item in items), key=lambda one: one.started, reverse=True)


class Unfinished:
    """Records which file systems are being frozen, and for which snapshots: the next run cleans up after a failure."""

    def __init__(self):
        self.entries = [one for one in stored(UNFINISHED, list) if isinstance(one, dict)]

    def thaw(self):
        return [problem for one in self.entries for problem in thaw_paths(one['paths'])]

    def discard(self, ec2):
        """Removes what failed runs made; returns what it could not remove."""
        problems = []
        for one in list(self.entries):
            try:
                discard(ec2, one)
                self.remove(one)
            except Failure as error:
                problems.append(text_of(error))
        return problems

    def add(self, entry):
        self.entries.append(entry)
        store(UNFINISHED, self.entries)

    def remove(self, entry):
        self.entries.remove(entry)
        store(UNFINISHED, self.entries)


def discard(ec2, entry, made=()):
    """Removes the snapshots of a group that is not complete: together they are no state that ever was."""
    problems = []
    for volume in entry['volumes']:
        ids = {one.id for one in made if one.volume == volume}
        try:
            ids |= {one.id for one in snapshots_of(ec2, volume) if one.ours and one.id not in entry['known']}
        except Failure as error:
            problems.append(text_of(error))
        for one in sorted(ids):
            try:
                delete(ec2, one)
                say('%s: removed %s, because the snapshots of this run are not complete' % (volume, one))
            except Failure as error:
                problems.append('cannot remove the incomplete %s: %s' % (one, error))
    if problems:
        raise Failure('; '.join(problems))


def delete(ec2, snapshot):
    try:
        ec2.retry('DeleteSnapshot', SnapshotId=snapshot)
    except Refusal as error:
        # The answer to an earlier request was lost.
        if error.code != 'InvalidSnapshot.NotFound':
            raise


class Made:
    """A snapshot that EC2 has accepted. Its lists may not have it yet."""

    def __init__(self, volume, answer):
        self.volume = volume
        self.id = answer.findtext('snapshotId')
        self.started = answer.findtext('startTime') or now().strftime('%Y-%m-%dT%H:%M:%S.000Z')
        self.state, self.message, self.ours = 'pending', '', True


def make(ec2, host, volumes, members, known, unfinished):
    """Requests the snapshots of volumes that belong together: all of them, or none."""
    paths = [one.path for one in members]
    entry = dict(paths=paths, volumes=sorted(volumes), known=known)
    unfinished.add(entry)
    made = []
    try:
        with Frozen(paths) as frozen:
            for volume in sorted(volumes):
                made.append(Made(volume, request_snapshot(ec2, host, volume, members, frozen.remaining())))
    except Exception as error:
        # The entry stays: EC2 may still make a snapshot whose request timed out.
        try:
            discard(ec2, entry, made)
        except Failure as second:
            raise Failure('%s; %s' % (text_of(error), second))
        raise
    unfinished.remove(entry)
    for one in made:
        say('%s: made %s' % (one.volume, one.id))
    return made


def request_snapshot(ec2, host, volume, members, timeout):
    paths = ' '.join(sorted(one.path for one in members if volume in one.volumes))
    # EC2 takes at most 255 characters.
    text = ('%s %s' % (host, paths))[:255]
    return ec2.call('CreateSnapshot', timeout=timeout, VolumeId=volume, Description=text,
                    TagSpecification_1_ResourceType='snapshot',
                    TagSpecification_1_Tag_1_Key=TAG, TagSpecification_1_Tag_1_Value=host,
                    TagSpecification_1_Tag_2_Key='Name', TagSpecification_1_Tag_2_Value=text)


def wait_until_complete(ec2, made):
    deadline = time.monotonic() + WAIT
    pending = list(made)
    while True:
        pending = [one for one in pending if not has_ended(ec2, one)]
        if not pending or time.monotonic() >= deadline:
            break
        time.sleep(POLL)
    for one in pending:
        say('%s: %s is not complete yet' % (one.volume, one.id))


def has_ended(ec2, made):
    return any(one.id == made.id and one.state != 'pending' for one in snapshots_of(ec2, made.volume))


def clean_up(ec2, volume, keep, made):
    """Removes our old and failed snapshots. One that is pending may still fail, so it does not replace a complete one.

    Returns the time of the newest complete one, or of the first one while it is pending, and what failed.
    """
    listed = snapshots_of(ec2, volume)
    unlisted = [one for one in made if one.volume == volume and one.id not in [other.id for other in listed]]
    ours = unlisted + [one for one in listed if one.ours]
    complete = [one for one in ours if one.state == 'completed']
    failed = [one for one in ours if one.state == 'error']
    problems = ['the snapshot %s of %s failed%s' % (one.id, volume, one.message and ': ' + one.message) for one in failed]
    for one in (complete[keep:] if keep is not None else []) + failed:
        try:
            delete(ec2, one.id)
            say('%s: removed %s' % (volume, one.id))
        except Failure as error:
            problems.append('cannot remove %s (to keep it, remove its tag %s): %s' % (one.id, TAG, error))
    pending = [one for one in ours if one.state == 'pending']
    return next((one.started for one in complete or pending), None), problems


def work(given, state, unfinished):
    """Makes the snapshots, stores in the state what the record must have, and returns what failed."""
    metadata = Metadata(given['metadata'])
    ec2 = Ec2(given, metadata)
    problems = unfinished.discard(ec2)
    attached = attached_volumes(ec2, metadata.get('instance-id') or '')
    file_systems, unknown = mounted_file_systems(attached)
    mounted = set().union(*(one.volumes for one in file_systems))
    state['unmounted'] = ['%s (%s)' % (attached[device], device) for device in sorted(attached)
                          if attached[device] not in mounted]
    if unknown and state['unmounted']:
        problems.append('no snapshot of the mounted disk %s: it may be one of the volumes %s' % (
            ', '.join(sorted(unknown)), ', '.join(state['unmounted'])))
    if not file_systems:
        return problems + ['no EBS volume of this instance is mounted']
    made = []
    for volumes, members in groups(file_systems):
        try:
            before = {volume: snapshots_of(ec2, volume) for volume in volumes}
            pending = sorted(volume for volume in volumes if any(one.state == 'pending' for one in before[volume]))
            if pending:
                state['skipped'] += pending
                say('%s: skipped, because a snapshot is pending' % ', '.join(pending))
                continue
            known = [one.id for volume in volumes for one in before[volume]]
            made += make(ec2, given['host'], volumes, members, known, unfinished)
        except (Failure, OSError) as error:
            problems.append('%s: %s' % (', '.join(sorted(volumes)), error))
    try:
        wait_until_complete(ec2, made)
    except Failure as error:
        problems.append(text_of(error))
    former, state['volumes'] = state['volumes'], {}
    for volume in sorted(mounted):
        known = former.get(volume) or dict(newest=None, since=now().isoformat(timespec='seconds'))
        state['volumes'][volume] = known
        try:
            newest, failed = clean_up(ec2, volume, given['keep'], made)
            state['volumes'][volume] = dict(known, newest=newest)
            problems += failed
        except Failure as error:
            problems.append('%s: %s' % (volume, error))
    return problems


def lock():
    path = os.path.join(HERE, 'lock')
    try:
        # Opening it for writing could wait for a file system that is still frozen.
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        handle = os.open(path, os.O_RDONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit('another run of the snapshots is under way')
    return handle


def fail_at_signal(number, _):
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    raise Failure('the run was stopped by signal %d' % number)


def run():
    handle = lock()
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, fail_at_signal)
    unfinished = Unfinished()
    volumes = stored(RECORD, dict).get('volumes')
    state = dict(volumes=volumes if isinstance(volumes, dict) else {}, skipped=[], unmounted=[])
    problems = []
    try:
        problems += unfinished.thaw()
        problems += work(settings(), state, unfinished)
    except Exception as error:
        # Whatever ends the run is a failure that status reports; the earlier record says that it succeeded.
        problems.append(text_of(error))
    record(1 if problems else 0, '; '.join(problems), **state)
    os.close(handle)
    if problems:
        sys.exit('the snapshots failed: ' + '; '.join(problems))


os.umask(0o077)
if sys.argv[1:] == ['begin']:
    record(0, '', volumes={}, skipped=[], unmounted=[], begun=True)
else:
    run()
`
