"""A person's stop outlives the process, and is made even where it cannot be kept."""

from ur5_rl_env.nodes.stop_file import StopFile


def test_a_stop_is_kept_until_it_is_removed(tmp_path):
    path = str(tmp_path / "stopped")
    assert StopFile(path).read() == ""
    assert StopFile(path).write("by hand") == ""
    assert StopFile(path).read() == "by hand"
    assert StopFile(path).remove() == ""
    assert StopFile(path).remove() == ""  # nothing there to remove
    assert StopFile(path).read() == ""


def test_fault_an_empty_file_is_still_a_stop(tmp_path):
    (tmp_path / "stopped").touch()
    assert StopFile(str(tmp_path / "stopped")).read() == "stopped"


def test_fault_a_stop_that_cannot_be_kept_says_so(tmp_path):
    path = str(tmp_path / "gone" / "stopped")
    assert StopFile(path).write("by hand") == f"{path}: No such file or directory"
    assert StopFile(path).read() == ""


def test_without_a_file_nothing_is_kept():
    assert StopFile("").write("by hand") == ""
    assert StopFile("").read() == StopFile("").remove() == ""
