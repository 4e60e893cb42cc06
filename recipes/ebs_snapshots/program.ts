/**
 * The program that makes snapshots of the EBS volumes of a host, and records how that ended. cron and converge call it. It
 * requires Python 3 without further modules.
 */

import { ec2Program } from './ec2_program.ts'
import { freezeProgram } from './freeze_program.ts'
import { volumesProgram } from './volumes_program.ts'

export const snapshotProgram = `#!/usr/bin/env python3
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


${ec2Program}${volumesProgram}${freezeProgram}# Snapshots.

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
