/** The part of the program that freezes file systems, and thaws them in any case. */
export const freezeProgram = String.raw`# Freezing.

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


`
