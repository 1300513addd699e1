"""Checkpoints: whole or absent, checked when read, and nothing in them can run code."""

import ast
import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import sac_learner.core
from sac_learner.core.checkpoint import (
    RunState,
    checkpoint_paths,
    checkpoints_dir,
    clear_away,
    newest_checkpoint,
    prune,
    read_checkpoint,
    read_policy,
    write_checkpoint,
)
from sac_learner.core.networks import PolicyNetwork
from sac_learner.core.parameters import decode_policy, encode_policy, parameters_of

FILES = ["training.safetensors", "policy.safetensors", "state.json"]
STATE = RunState(
    updates=7, env_steps=1007, next_version=40, limiter=(1007, 0.5),
    generator={"bit_generator": "PCG64", "state": {"state": 2**100, "inc": 3}},
    commit="abc-dirty", config={"seed": 1},
)  # fmt: skip
TENSORS = {"x": torch.arange(5.0), "generator": torch.arange(3, dtype=torch.uint8)}


@pytest.fixture
def policy(network):
    parameters = parameters_of(PolicyNetwork(network))
    return encode_policy(parameters, network, version=12, update_step=7)


@pytest.fixture
def write(tmp_path, policy):
    def write(updates=7):
        state = replace(STATE, updates=updates)
        return write_checkpoint(tmp_path, state, TENSORS, policy)

    return write


def test_a_checkpoint_comes_back_as_it_was(write):
    back = read_checkpoint(write())
    assert back.state == STATE
    assert back.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(back.tensors[name], TENSORS[name]) for name in TENSORS)


def test_the_policy_is_found_from_the_checkpoint_and_from_the_run(
    write, policy, tmp_path
):
    path = write()
    for where in (path, tmp_path):
        found = read_policy(where)
        assert found == policy
        decode_policy(found)


def test_fault_a_checkpoint_that_was_not_finished_is_not_there(
    write, tmp_path, monkeypatch
):
    write(updates=7)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *_, **__: None)
        patch.setattr("os.replace", _power_failure)
        with pytest.raises(KeyboardInterrupt):
            write(updates=9)
    assert newest_checkpoint(tmp_path)[0].state.updates == 7
    write(updates=9)  # over what is left of it
    assert [p.name for p in sorted(checkpoints_dir(tmp_path).iterdir())] == [
        "00000007",
        "00000009",
    ]


def _power_failure(*_):
    raise KeyboardInterrupt


def test_one_of_an_equal_update_comes_after_the_one_before(write, tmp_path):
    for updates in (7, 7, 20):
        write(updates)
    for _ in range(12):
        write(100)
    names = [path.name for path in checkpoint_paths(tmp_path)]
    assert names[:5] == ["00000007", "00000007-1", "00000020", "00000100", "00000100-1"]
    assert names[-2:] == ["00000100-10", "00000100-11"]
    prune(tmp_path, kept=1)
    assert write(100).name == "00000100-12"


def test_the_newest_ones_stay(write, tmp_path):
    for updates in (5, 100, 20, 3000):
        write(updates)
    (checkpoints_dir(tmp_path) / "00009999_copy").mkdir()  # somebody's, not ours
    assert prune(tmp_path, kept=2) == []
    assert [path.name for path in checkpoint_paths(tmp_path)] == ["00000100", "00003000"]


def test_fault_an_old_one_that_cannot_be_deleted_is_told_and_the_rest_goes(
    write, tmp_path, monkeypatch
):
    for updates in (5, 20, 100):
        write(updates)
    delete = shutil.rmtree

    def stubborn(path):
        if path.name == "00000005":
            raise PermissionError("not yours")
        delete(path)

    monkeypatch.setattr("shutil.rmtree", stubborn)
    assert prune(tmp_path, kept=1) == ["an old checkpoint stays: not yours"]
    assert [path.name for path in checkpoint_paths(tmp_path)] == ["00000005", "00000100"]


def test_fault_a_rename_that_never_came_leaves_the_one_before(
    write, tmp_path, monkeypatch
):
    write(updates=7)
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", _power_failure)
        with pytest.raises(KeyboardInterrupt):
            write(updates=9)
    newest, problems = newest_checkpoint(tmp_path)
    assert (newest.state.updates, problems) == (7, [])
    (found,) = clear_away(tmp_path, newest.path)
    assert "00000009.partial: deleted, its writer did not finish it" in found
    assert [path.name for path in checkpoints_dir(tmp_path).iterdir()] == ["00000007"]


def test_fault_a_broken_one_does_not_stand_before_those_to_come(write, tmp_path):
    write(updates=7)
    (write(updates=9) / "state.json").unlink()
    clear_away(tmp_path, newest_checkpoint(tmp_path)[0].path)
    write(updates=8)
    newest, problems = newest_checkpoint(tmp_path)
    assert (newest.state.updates, problems) == (8, [])
    assert (checkpoints_dir(tmp_path) / "broken_00000009").is_dir()  # to look into


def test_fault_a_full_disk_leaves_the_one_before(write, tmp_path, monkeypatch):
    write(updates=7)

    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", no_space)
        with pytest.raises(OSError, match="No space left"):
            write(updates=9)
    assert newest_checkpoint(tmp_path)[0].state.updates == 7
    assert write(updates=9).name == "00000009"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "empty"])
def test_fault_a_broken_file_is_seen_and_the_one_before_is_taken(
    write, tmp_path, name, damage
):
    write(updates=7)
    path = write(updates=9) / name
    data = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        flipped = data[:-1] + bytes([data[-1] ^ 1])
        path.write_bytes(
            {"flip": flipped, "cut": data[: len(data) // 2], "empty": b""}[damage]
        )
    with pytest.raises(ValueError, match=f"00000009 is broken.*{name}"):
        read_checkpoint(path.parent)
    checkpoint, problems = newest_checkpoint(tmp_path)
    assert checkpoint.state.updates == 7
    assert len(problems) == 1 and "00000009" in problems[0]


@pytest.mark.parametrize(
    "manifest",
    [b"", b"{}", b"[]", b'{"format": 99, "sha256": {}}', b'{"format": 2, "sha256": {}}'],
)
def test_fault_a_manifest_that_makes_no_sense(write, manifest):
    path = write()
    (path / "manifest.json").write_bytes(manifest)
    with pytest.raises(ValueError, match="checkpoint .*00000007"):
        read_checkpoint(path)
    with pytest.raises(ValueError, match="checkpoint .*00000007"):
        read_policy(path)


@pytest.mark.parametrize("name", ["manifest.json", *FILES])
@pytest.mark.parametrize("what", ["pipe", "device", "folder", "large"])
def test_fault_what_is_no_file_of_bounded_size_is_not_read(write, name, what):
    path = write() / name
    path.unlink()
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "folder":
        path.mkdir()
    else:
        path.touch()
        os.truncate(path, 10**13)
    for read in (read_checkpoint, read_policy):
        with pytest.raises(ValueError, match=f"00000007.*{name} must"):
            read(path.parent)


def forge(path, **changes):
    """Change values of a checkpoint's state; make the checksum fit."""
    state = json.loads((path / "state.json").read_text()) | changes
    data = json.dumps(state).encode()
    (path / "state.json").write_bytes(data)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["sha256"]["state.json"] = hashlib.sha256(data).hexdigest()
    (path / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"updates": -1}, "updates must be a whole number in"),
        ({"env_steps": "many"}, "env_steps must be a whole number in"),
        ({"next_version": 2**32}, r"next_version .* in \[0, 4294967295\]"),
        ({"limiter": [1, float("nan")]}, "limiter: tokens must be in"),
        ({"limiter": 3}, "TypeError"),
        ({"generator": []}, "generator must be an object"),
        ({"policy": {"version": True, "architecture": ""}}, "policy: version must be"),
        ({"policy": {"version": 1, "architecture": 5}}, "architecture must be text"),
        ({"policy": {}}, "KeyError"),
        ({"policy": 7}, "TypeError"),
        ({"extra": 1}, "extra"),
    ],
)
def test_fault_a_forged_state_is_refused_by_file_and_field(write, changes, complaint):
    path = write()
    forge(path, **changes)
    for read in (read_checkpoint, read_policy):
        with pytest.raises(ValueError, match=f"00000007/state.json.*{complaint}"):
            read(path)


def test_fault_no_checkpoint_at_all(tmp_path):
    with pytest.raises(ValueError, match="none at all"):
        newest_checkpoint(tmp_path)
    with pytest.raises(ValueError, match="is broken"):
        read_policy(tmp_path)


def test_fault_the_policy_of_a_run_comes_from_its_newest_whole_checkpoint(
    write, tmp_path
):
    write(updates=7)
    (write(updates=9) / "policy.safetensors").unlink()
    assert decode_policy(read_policy(tmp_path))


WRITER = """
import sys, torch
from pathlib import Path
from sac_learner.core.checkpoint import RunState, write_checkpoint
from sac_learner.core.parameters import EncodedPolicy
policy = EncodedPolicy(
    version=1, update_step=1, architecture="{}", data=b"0" * 100_000
)
for updates in range(1, 10**8):
    state = RunState(updates, 0, 1, (0, 0.0), {}, "", {})
    tensors = {"x": torch.full((50_000,), updates)}
    write_checkpoint(Path(sys.argv[1]), state, tensors, policy)
    print(updates, flush=True)
"""


def test_fault_killed_in_the_middle_of_a_write_the_run_keeps_a_whole_one(tmp_path):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    for _ in range(5):
        last = int(writer.stdout.readline())
    time.sleep(0.003)  # somewhere in the next write
    os.kill(writer.pid, signal.SIGKILL)
    rest = writer.communicate(timeout=10.0)[0].split()
    last = int(rest[-1]) if rest else last
    checkpoint, problems = newest_checkpoint(tmp_path)
    assert problems == []
    assert checkpoint.state.updates in (last, last + 1)
    assert (checkpoint.tensors["x"] == checkpoint.state.updates).all()


def test_nothing_in_this_package_can_load_a_pickle():
    """No torch.load, pickle or numpy object arrays: a checkpoint must not run code."""
    package = Path(next(iter(sac_learner.core.__path__))).parent
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module or "").split(".")[0]}
            elif isinstance(node, ast.Attribute) and node.attr == "load":
                names = {f"{ast.unparse(node.value)}.load"}
            else:
                continue
            assert not names & {
                "pickle",
                "dill",
                "joblib",
                "shelve",
                "torch.load",
                "np.load",
            }


def test_the_state_is_plain_json(write):
    values = json.loads((write() / "state.json").read_text())
    assert values["policy"]["version"] == 12
    assert values["env_steps"] == 1007
    assert values["commit"] == "abc-dirty"
