/** The part of the upkeep program that makes, lists and removes the backups of a ZEO server: the database and its blobs. */

export const zodbBackupProgram = String.raw`def with_database(action, **args):
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
            with open_regular(script) as stream:
                first = stream.readline(4096)
            if first.startswith('#!') and first[2:].strip():
                return first[2:].split()[0]
    raise Failure('the current release has none of these scripts: ' + ', '.join(scripts))


def part(name):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    path = os.path.join(CURRENT, '.installed.cfg')
    if not os.path.lexists(path):
        return {}
    try:
        parser.read_string(text_of(path))
    except configparser.Error:
        raise Failure('%s is not a file of buildout' % path)
    return dict(parser.items(name)) if parser.has_section(name) else {}


def recipe_option(name):
    """Returns an option that collective.recipe.backup has computed and written into its script."""
    found = re.search(r"'%s': u?'([^']*)'" % name, text_of(os.path.join(CURRENT, 'bin', 'backup')))
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
        conf = text_of(path)
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
        path = os.path.join(where['location'], name)
        if match and os.path.isfile(path):
            size = os.path.getsize(path)
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
    """Copies the backups so that an interrupted copy leaves one with its blobs.

    The blobs come first, and old ones are removed last. An old database is removed after the new one has arrived.
    """
    database, blobs = where['location'], where['blob_backups']
    source, into = blobs, ''
    if os.path.basename(os.path.normpath(blobs)) == os.path.basename(os.path.normpath(database)):
        source, into = blobs + '/', os.path.basename(os.path.normpath(blobs)) + '-blobs'
        if os.path.isdir(database):
            # rsync makes one level of directories.
            rsync(target, database, '', '--exclude=*')
    if os.path.isdir(blobs):
        rsync(target, source, into)
    if os.path.isdir(database):
        rsync(target, database, '', '--delete-after')
    if os.path.isdir(blobs):
        rsync(target, source, into, '--delete-after')


def rsync(target, source, into, *words):
    command = ['rsync', '-aH', '--timeout=600', '-e', 'ssh -o BatchMode=yes', *words, source, '%s/%s' % (target, into)]
    try:
        child = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except FileNotFoundError:
        raise Failure('the program rsync is missing')
    if child.returncode != 0:
        output = child.stdout.decode('utf-8', 'replace').strip()[-1000:]
        # rsync often loses the message of the other host.
        cause = ' (a file could not be written: its disk may be full)' if child.returncode == 11 else ''
        raise Failure('the copy to %s failed: rsync ended with status %d%s: %s' % (
            target, child.returncode, cause, output))


def next_stamp(where, backups):
    """Waits until a new backup has a later name than all others, and returns that name.

    The names have seconds. repozo cannot recover an incremental backup that has the name of the full one before it.
    """
    latest = max([one['id'] for one in backups], default='')
    for _ in range(50):
        stamp = now().strftime(STAMP)
        if stamp > latest:
            return stamp
        time.sleep(0.1)
    raise Failure('the backup %s in %s is dated in the future: set the clock of the host, or move the backup away'
                  % (latest, where['location']))


def back_up(usual, is_full=False):
    def work():
        where = layout()
        next_stamp(where, database_backups(where))
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
`
