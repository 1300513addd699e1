"""Shared arrays: a reader gets a whole array, or an error, and never a torn one."""

import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ur5_rl_ros.shared_array import HEADER, SharedArrayReader, SharedArrayWriter


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


def test_the_sequence_grows_with_each_write_and_is_even_in_between(path):
    writer = SharedArrayWriter(path, (3,), "u1")
    reader = SharedArrayReader(path)
    assert reader.sequence == 0
    writer.begin()
    assert reader.sequence == 1
    writer.commit(7)
    assert (reader.sequence, reader.steady_ns) == (2, 7)
    write(writer, 1, 8)
    assert (reader.sequence, reader.steady_ns) == (4, 8)


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
    ],
)
def test_fault_an_array_that_cannot_be_shared_is_refused(path, shape, dtype, text):
    with pytest.raises(ValueError, match=text):
        SharedArrayWriter(path, shape, dtype)
    assert not path.exists()


def test_fault_a_file_that_is_not_there_is_an_os_error(path):
    with pytest.raises(OSError):
        SharedArrayReader(path)


def header(magic=b"UR5RLSA1", code=b"|u1", shape=(3, 0, 0, 0)):
    return struct.pack(HEADER.format, magic, code, 0, 0, *shape)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        bytes(200),
        header(magic=b"UR5RLSA0") + bytes(3),
        header() + bytes(2),
        header(shape=(2**40, 2**40, 0, 0)) + bytes(99),
        header(shape=(-3, 0, 0, 0)) + bytes(99),
        header(shape=(0, 0, 0, 0)) + bytes(99),
        header(code=b"|O") + bytes(99),
        header(code=b"nonsense") + bytes(99),
        header(code=b"\xff\xfe") + bytes(99),
    ],
)
def test_fault_a_file_that_is_no_shared_array_is_refused_by_name(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path.name} is not a shared array"):
        SharedArrayReader(path)
