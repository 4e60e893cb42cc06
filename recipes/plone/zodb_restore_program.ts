/** The part of the upkeep program that verifies a backup of a ZEO server, and restores it in two steps. */

export const zodbRestoreProgram = `def put_blobs(where, name, target, links):
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
        with open_regular(where['database'] + '.lock', 'a') as lock:
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
`
