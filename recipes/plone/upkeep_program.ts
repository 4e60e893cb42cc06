/**
 * The program that runs the scheduled jobs of a ZEO server or of a RelStorage database, records how each ended, and lists,
 * verifies and restores backups. cron and converge call it. It requires Python 3; the database is opened with the Python of
 * the site.
 */

import { databaseProgram } from './database_program.ts'
import { sqlUpkeepProgram } from './sql_upkeep_program.ts'

export const upkeepProgram = String.raw`#!/usr/bin/env python3
"""Written by converge, changes are overwritten. Runs the jobs of a database and records how each ended."""
import configparser, datetime, fcntl, gzip, json, os, re, shutil, subprocess, sys, tarfile, tempfile, time

HERE = os.path.dirname(os.path.realpath(__file__))
with open(os.path.join(HERE, 'upkeep.json')) as stream:
    SETTINGS = json.load(stream)
CURRENT = SETTINGS['current']
STAMP = '%Y-%m-%d-%H-%M-%S'
DATABASE_BACKUP = re.compile(r'(\d{4}(?:-\d\d){5})\.(delta)?fsz?$')
BLOB_BACKUP = re.compile(r'[^.].*?\.(\d{4}(?:-\d\d){5}|\d+)(\.tar|\.tar\.gz)?$')
DATABASE_PROGRAM = ${JSON.stringify(databaseProgram)}


class Failure(Exception):
    pass


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def say(text):
    print(text, flush=True)


def record(job, started, status, error, **more):
    ended = now().isoformat(timespec='seconds')
    what = dict(job=job, started=started, ended=ended, status=status, error=error[-2000:], **more)
    path = os.path.join(HERE, job + '.json')
    with open(path + '.new', 'w') as stream:
        json.dump(what, stream)
    os.rename(path + '.new', path)


def locked(job):
    handle = open(os.path.join(HERE, job + '.lock'), 'w')
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit('another run of the job ' + job + ' is under way')
    return handle


def recorded(job, work):
    handle = locked(job)
    started = now().isoformat(timespec='seconds')
    try:
        more = work() or {}
    except (Failure, OSError, tarfile.TarError) as error:
        record(job, started, 1, str(error))
        sys.exit('%s failed: %s' % (job, error))
    except Exception as error:
        # Whatever ends a job early is a failure that status reports; the earlier record says that it succeeded.
        reason = '%s: %s' % (type(error).__name__, error)
        record(job, started, 1, reason)
        sys.exit('%s failed: %s' % (job, reason))
    record(job, started, 0, '', **more)
    handle.close()


def run(command):
    """Runs a command of /bin/sh in the current release, and prints its output."""
    child = subprocess.Popen(command, shell=True, cwd=CURRENT, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    last = []
    for line in child.stdout:
        text = line.decode('utf-8', 'replace').rstrip('\n')
        say(text)
        last = (last + [text])[-15:]
    status = child.wait()
    if status != 0:
        raise Failure('\n'.join(['%s ended with status %d' % (command, status)] + last))


def with_database(action, **args):
    scripts = [os.path.join(CURRENT, 'bin', name) for name in ('repozo', 'backup', 'zeopack', 'runzeo')]
    python = interpreter(scripts)
    argument = json.dumps([scripts, action, args])
    child = subprocess.run([python, '-c', DATABASE_PROGRAM, argument], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=CURRENT)
    if child.returncode != 0:
        raise Failure(child.stderr.decode('utf-8', 'replace').strip()[-1500:] or 'status %d' % child.returncode)
    return child.stdout.decode('utf-8', 'replace')


def interpreter(scripts):
    for script in scripts:
        if os.path.isfile(script):
            with open(script, errors='replace') as stream:
                first = stream.readline()
            if first.startswith('#!'):
                return first[2:].split()[0]
    raise Failure('the current release has none of these scripts: ' + ', '.join(scripts))


def part(name):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(os.path.join(CURRENT, '.installed.cfg'))
    return dict(parser.items(name)) if parser.has_section(name) else {}


def recipe_option(name):
    """Returns an option that collective.recipe.backup has computed and written into its script."""
    with open(os.path.join(CURRENT, 'bin', 'backup')) as stream:
        found = re.search(r"'%s': u?'([^']*)'" % name, stream.read())
    return found.group(1) if found else ''


def layout():
    """Finds the database, its blobs and the directories of their backups, as the current release has them."""
    backup = part('backup')
    own = not backup.get('recipe', '').startswith('collective.recipe.backup')
    location = backup.get('location', '').strip() if own else recipe_option('backup_location')
    if not location:
        raise Failure('the part backup of the buildout has no option "location"')
    path = os.path.join(CURRENT, 'parts/zeoserver/etc/zeo.conf')
    try:
        with open(path) as stream:
            conf = stream.read()
    except OSError as error:
        raise Failure('cannot read the configuration of the ZEO server: %s' % error)
    defined = dict((key, value.strip()) for key, value in re.findall(r'(?m)^\s*%define\s+(\S+)\s+(.*)$', conf))
    conf = re.sub(r'\$\{?(\w+)\}?', lambda match: defined.get(match.group(1), match.group(0)), conf)

    def option(pattern):
        found = re.search(pattern, conf, re.M | re.S)
        return os.path.realpath(os.path.join(CURRENT, found.group(1).strip())) if found else None
    database = option(r'<filestorage[^>]*>.*?^\s*path\s+([^\n]+)')
    if database is None:
        raise Failure('%s names no file storage' % path)
    address = re.search(r'(?ms)<zeo>.*?^\s*address\s+(\S+)', conf)
    location = os.path.realpath(location)
    blobs = option(r'^\s*blob-dir\s+([^\n]+)')
    kept = os.path.join(os.path.dirname(location), 'blobstoragebackups')
    if not own:
        kept = os.path.realpath(recipe_option('blob_backup_location') or kept)
    return dict(location=location, database=database, blobs=blobs, blob_backups=kept, own=own,
                port=int(address.group(1).rpartition(':')[2]) if address else None)


def names(directory):
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []


def database_backups(where):
    found = []
    for name in names(where['location']):
        match = DATABASE_BACKUP.match(name)
        if match:
            size = os.path.getsize(os.path.join(where['location'], name))
            found.append(dict(id=match.group(1), full=match.group(2) is None, bytes=size))
    return found


def blob_backups(where):
    return [(match.group(1), name) for name, match in
            ((name, BLOB_BACKUP.match(name)) for name in names(where['blob_backups'])) if match]


def blobs_of(where, backups, backup):
    """Returns the blob backup that belongs to a backup of the database: the first one that is not older."""
    dated = sorted(one for one in blob_backups(where) if '-' in one[0])
    for stamp, name in dated:
        if stamp >= backup['id']:
            return name
    numbered = [name for stamp, name in blob_backups(where) if stamp == '0']
    return numbered[0] if numbered and not dated and backup is backups[-1] else None


def chosen(where, wanted):
    backups = database_backups(where)
    if not backups:
        raise Failure('there is no backup in %s' % where['location'])
    if wanted is None:
        return backups[-1], blobs_of(where, backups, backups[-1])
    for backup in backups:
        if backup['id'] == wanted:
            return backup, blobs_of(where, backups, backup)
    raise Failure('there is no backup %s in %s' % (wanted, where['location']))


def copy_tree(source, target, previous=None):
    """Copies blobs, and links those that the previous copy has."""
    for base, directories, files in os.walk(source):
        if base == source:
            directories[:] = [name for name in directories if not is_foreign(name)]
        below = os.path.relpath(base, source)
        into = os.path.normpath(os.path.join(target, below))
        os.makedirs(into, exist_ok=True)
        shutil.copystat(base, into)
        os.chmod(into, os.stat(into).st_mode | 0o700)
        for name in files:
            copy_file(os.path.join(base, name), os.path.join(into, name),
                      os.path.join(previous, below, name) if previous else None)


def is_foreign(name):
    return name == 'tmp' or name.startswith(('before-restore-', 'restoring'))


def copy_file(source, target, known):
    try:
        stat = os.lstat(source)
        if known is not None and is_same(known, stat):
            os.link(known, target)
        else:
            shutil.copy2(source, target, follow_symlinks=False)
    except FileNotFoundError:
        # Packing has removed the blob since its directory was read.
        if os.path.lexists(source):
            raise


def is_same(path, stat):
    try:
        other = os.lstat(path)
    except FileNotFoundError:
        return False
    return (other.st_size, int(other.st_mtime)) == (stat.st_size, int(stat.st_mtime))


def back_up_blobs(where, stamp):
    root = where['blob_backups']
    os.makedirs(root, exist_ok=True)
    for name in names(root):
        if name.startswith('.partial'):
            shutil.rmtree(os.path.join(root, name))
    dated = sorted(one for one in blob_backups(where) if '-' in one[0])
    if any(known == stamp for known, _ in dated):
        return
    previous = os.path.join(root, dated[-1][1]) if dated else None
    needed = 0
    for base, directories, files in os.walk(where['blobs']):
        if base == where['blobs']:
            directories[:] = [name for name in directories if not is_foreign(name)]
        for name in files:
            path = os.path.join(base, name)
            stat = os.lstat(path) if os.path.lexists(path) else None
            known = previous and os.path.join(previous, os.path.relpath(path, where['blobs']))
            if stat and not (known and is_same(known, stat)):
                needed += stat.st_size
    free = shutil.disk_usage(root).free
    if needed > free:
        raise Failure('the blobs need %d MB in %s, and %d MB are free' % (needed >> 20, root, free >> 20))
    partial = os.path.join(root, '.partial')
    copy_tree(where['blobs'], partial, previous)
    os.rename(partial, os.path.join(root, 'blobstorage.' + stamp))


def remove_old(where, keep):
    full = [one['id'] for one in database_backups(where) if one['full']]
    if len(full) <= keep:
        return
    oldest = full[-keep]
    for name in names(where['location']):
        if re.match(r'\d{4}(-\d\d){5}\.', name) and name[:19] < oldest:
            os.remove(os.path.join(where['location'], name))
    for stamp, name in blob_backups(where):
        if '-' in stamp and stamp < oldest:
            shutil.rmtree(os.path.join(where['blob_backups'], name))


def copy_elsewhere(where, target):
    sources = [path for path in (where['location'], where['blob_backups']) if os.path.isdir(path)]
    command = ['rsync', '-aH', '--delete', '--timeout=600', '-e', 'ssh -o BatchMode=yes', *sources, target + '/']
    try:
        child = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except FileNotFoundError:
        raise Failure('the program rsync is missing')
    if child.returncode != 0:
        output = child.stdout.decode('utf-8', 'replace').strip()[-1000:]
        raise Failure('the copy to %s failed: rsync ended with status %d: %s' % (target, child.returncode, output))


def back_up(usual, is_full=False):
    def work():
        where = layout()
        command = full_command(where) if is_full else usual
        run(command)
        backups = database_backups(where)
        if not backups:
            raise Failure('%s succeeded, but there is no backup in %s' % (command, where['location']))
        if SETTINGS['blobs'] and where['own'] and where['blobs'] and os.path.isdir(where['blobs']):
            back_up_blobs(where, backups[-1]['id'])
        if SETTINGS['keep'] is not None and where['own']:
            remove_old(where, SETTINGS['keep'])
        if SETTINGS['copy_to'] is not None:
            copy_elsewhere(where, SETTINGS['copy_to'])
        return dict(newest=backups[-1]['id'])
    recorded('backup', work)


def full_command(where):
    """Returns the command of a full backup."""
    if where['own']:
        return 'bin/backup -F'
    raise Failure('collective.recipe.backup decides whether a backup is full: set "full = true" in the part backup')


def put_blobs(where, name, target, links):
    source = os.path.join(where['blob_backups'], name)
    if os.path.isfile(source):
        with tarfile.open(source) as archive:
            archive.extractall(target, **({'filter': 'data'} if hasattr(tarfile, 'data_filter') else {}))
        source = None
    # collective.recipe.backup puts the directory of the blobs into its backup.
    inner = os.path.join(source or target, os.path.basename(where['blobs']))
    if source is not None:
        source = inner if os.path.isdir(inner) else source
        copy_tree(source, target, source if links and os.stat(source).st_dev == os.stat(target).st_dev else None)
    elif os.path.isdir(inner):
        for one in names(inner):
            os.rename(os.path.join(inner, one), os.path.join(target, one))
        os.rmdir(inner)


def recover(where, backup, blobs, directory, blob_directory, links):
    """Restores a backup into directories, and opens the database there. Links to blobs of the backup cost no space."""
    path = os.path.join(directory, os.path.basename(where['database']))
    with_database('recover', location=where['location'], path=path, id=backup['id'])
    if blobs is not None:
        put_blobs(where, blobs, blob_directory, links)
    found = json.loads(with_database('check', path=path, blobs=blob_directory if blobs is not None else None))
    if found['objects'] == 0:
        raise Failure('the backup %s has no objects' % backup['id'])
    if found['lost']:
        reason = 'in %s' % blobs if blobs else 'no blob backup belongs to it'
        raise Failure('the backup %s lacks %d of %d blobs (%s): %s' % (
            backup['id'], found['lost'], found['blobs'], reason, ', '.join(found['missing'])))
    return dict(id=backup['id'], objects=found['objects'], blobs=found['blobs'], bytes=os.path.getsize(path))


def verify(wanted):
    def work():
        where = layout()
        backup, blobs = chosen(where, wanted)
        scratch = tempfile.mkdtemp(prefix='verify-', dir=os.path.dirname(where['location']))
        try:
            blob_directory = os.path.join(scratch, 'blobs')
            os.mkdir(blob_directory)
            found = recover(where, backup, blobs, scratch, blob_directory, links=True)
        finally:
            shutil.rmtree(scratch)
        say(json.dumps(found))
        return found
    recorded('verify', work)


def refuse_clients(where):
    """Refuses a restore while clients are connected: they would keep objects that no longer exist."""
    for _ in range(6):
        count = connections(where['port']) if where['port'] else 0
        if count == 0:
            return
        time.sleep(0.5)
    raise Failure('the ZEO server at port %d has connections of clients (%d): run "converge stop" on their hosts first'
                  % (where['port'], count))


def connections(port):
    count = 0
    for path in ('/proc/net/tcp', '/proc/net/tcp6'):
        if os.path.exists(path):
            with open(path) as stream:
                rows = [line.split() for line in stream.readlines()[1:]]
            count += sum(row[1].endswith(':%04X' % port) and row[3] == '01' for row in rows)
    return count


def restoring(where):
    places = [os.path.dirname(where['database'])] + ([where['blobs']] if where['blobs'] else [])
    return [os.path.join(place, 'restoring') for place in places]


def prepare(wanted):
    def work():
        where = layout()
        refuse_clients(where)
        backup, blobs = chosen(where, wanted)
        scratch = restoring(where)
        for path in scratch:
            shutil.rmtree(path, ignore_errors=True)
            os.makedirs(path)
        try:
            found = recover(where, backup, blobs, scratch[0], scratch[-1] if len(scratch) > 1 else None, links=False)
        except BaseException:
            for path in scratch:
                shutil.rmtree(path, ignore_errors=True)
            raise
        say('the backup %(id)s opens: %(objects)d objects, %(blobs)d blobs' % found)
        return found
    recorded('prepare', work)


def swap():
    def work():
        where = layout()
        scratch = restoring(where)
        name = os.path.basename(where['database'])
        if not os.path.isfile(os.path.join(scratch[0], name)):
            raise Failure('no backup is prepared in %s' % scratch[0])
        with open(where['database'] + '.lock', 'a') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Failure('another process has opened %s' % where['database'])
            before = 'before-restore-' + now().strftime(STAMP)
            moved = []
            try:
                exchange(scratch[0], before, lambda one: one == name or one.startswith(name + '.'), moved)
                if len(scratch) > 1 and names(scratch[1]):
                    exchange(scratch[1], before, lambda one: not is_foreign(one), moved)
            except OSError:
                for source, target in reversed(moved):
                    os.rename(target, source)
                raise
        for path in scratch:
            shutil.rmtree(path, ignore_errors=True)
            kept = os.path.join(os.path.dirname(path), before)
            if os.path.isdir(kept):
                say('the earlier data is in %s' % kept)
        return dict(before=before)
    recorded('restore', work)


def exchange(scratch, before, is_replaced, moved):
    """Moves the data beside the scratch directory away, and the restored data to its place."""
    place = os.path.dirname(scratch)
    kept = os.path.join(place, before)
    os.mkdir(kept)

    def move(source, target):
        os.rename(source, target)
        moved.append((source, target))
    for one in names(place):
        if is_replaced(one) and not one.endswith('.lock'):
            move(os.path.join(place, one), os.path.join(kept, one))
    for one in names(scratch):
        if not one.endswith('.lock') and one != 'tmp':
            move(os.path.join(scratch, one), os.path.join(place, one))


def show_list():
    where = layout()
    backups = database_backups(where)
    say(json.dumps([dict(one, blobs=blobs_of(where, backups, one)) for one in backups]))

${sqlUpkeepProgram}

def main(action, *args):
    os.umask(0o027)
    if SETTINGS.get('kind') == 'relstorage' and action != 'run':
        sql_main(action, *args)
    elif action == 'run' and args[0] == 'backup':
        back_up(args[1])
    elif action == 'run':
        recorded(args[0], lambda: run(args[1]))
    elif action == 'backup':
        back_up('bin/backup', '--full' in args)
    elif action == 'list':
        show_list()
    else:
        {'verify': verify, 'prepare': prepare, 'swap': lambda _: swap()}[action](args[0] if args else None)


try:
    main(*sys.argv[1:])
except Failure as error:
    sys.exit(str(error))
`
