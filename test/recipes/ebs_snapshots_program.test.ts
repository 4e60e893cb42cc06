/** Tests the program that makes snapshots, with an EC2 and file systems that a driver in Python imitates. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { snapshotProgram } from '../../recipes/ebs_snapshots/program.ts'
import { needs, scratch } from '../support/machine.ts'

/** Loads the program without its last lines, which run it. */
const driver = `
import copy, io, json, sys
import urllib.error
import xml.etree.ElementTree as ElementTree

source = open(sys.argv[1]).read()
sys.argv = [sys.argv[1]]
p = dict(__file__=sys.argv[0], __name__='program')
exec(compile(source[:source.index("os.umask(0o077)")], 'program', 'exec'), p)
Failure, Refusal = p['Failure'], p['Refusal']
clock, slept = p['time'].monotonic, []
p['time'].sleep = slept.append
p['time'].monotonic = lambda: clock() + sum(slept)


class FakeEc2:
    """Snapshots by volume, and errors by action and id."""
    def __init__(self, volumes):
        self.volumes, self.errors, self.calls, self.number = volumes, {}, [], 0
        self.state, self.listed, self.descriptions = 'completed', True, []
    def list(self, action, path, **params):
        volume = params['Filter_1_Value_1']
        self.calls.append('%s %s' % (action, volume))
        return [self.element(one) for one in self.volumes[volume]]
    def element(self, one):
        tag = '<item><key>%s</key></item>' % p['TAG'] if one.get('ours', True) else ''
        return ElementTree.fromstring('<item><snapshotId>%s</snapshotId><status>%s</status><startTime>%s</startTime><tagSet>%s</tagSet></item>'
                                      % (one['id'], one['state'], one['started'], tag))
    def retry(self, action, **params):
        return self.call(action, **params)
    def call(self, action, timeout=0, **params):
        target = params.get('SnapshotId') or params.get('VolumeId')
        self.calls.append('%s %s' % (action, target))
        error = self.errors.get((action, target))
        if error == 'lost':
            self.add(target)
        if error:
            raise Refusal('%s: %s' % (action, error), error, False)
        if action == 'DeleteSnapshot':
            for found in self.volumes.values():
                found[:] = [one for one in found if one['id'] != target]
            return None
        self.descriptions.append(params['Description'])
        return self.element(self.add(target))
    def add(self, volume):
        self.number += 1
        one = dict(id='new-%d' % self.number, state=self.state, started='2026-12-02T08:00:0%d.000Z' % self.number)
        if self.listed:
            self.volumes[volume].append(one)
        return one


class NotFrozen:
    def __init__(self, paths):
        self.paths = paths
    def __enter__(self):
        return self
    def __exit__(self, *_):
        pass
    def remaining(self):
        return 30


class FakeMetadata:
    def __init__(self, address):
        pass
    def get(self, path):
        return 'i-1'


def run(ec2, keep=15, groups=None, attached=None, unknown=(), host='web1'):
    """Runs the program, and returns its record."""
    groups = groups or [(one,) for one in ec2.volumes]
    attached = attached or {'/dev/' + one: one for one in ec2.volumes}
    p.update(Metadata=FakeMetadata, Ec2=lambda given, metadata: ec2, attached_volumes=lambda *_: attached,
             Frozen=p.get('FakeFrozen') or NotFrozen,
             mounted_file_systems=lambda _: ([p['FileSystem']('/srv/' + '-'.join(one), set(one)) for one in groups], set(unknown)),
             settings=lambda: dict(metadata='', host=host, keep=keep))
    try:
        p['run']()
    except SystemExit as end:
        print(end, file=sys.stderr)
    return json.load(open(p['RECORD']))


def old(number, state='completed', **more):
    return dict(id='old-%d' % number, state=state, started='2026-11-%02dT08:00:00.000Z' % number, **more)

`

function drive(t: Test, scenario: string) {
  const directory = scratch(t)
  fs.writeFileSync(`${directory}/snapshots.py`, snapshotProgram)
  fs.writeFileSync(`${directory}/driver.py`, driver + scenario)
  const { status, stdout, stderr } = spawnSync(
    'python3',
    [`${directory}/driver.py`, `${directory}/snapshots.py`, directory],
    { encoding: 'utf8', timeout: 60_000, killSignal: 'SIGKILL' },
  )
  t.equal(status, 0, stderr)
  return { result: JSON.parse(stdout.trim().split('\n').at(-1) ?? ''), stdout, stderr, directory }
}

t.test('a failed snapshot is a problem, and the age is that of the newest complete one', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const { result } = drive(
    t,
    `ec2 = FakeEc2({'vol-1': [old(28), old(29, 'error')], 'vol-2': []})
ec2.state = 'pending'
print(json.dumps(dict(run(ec2), left=[one['id'] for one in ec2.volumes['vol-1']])))`,
  )
  t.match(result, { status: 1, error: 'the snapshot old-29 of vol-1 failed' })
  t.equal(result.volumes['vol-1'].newest, '2026-11-28T08:00:00.000Z')
  t.equal(result.volumes['vol-2'].newest, '2026-12-02T08:00:02.000Z', 'the first one, while it is pending')
  t.strictSame(result.left, ['old-28', 'new-1'])
  t.end()
})

t.test('the first snapshot counts before the lists of EC2 have it', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const { result } = drive(t, `ec2 = FakeEc2({'vol-1': []})\nec2.listed = False\nprint(json.dumps(run(ec2)))`)
  t.match(result, { status: 0, volumes: { 'vol-1': { newest: '2026-12-02T08:00:01.000Z' } } })
  t.end()
})

t.test('a volume whose snapshots are all of others keeps the time since it has none', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const { result } = drive(
    t,
    `ec2 = FakeEc2({'vol-1': [old(29, 'pending', ours=False)]})
first = run(ec2)
first['volumes']['vol-1']['since'] = '2026-11-01T08:00:00+00:00'
json.dump(first, open(p['RECORD'], 'w'))
print(json.dumps(run(ec2)))`,
  )
  t.match(result, { status: 0, skipped: ['vol-1'] })
  t.strictSame(result.volumes, { 'vol-1': { newest: null, since: '2026-11-01T08:00:00+00:00' } })
  t.end()
})

t.test('a group that fails leaves none of its snapshots, and removes no good one', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const { result, stdout } = drive(
    t,
    `ec2 = FakeEc2({'vol-1': [old(28)], 'vol-2': [old(28)], 'vol-3': []})
ec2.errors['CreateSnapshot', 'vol-2'] = 'lost'
first = run(ec2, keep=1, groups=[('vol-1', 'vol-2'), ('vol-3',)])
print(json.dumps(dict(first, ids=[[one['id'] for one in found] for found in ec2.volumes.values()])))`,
  )
  t.match(result, { status: 1, error: 'vol-1, vol-2: CreateSnapshot: lost' })
  t.strictSame(result.ids, [['old-28'], ['old-28'], ['new-3']])
  t.match(stdout, /vol-1: removed new-1, because.*\nvol-2: removed new-2, because/)
  t.end()
})

t.test('the next run removes what a failed one could not, or was killed before it did', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const { result } = drive(
    t,
    `ec2 = FakeEc2({'vol-1': [], 'vol-2': []})
ec2.errors['CreateSnapshot', 'vol-2'] = 'AuthFailure'
ec2.errors['DeleteSnapshot', 'new-1'] = 'Unavailable'
first = run(ec2, groups=[('vol-1', 'vol-2')])
ec2.errors = {}
thawed = []
p['thaw_paths'] = lambda paths: thawed.extend(paths) or []
second = run(ec2, groups=[('vol-1', 'vol-2')])
third = run(ec2, groups=[('vol-1', 'vol-2')])
print(json.dumps(dict(first=first, second=second, thawed=thawed, ids=[one['id'] for one in ec2.volumes['vol-1']])))`,
  )
  t.match(result.first.error, /AuthFailure; cannot remove the incomplete new-1: DeleteSnapshot: Unavailable/)
  t.match(result.second, { status: 0 })
  t.strictSame(result.thawed, ['/srv/vol-1-vol-2'], 'only once')
  t.notMatch(result.ids, ['new-1'])
  t.end()
})

t.test('a snapshot that cannot be removed does not stop the others', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const { result } = drive(
    t,
    `ec2 = FakeEc2({'vol-1': [old(29), old(28), old(27)], 'vol-2': [old(29)]})
ec2.errors['DeleteSnapshot', 'old-28'] = 'InvalidSnapshot.InUse'
ec2.errors['DeleteSnapshot', 'old-27'] = 'InvalidSnapshot.NotFound'
print(json.dumps(dict(run(ec2, keep=1), ids=[one['id'] for one in ec2.volumes['vol-2']])))`,
  )
  t.match(result, {
    status: 1,
    error: /^cannot remove old-28 \(to keep it, .*\): DeleteSnapshot: InvalidSnapshot\.InUse$/,
  })
  t.match(result.volumes, { 'vol-1': { newest: /^2026-12-02/ }, 'vol-2': { newest: /^2026-12-02/ } })
  t.strictSame(result.ids, ['new-2'])
  t.end()
})

t.test('reports volumes without a file system, and disks that may be theirs', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const { result } = drive(
    t,
    `ec2 = FakeEc2({'vol-1': []})
attached = {'/dev/sdf': 'vol-1', '/dev/sdg': 'vol-2'}
print(json.dumps([run(ec2, attached=attached), run(ec2, attached=attached, unknown=['xvdq'])]))`,
  )
  t.match(result[0], { status: 0, unmounted: ['vol-2 (/dev/sdg)'] })
  t.match(result[1], {
    status: 1,
    error: 'no snapshot of the mounted disk xvdq: it may be one of the volumes vol-2 (/dev/sdg)',
  })
  t.end()
})

t.test('finds the volumes of disks, partitions and btrfs', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const { result } = drive(
    t,
    String.raw`sys_ = p['SYS'] = p['HERE'] + '/sys'
os = p['os']
def disk(name, partition=None, serial=None):
    path = '%s/devices/%s' % (sys_, name)
    os.makedirs(path + '/device')
    os.makedirs(sys_ + '/class/block', exist_ok=True)
    os.symlink(path, '%s/class/block/%s' % (sys_, name))
    if serial:
        open(path + '/device/serial', 'w').write(serial + '\n')
    if partition:
        os.makedirs('%s/%s' % (path, partition))
        open('%s/%s/partition' % (path, partition), 'w').write('1')
        os.symlink('%s/%s' % (path, partition), '%s/class/block/%s' % (sys_, partition))
disk('xvda', 'xvda1')
disk('xvdf')
disk('xvdg')
disk('nvme1n1', 'nvme1n1p1', serial='vol0aa')
disk('nvme2n1', serial='AWS1234')
disk('xvdz')
os.makedirs(sys_ + '/fs/btrfs/features')
for name in ('xvdf', 'xvdg'):
    os.makedirs('%s/fs/btrfs/1-2/devices/%s' % (sys_, name))
paths = ['/', '/bin', '/boot', '/dev', '/etc', '/home', '/usr']
names = ['xvda1', 'xvdf', 'xvdg', 'nvme1n1p1', 'nvme2n1', 'xvdz', 'xvda1']
p['MOUNTS'] = p['HERE'] + '/mounts'
with open(p['MOUNTS'], 'w') as stream:
    for path, name in reversed(list(zip(paths, names))):
        stream.write('1 2 3:4 / %s rw - ext4 /dev/%s rw\n' % (path, name))
attached = {'/dev/sda1': 'vol-root', '/dev/sdf': 'vol-f', '/dev/xvdg': 'vol-g', '/dev/sdh': 'vol-0aa', '/dev/sdi': 'vol-i'}
found, unknown = p['mounted_file_systems'](attached)
print(json.dumps([[[one.path, sorted(one.volumes)] for one in found], sorted(unknown)]))`,
  )
  const [found, unknown] = result
  t.strictSame(found[0], ['/', ['vol-root']])
  t.strictSame(found.slice(1).sort(), [
    ['/boot', ['vol-f', 'vol-g']],
    ['/dev', ['vol-0aa']],
  ])
  t.strictSame(unknown, ['xvdz'], 'and not the local disk of the instance')
  t.end()
})

t.test('a description has 255 characters at most', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const { result } = drive(
    t,
    `ec2 = FakeEc2({'vol-1': []})\nrun(ec2, host='w' * 300)\nprint(json.dumps([len(one) for one in ec2.descriptions]))`,
  )
  t.strictSame(result, [255])
  t.end()
})

t.test('asks EC2 again when it is busy, except for a new snapshot', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const { result } = drive(
    t,
    `class Answer(io.BytesIO):
    pass
asked = []
def urlopen(request, timeout):
    asked.append(request.data.decode())
    if len(asked) % 3:
        status, code = (503, 'Unavailable') if len(asked) % 3 == 1 else (400, 'RequestLimitExceeded')
        body = '<r><Errors><Error><Code>%s</Code><Message>busy</Message></Error></Errors></r>' % code
        raise urllib.error.HTTPError('x', status, 'x', {}, io.BytesIO(body.encode()))
    return Answer(b'<r xmlns="x"><snapshotSet><item><snapshotId>snap-1</snapshotId></item></snapshotSet></r>')
p['urllib'].request.urlopen = urlopen
ec2 = p['Ec2'](dict(region='eu-central-1', aws_key='AKIAKEY', aws_secret='hidden', endpoint=None), None)
found = [one.id for one in p['snapshots_of'](ec2, 'vol-1')]
p['delete'](ec2, 'snap-1')
count = len(asked)
try:
    p['request_snapshot'](ec2, 'web1', 'vol-1', [], 1)
except Failure as error:
    print(json.dumps([found, count, len(asked), str(error)]))`,
  )
  t.strictSame(result, [['snap-1'], 6, 7, 'CreateSnapshot: Unavailable: busy'])
  t.end()
})

/** Replaces the ioctl of the child; the root file system of the test must not be frozen. */
const frozen = `import errno, threading, tempfile
log = p['HERE'] + '/ioctl.log'
faults = {}
def ioctl(handle, code, _):
    path = p['os'].readlink('/proc/self/fd/%d' % handle)
    word = 'freeze' if code == p['FIFREEZE'] else 'thaw'
    fault = faults.get((word, path[-1]))
    if callable(fault):
        fault()
    elif fault:
        raise OSError(fault, p['os'].strerror(fault))
    with open(log, 'a') as stream:
        stream.write('%s %s\\n' % (word, path[-1]))
p['fcntl'].ioctl = ioctl
p['os'].sync = lambda: None
one, two = p['HERE'] + '/1', p['HERE'] + '/2'
p['os'].mkdir(one)
p['os'].mkdir(two)
def freeze(work=lambda: None):
    open(log, 'w').close()
    context = p['Frozen']([])
    context.paths = [one, two]
    try:
        with context:
            work()
        text = None
    except Failure as error:
        text = str(error).replace(p['HERE'], '')
    return [text] + open(log).read().split('\\n')[:-1]
`

t.test('freezes and thaws, and reports what failed', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const { result } = drive(
    t,
    `${frozen}found = [freeze()]
faults['freeze', '2'] = errno.ENOTTY
found.append(freeze())
faults['freeze', '2'] = errno.EBUSY
found.append(freeze())
faults = {('thaw', '1'): errno.EINVAL}
found.append(freeze())
faults = {('thaw', '1'): errno.EIO}
found.append(freeze())
def broken():
    raise ValueError('broken')
faults = {('freeze', '1'): broken}
found.append(freeze())
print(json.dumps(found))`,
  )
  t.strictSame(result, [
    [null, 'freeze 1', 'freeze 2', 'thaw 1', 'thaw 2'],
    [null, 'freeze 1', 'thaw 1'],
    ['cannot freeze /2: Device or resource busy', 'freeze 1', 'thaw 1'],
    [null, 'freeze 1', 'freeze 2', 'thaw 2'],
    ['cannot thaw /1 (run fsfreeze -u /1): Input/output error', 'freeze 1', 'freeze 2', 'thaw 2'],
    ['ValueError: broken'],
  ])
  t.end()
})

t.test('one deadline thaws all, also while a further file system is being frozen', (t) => {
  if (!needs(t, ['python3'])) return t.end()
  const { result } = drive(
    t,
    `${frozen}p['FREEZE_LIMIT'] = 0.2
def until_thawed():
    while 'thaw 1' not in open(log).read():
        pass
faults = {('freeze', '2'): until_thawed}
found = [freeze()]
faults = {}
found.append(freeze(until_thawed))
print(json.dumps(found))`,
  )
  t.match(result, [
    [/^\/1, \/2 was not frozen within 0\.2 seconds$/, 'freeze 1', 'thaw 1', 'freeze 2', 'thaw 2'],
    [/^\/1, \/2 was frozen for 0\.2 seconds, and EC2 had not answered$/, 'freeze 1', 'freeze 2', 'thaw 1', 'thaw 2'],
  ])
  t.end()
})
