"""Shared arrays: a reader gets a whole array, or an error, and never a torn one."""

import os
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ur5_rl_ros.shared_array import (
    HEADER,
    MAX_BYTES,
    SharedArrayReader,
    SharedArrayWriter,
)

pytestmark = pytest.mark.realtime


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new folder" / "array"


def write(writer, values, steady_ns=0):
    writer.begin()[:] = values
    writer.commit(steady_ns)


@given(
    values=st.sampled_from(["u1", "<f8", "<i4", "<f4"]).flatmap(
        lambda dtype: arrays(dtype, array_shapes(max_dims=4, max_side=5))
    ),
    steady_ns=st.integers(-(2**63), 2**63 - 1),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_was_written_is_read(path, values, steady_ns):
    writer = SharedArrayWriter(path, values.shape, values.dtype.str)
    write(writer, values, steady_ns)
    read, read_ns = SharedArrayReader(path).read()
    np.testing.assert_array_equal(read, values)
    assert read.dtype == values.dtype
    assert read_ns == steady_ns


def test_another_process_reads_it(path):
    write(SharedArrayWriter(path, (2, 3), "f8"), np.arange(6.0).reshape(2, 3), 42)
    program = (
        "import sys; from pathlib import Path;"
        "from ur5_rl_ros.shared_array import SharedArrayReader;"
        "values, ns = SharedArrayReader(Path(sys.argv[1])).read();"
        "print(values.tolist(), ns)"
    )
    words = [sys.executable, "-c", program, str(path)]
    output = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert output == "[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]] 42\n"


def test_nothing_is_read_while_a_write_is_under_way_also_a_second_time(path):
    writer = SharedArrayWriter(path, (3,), "u1")
    reader = SharedArrayReader(path)
    for number in (300, 301):
        writer.begin()[:] = number % 256
        with pytest.raises(TimeoutError):
            reader.read(timeout_s=0.0)
        writer.commit(number)
        values, steady_ns = reader.read()
        assert (values.tolist(), steady_ns) == ([number % 256] * 3, number)


def test_a_copy_that_was_read_does_not_change(path):
    writer = SharedArrayWriter(path, (3,), "u1")
    reader = SharedArrayReader(path)
    values, _ = reader.read()
    write(writer, 9)
    assert values.tolist() == [0, 0, 0]
    assert reader.read()[0].tolist() == [9, 9, 9]


WRITER = """
import sys, time
from pathlib import Path
from ur5_rl_ros.shared_array import SharedArrayWriter

writer = SharedArrayWriter(Path(sys.argv[1]), (300, 400), "i8")
print("up", flush=True)
number = 0
while True:
    number += 1
    writer.begin()[:] = number
    writer.commit(number)
    time.sleep(0.0002)  # a seqlock's reader needs a gap as long as its copy now and then
"""


def test_fault_no_torn_array_is_ever_read(path):
    """A process writes a megabyte of equal numbers again and again."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE
    )
    try:
        assert writer.stdout.readline() == b"up\n"
        reader, seen = SharedArrayReader(path), set()
        for _ in range(300):
            values, steady_ns = reader.read(timeout_s=5.0)
            assert (values == steady_ns).all()
            seen.add(steady_ns)
        assert len(seen) > 20
    finally:
        writer.kill()
        writer.communicate()


def test_fault_a_busy_thread_beside_the_reader_keeps_no_array_from_it(path):
    """Each system call may cost it the interpreter for milliseconds, writes go on."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE
    )
    is_over = threading.Event()

    def be_busy():
        while not is_over.is_set():
            sum(range(1000))

    thread = threading.Thread(target=be_busy)
    try:
        assert writer.stdout.readline() == b"up\n"
        reader = SharedArrayReader(path)
        thread.start()
        for _ in range(30):
            values, steady_ns = reader.read(timeout_s=0.5)
            assert (values == steady_ns).all()
    finally:
        is_over.set()
        thread.join()
        writer.kill()
        writer.communicate()


def test_fault_a_writer_that_died_in_the_middle_is_an_error_not_a_wait(path):
    writer = SharedArrayWriter(path, (3,), "u1")
    writer.begin()[:2] = 5
    reader = SharedArrayReader(path)
    with pytest.raises(TimeoutError, match="half-written"):
        reader.read(timeout_s=0.02)


def test_a_read_waits_for_a_write_to_end(path):
    writer = SharedArrayWriter(path, (3,), "u1")
    reader = SharedArrayReader(path)
    writer.begin()[:] = 5
    timer = threading.Timer(0.05, writer.commit, [11])
    timer.start()
    values, steady_ns = reader.read(timeout_s=5.0)
    timer.join()
    assert (values.tolist(), steady_ns) == ([5, 5, 5], 11)


def test_a_new_writer_is_noticed_and_the_old_file_stays_readable(path):
    write(SharedArrayWriter(path, (3,), "u1"), 1)
    old = SharedArrayReader(path)
    assert not old.is_replaced
    write(SharedArrayWriter(path, (2, 2), "f4"), 2.0)
    assert old.is_replaced
    assert old.read()[0].tolist() == [1, 1, 1]
    new = SharedArrayReader(path)
    assert not new.is_replaced
    assert new.read()[0].tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_a_file_that_was_deleted_is_not_replaced_yet(path):
    SharedArrayWriter(path, (3,), "u1")
    reader = SharedArrayReader(path)
    path.unlink()
    assert not reader.is_replaced
    SharedArrayWriter(path, (3,), "u1")
    assert reader.is_replaced


def test_no_other_file_is_left_beside_it(path):
    SharedArrayWriter(path, (3,), "u1")
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "shape,dtype,text",
    [
        ((), "u1", "1 to 4 dimensions"),
        ((1, 1, 1, 1, 1), "u1", "1 to 4 dimensions"),
        ((3, 0), "u1", "shape"),
        ((3, -1), "u1", "shape"),
        ((3,), "O", "dtype"),
        ((2**14, 2**14, 4), "u1", "at most 268435456"),
        ((2**62, 2**62), "u1", "at most"),
    ],
)
def test_fault_an_array_that_cannot_be_shared_is_refused(path, shape, dtype, text):
    with pytest.raises(ValueError, match=text):
        SharedArrayWriter(path, shape, dtype)
    assert not path.exists()


def test_fault_a_file_that_is_not_there_is_an_os_error(path):
    with pytest.raises(OSError):
        SharedArrayReader(path)


def header(magic=b"UR5RLSA2", code=b"|u1", shape=(3, 0, 0, 0)):
    return struct.pack(HEADER.format, magic, code, 0, 0, *shape)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        bytes(200),
        header(magic=b"UR5RLSA1") + bytes(16),
        header() + bytes(2),
        header(shape=(2**40, 2**40, 0, 0)) + bytes(99),
        header(shape=(-3, 0, 0, 0)) + bytes(99),
        header(shape=(0, 0, 0, 0)) + bytes(99),
        header(shape=(3, 0, 2, 0)) + bytes(6),
        header(shape=(2**63 - 1, 2, 0, 0)) + bytes(99),
        header() + bytes(4),
        header(code=b"|O") + bytes(99),
        header(code=b"nonsense") + bytes(99),
        header(code=b"\xff\xfe") + bytes(99),
        header(code=b"(3,)u1") + bytes(9),
        header(code=b"u1,u1") + bytes(6),
        header(code=b"f8,,(") + bytes(24),
        header(code=b"<f3") + bytes(9),
    ],
)
def test_fault_a_file_that_is_no_shared_array_is_refused_by_name(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path.name} is not a shared array"):
        SharedArrayReader(path)


@pytest.mark.parametrize("what", ["pipe", "device"])
def test_fault_what_is_no_file_is_refused_at_once(path, what):
    path.parent.mkdir()
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="array is not a shared array: it is no regular"):
        SharedArrayReader(path)


def test_fault_a_file_of_terabytes_is_not_read(path):
    SharedArrayWriter(path, (3,), "u1")
    os.truncate(path, 10**13)
    with pytest.raises(ValueError, match="array is not a shared array.*it holds 10000"):
        SharedArrayReader(path)
    path.write_bytes(header(shape=(10**6, 10**6, 0, 0)))
    os.truncate(path, HEADER.size + 10**12)
    with pytest.raises(ValueError, match=f"array is not a shared.* at most {MAX_BYTES}"):
        SharedArrayReader(path)


def test_a_file_that_is_refused_does_not_stay_open(path):
    path.parent.mkdir()
    path.write_bytes(bytes(200))
    before = os.listdir("/proc/self/fd")
    with pytest.raises(ValueError, match="header"):
        SharedArrayReader(path)
    assert os.listdir("/proc/self/fd") == before


SHAPE = (100, 200)  # of bytes: five pages


@pytest.mark.parametrize("left", [0, 10, HEADER.size, 5000, HEADER.size + 19_999])
def test_fault_a_file_that_is_cut_short_while_it_is_open_is_refused(path, left):
    """A map of it would end this process here, by SIGBUS."""
    writer = SharedArrayWriter(path, SHAPE, "u1")
    write(writer, 7)
    reader = SharedArrayReader(path)
    os.truncate(path, left)
    with pytest.raises(ValueError, match="array is not a shared array: it (is|was)"):
        reader.read()


@pytest.mark.parametrize("changed", [header(shape=SHAPE + (0, 0)), bytes(HEADER.size)])
def test_fault_a_header_that_changes_while_it_is_open_is_refused(path, changed):
    write(SharedArrayWriter(path, (200, 100), "u1"), 7)
    reader = SharedArrayReader(path)
    with open(path, "r+b") as file:
        file.write(changed)
    with pytest.raises(ValueError, match="array is not a shared array: its header has"):
        reader.read()


def test_fault_whatever_changes_meanwhile_an_array_is_whole_or_refused(path):
    """One thread cuts the file short and writes it anew, as fast as it can."""
    write(SharedArrayWriter(path, SHAPE, "u1"), 7)
    whole, is_over = path.read_bytes(), threading.Event()

    def disturb():
        while not is_over.is_set():
            os.truncate(path, 70)
            path.write_bytes(whole)

    reader, counts = SharedArrayReader(path), {"whole": 0, "refused": 0}
    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        while min(counts.values()) < 20:
            try:
                values, _ = reader.read()
                assert (values.shape, values.dtype) == (SHAPE, np.uint8)
                counts["whole"] += 1
            except ValueError as error:
                assert "array is not a shared array" in str(error)
                counts["refused"] += 1
    finally:
        is_over.set()
        thread.join()


def test_a_file_has_its_room_from_the_start(path):
    """A hole that finds no room when it is written to ends the writer, by SIGBUS."""
    SharedArrayWriter(path, SHAPE, "u1")
    assert path.stat().st_blocks * 512 >= path.stat().st_size


FULL_DISK = """
import resource, sys
from pathlib import Path
from ur5_rl_ros.shared_array import SharedArrayWriter

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    SharedArrayWriter(Path(sys.argv[1]), (100, 200), "u1")
except OSError as error:
    print(error)
"""


def test_fault_where_there_is_no_room_the_writer_says_so_and_leaves_nothing(path):
    words = [sys.executable, "-c", FULL_DISK, str(path)]
    output = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert str(path) in output and "too large" in output
    assert list(path.parent.iterdir()) == []
