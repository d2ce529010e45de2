"""The file of an arena: made once, whole or not at all; found, or refused for what it is; grown, full, passed on."""

import contextlib
import errno
import gc
import mmap
import os
import resource
import stat
import struct
import subprocess
import sys

import pytest
from sync.arenas import PRELUDE, in_arena
from sync.programs import Program, ended, forked
from sync.test_lock_places import apart

from pyfutex.sync import Arena, _arenafile

HEAD = struct.Struct("=8sIIQQQ")
GRAIN = 65536


@pytest.fixture
def path(tmp_path):
    return tmp_path / "arena"


@pytest.fixture
def name():
    """A name in shared memory, free again in the end."""
    name = f"test-{os.getpid()}"
    yield name
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"/dev/shm/pyfutex-{name}")


def test_a_name_is_one_in_shared_memory(name):
    with pytest.raises(FileNotFoundError):
        Arena.attach(name)
    with Arena.open(name) as arena:
        assert arena.path == f"/dev/shm/pyfutex-{name}"
        about = os.stat(arena.path)
        assert stat.S_IMODE(about.st_mode) == 0o600
        assert about.st_size == arena.maximum == 1 << 28
        assert about.st_blocks * 512 < 1 << 20
        assert arena.size == GRAIN
        with Arena.open(name) as same:
            arena.event("it").set()
            assert same.event("it").is_set()
        arena.unlink()
        assert not os.path.exists(arena.path)
        with pytest.raises(FileNotFoundError):
            arena.unlink()


def test_a_path_is_a_file(path, monkeypatch):
    with Arena.create(path, mode=0o640, maximum=100_000) as arena:
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert arena.maximum == path.stat().st_size == 2 * GRAIN
        assert os.fstat(arena.fileno()).st_ino == path.stat().st_ino
    monkeypatch.chdir(path.parent)
    for same in "./arena", path, str(path):
        with Arena.attach(same) as arena:
            assert arena.path == str(path)
    with pytest.raises(FileExistsError):
        Arena.create(path)
    with pytest.raises(FileNotFoundError):
        Arena.open(path.parent / "none" / "arena")


def test_names_of_arenas_that_there_cannot_be():
    for given in "", ".", "..", "a\0b":
        with pytest.raises(ValueError):
            Arena.open(given)
    with pytest.raises(OSError) as caught:
        Arena.open("x" * 250)
    assert caught.value.errno == errno.ENAMETOOLONG
    for given in b"bytes", None, 1.5:
        with pytest.raises(TypeError):
            Arena.open(given)


def test_a_maximum_is_within_bounds(path):
    for maximum in 0, -1, 65535, (1 << 36) + 1:
        with pytest.raises(ValueError, match="maximum"):
            Arena.create(path, maximum=maximum)
    assert os.listdir(path.parent) == []


CREATE = """
meet()
try:
    Arena.create(sys.argv[1])
    status = 1
except FileExistsError:
    status = 2
with Arena.open(sys.argv[1]) as arena:
    arena.semaphore("created", 0).release(status)
"""


def test_of_creators_that_race_exactly_one_wins(path):
    with contextlib.ExitStack() as stack:
        programs = [stack.enter_context(Program(CREATE, path, prelude=PRELUDE)) for _ in range(4)]
        for program in programs:
            program.meets()
        for program in programs:
            program.go_on()
        assert [program.ends() for program in programs] == [(0, "")] * 4
    permits = 0
    with Arena.attach(path) as arena:
        while arena.semaphore("created", 0).acquire(blocking=False):
            permits += 1
    assert permits == 1 + 2 + 2 + 2
    assert os.listdir(path.parent) == ["arena"]


def test_forked_creators_all_get_the_same(path):
    def create():
        with Arena.open(path) as arena:
            for i in range(20):
                arena.semaphore(f"{i}", 0).release()

    with contextlib.ExitStack() as stack:
        pids = [stack.enter_context(forked(create)) for _ in range(4)]
        assert [ended(pid) for pid in pids] == [0] * 4
    arena = Arena.attach(path)
    for i in range(20):
        assert all(arena.semaphore(f"{i}", 0).acquire(blocking=False) for _ in range(4))
        assert not arena.semaphore(f"{i}", 0).acquire(blocking=False)


def test_a_creator_that_dies_leaves_nothing(path, monkeypatch):
    def die(*args, **options):
        os._exit(7)

    def create():
        monkeypatch.setattr(os, "link", die)
        Arena.create(path)

    with forked(create) as pid:
        assert ended(pid) == 7
    assert os.listdir(path.parent) == []
    Arena.create(path).close()


def test_without_nameless_files_it_is_made_under_a_name_that_nobody_looks_for(path, monkeypatch):
    really = os.open

    def old_open(file, flags, *args, **options):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "no such thing")
        return really(file, flags, *args, **options)

    monkeypatch.setattr(os, "open", old_open)
    with Arena.create(path) as arena:
        arena.lock("it")
    assert os.listdir(path.parent) == ["arena"]
    with pytest.raises(FileExistsError):
        Arena.create(path)
    monkeypatch.setattr(os.path, "lexists", lambda path: False)
    with pytest.raises(FileExistsError):
        Arena.create(path)
    assert os.listdir(path.parent) == ["arena"]
    with Arena.attach(path) as arena:
        assert arena.names() == ["it"]


def test_who_creates_last_finds_the_first(path, monkeypatch):
    with Arena.create(path) as arena:
        arena.lock("it")
    monkeypatch.setattr(os.path, "lexists", lambda path: False)
    with pytest.raises(FileExistsError):
        Arena.create(path)
    with Arena.attach(path) as arena:
        assert arena.names() == ["it"]


# --- what is refused ---


def changed(path, position, value):
    """Write over a field of an arena's head."""
    fields = list(HEAD.unpack(path.read_bytes()[: HEAD.size]))
    fields[position] = value
    with path.open("r+b") as file:
        file.write(HEAD.pack(*fields))


@pytest.mark.parametrize(
    ("position", "value", "said"),
    [
        (0, b"pfarena1", "not an arena"),
        (1, 2, "layout version 2"),
        (2, 0x04030201, "byte order"),
        (3, 1 << 20, "is damaged"),
        (4, 0, "not possible"),
        (4, 1 << 40, "not possible"),
        (5, 0, "not possible"),
        (5, 1 << 20, "not possible"),
    ],
)
def test_a_head_that_cannot_be_is_refused(path, position, value, said):
    Arena.create(path, maximum=2 * GRAIN).close()
    changed(path, position, value)
    before = path.read_bytes()
    for find in Arena.attach, Arena.open:
        with pytest.raises(ValueError, match=said):
            find(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"pf", b"garbage" * 1000, bytes(100_000)])
def test_a_foreign_file_is_refused(path, content):
    path.write_bytes(content)
    for find in Arena.attach, Arena.open:
        with pytest.raises(ValueError, match="not an arena"):
            find(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("size", [4096, GRAIN, 3 * GRAIN])
def test_a_file_of_another_size_than_it_was_made_with_is_refused(path, size):
    Arena.create(path, maximum=2 * GRAIN).close()
    os.truncate(path, size)
    with pytest.raises(ValueError, match="is damaged"):
        Arena.attach(path)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError):
        Arena.open(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ValueError, match="not a file"):
        Arena.open(tmp_path / "fifo")
    with pytest.raises(ValueError, match="not a file"):
        Arena.open("/dev/null")


def test_links_are_followed_but_in_shared_memory(path, name):
    Arena.create(path).close()
    link = path.parent / "link"
    link.symlink_to(path)
    Arena.attach(link).close()
    os.symlink(path, f"/dev/shm/pyfutex-{name}")
    with pytest.raises(OSError) as caught:
        Arena.open(name)
    assert caught.value.errno == errno.ELOOP


def test_an_arena_of_another_pid_namespace_is_refused(path):
    Arena.create(path).close()
    with path.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), 4096)
        memory[72] ^= 1
        for find in Arena.attach, Arena.open:
            with pytest.raises(OSError, match="--pid=host") as caught:
                find(path)
            assert caught.value.errno == errno.EXDEV
            assert caught.value.filename == str(path)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with pytest.raises(OSError):
                Arena.attach(path)
        del caught
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) <= before
        memory[72] ^= 1
    Arena.attach(path).close()


def test_refusing_leaks_no_descriptor(path):
    path.write_bytes(b"garbage")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(ValueError):
            Arena.open(path)
        with pytest.raises(FileExistsError):
            Arena.create(path)
        with pytest.raises(ValueError):
            Arena.create(path.parent / "other", maximum=1)
    assert len(os.listdir("/proc/self/fd")) == before


# --- names and lives ---


def test_a_name_that_is_another_arena_by_now_stays(path):
    first = Arena.create(path)
    os.unlink(path)
    second = Arena.create(path)
    with pytest.raises(FileNotFoundError):
        first.unlink()
    assert path.exists()
    second.unlink()
    assert first.lock("it").acquire(blocking=False)
    first.lock("it").release()


@pytest.mark.parametrize("ending", ["", "os._exit(0)\n", "os.kill(os.getpid(), signal.SIGKILL)\n"])
def test_nobody_who_ends_takes_it_along(name, ending):
    with Arena.create(name) as arena:
        with in_arena(name, f"arena.lock('it')\n{ending}") as program:
            program.ends()
        assert os.path.exists(arena.path)
        with Arena.attach(name) as again:
            assert again.names() == ["it"]


def test_a_nameless_arena_is_passed_on_as_a_descriptor():
    with Arena.create_nameless("mine", maximum=GRAIN) as arena:
        body = (
            "import sys\nfrom pyfutex.sync import Arena\n"
            "with Arena.attach(int(sys.argv[1])) as arena:\n    arena.event('it').set()\n"
        )
        fd = str(arena.fileno())
        subprocess.run([sys.executable, "-c", body, fd], check=True, pass_fds=[arena.fileno()])
        assert arena.event("it").is_set()
        for size in 0, 2 * GRAIN:
            with pytest.raises(PermissionError):
                os.ftruncate(arena.fileno(), size)
        with Arena.attach(arena.fileno()) as same:
            assert same.names() == ["it"]
        assert arena.path == "memfd:mine"
        with pytest.raises(FileNotFoundError):
            arena.unlink()
    with pytest.raises(OSError):
        Arena.attach(1 << 20)


# --- memory ---


def test_it_grows_in_place_for_all_who_have_it(path):
    arena, other = Arena.create(path), Arena.attach(path)
    early = other.lock("early")
    with in_arena(path, "meet()\nfor i in range(3000):\n    arena.event(f'{i}').set()\n") as program:
        program.meets()
        program.go_on()
        assert program.ends() == (0, "")
    assert arena.size > 3000 * 128
    assert arena.size % GRAIN == 0
    assert all(other.event(f"{i}").is_set() for i in range(3000))
    with early:
        assert not arena.lock("early").acquire(blocking=False)
    assert path.stat().st_size == arena.maximum


def test_a_full_arena_is_an_error_and_stays_usable(path):
    arena = Arena.create(path, maximum=2 * GRAIN)
    n = 0
    with pytest.raises(OSError, match="full") as caught:
        while True:
            arena.lock(f"{n}")
            n += 1
    assert caught.value.errno == errno.ENOSPC
    assert n > 500
    assert len(arena) == n
    with pytest.raises(OSError, match="full"):
        arena.rwlock("large")
    arena.delete("3")
    arena.lock("again")
    assert arena.size == 2 * GRAIN


IN_A_SMALL_FILE_SYSTEM = """
import errno, os, sys
from pyfutex.sync import Arena
os.chdir(sys.argv[1])
arena = Arena.create("./arena")
n = 0
try:
    while True:
        arena.lock(f"{n}")
        n += 1
except OSError as error:
    assert error.errno == errno.ENOSPC, error
assert len(arena) == n > 500, n
assert arena.size == 6 * 65536, arena.size
arena.delete("1")
with arena.lock("again"):
    pass
with Arena.attach("./arena") as other:
    assert len(other) == n
try:
    Arena.create("./second")
except OSError as error:
    assert error.errno == errno.ENOSPC, error
assert sorted(os.listdir()) == ["arena"], os.listdir()
# One whose memory is not there: what it says that it has are holes.
with open("holes", "wb") as file, open("arena", "rb") as whole:
    head = bytearray(whole.read(4096))
    head[24:32] = (1 << 22).to_bytes(8, sys.byteorder)
    file.truncate(arena.maximum)
    try:
        file.write(head)
        file.flush()
    except OSError:
        sys.exit(3)
try:
    Arena.attach("./holes")
except OSError as error:
    assert error.errno == errno.ENOSPC, error
    sys.exit(5)
"""


def test_a_full_file_system_is_an_error_and_no_signal(tmp_path):
    mount = 'mount -t tmpfs -o size=400k none "$0" && exec "$@"'
    command = [
        *apart("--mount"),
        "sh",
        "-c",
        mount,
        tmp_path,
        sys.executable,
        "-c",
        IN_A_SMALL_FILE_SYSTEM,
        tmp_path,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 5, done.stderr


def test_a_limit_on_files_is_an_error(path):
    def create():
        resource.setrlimit(resource.RLIMIT_FSIZE, (GRAIN, GRAIN))
        with pytest.raises(OSError) as caught:
            Arena.create(path)
        assert caught.value.errno == errno.EFBIG

    with forked(create) as pid:
        assert ended(pid) == 0
    assert os.listdir(path.parent) == []


def test_on_an_older_kernel_holes_are_looked_for(name, monkeypatch):
    monkeypatch.setattr(_arenafile, "MADV_POPULATE_WRITE", 9999)
    with Arena.create(name) as arena:
        for i in range(2000):
            arena.event(f"{i}")
        with Arena.attach(name) as other:
            assert len(other) == 2000
        path = arena.path
    with open(path, "r+b") as file:
        whole = file.read(4096)
        file.seek(0)
        file.truncate(0)
        file.truncate(1 << 28)
        file.write(whole)
    with pytest.raises(OSError, match="holes") as caught:
        Arena.attach(name)
    assert caught.value.errno == errno.ENOSPC
