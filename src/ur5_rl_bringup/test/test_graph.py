"""The graph as data: what both readers rely on."""

import ast
import importlib.util
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from sac_learner.core.actor_config import ActorConfig
from sac_learner.core.architectures import ARCHITECTURES
from ur5_rl_bringup.cli import options_from, parser, started_as
from ur5_rl_bringup.core.watch_config import WatchConfig
from ur5_rl_bringup.graph import OnExit, environment, graph, node_names, parameter_files
from ur5_rl_bringup.options import RunOptions
from ur5_rl_bringup.resolved import check_parameters, write_run_description
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_ros.domain import profiles_variable

ROOT = Path(__file__).parents[3]


def options(**more):
    return RunOptions(root=ROOT, run_dir=ROOT / "runs" / "test", **more)


def processes(**more):
    return {p.name: p for p in graph(options(**more), Path("/dev/shm/test"))}


@pytest.mark.parametrize("world", ["sim", "robot"])
@pytest.mark.parametrize("policy", ["sac", "servo"])
def test_every_process_has_a_module_with_main_and_a_console_script(world, policy):
    for process in processes(world=world, policy=policy).values():
        spec = importlib.util.find_spec(process.module)
        assert spec is not None, process.module
        tree = ast.parse(Path(spec.origin).read_text())
        assert any(isinstance(n, ast.FunctionDef) and n.name == "main" for n in tree.body)
        setup = (ROOT / "src" / process.package / "setup.py").read_text()
        assert f'"{process.executable} = {process.module}:main"' in setup


def test_only_a_learning_run_has_a_learner():
    assert "learner_node" in processes()
    assert "learner_node" not in processes(policy="servo")
    assert "learner_node" not in processes(checkpoint=str(ROOT))


def test_a_real_robot_has_no_virtual_parts():
    real = processes(world="robot")
    assert "controller" not in real
    assert real["camera_node"].package == "ur5_rl_env"


def test_the_end_of_the_monitor_alone_is_the_end_of_the_run():
    ends = {n for n, p in processes().items() if p.on_exit is OnExit.SHUTDOWN}
    assert ends == {"monitor_node"}


@pytest.mark.parametrize(
    "chosen", [{}, {"world": "robot"}, {"policy": "servo"}, {"checkpoint": str(ROOT)}]
)
def test_the_watch_knows_every_node_of_every_world(chosen):
    run = processes(**chosen)
    others = {n for n, p in run.items() if p.is_node} - {"watch_node"}
    assert set(run["watch_node"].parameters["nodes"]) == others
    assert run["watch_node"].on_exit is OnExit.RESTART
    assert set(WatchConfig().stopping_nodes) <= others


def test_the_watch_is_not_held_up_by_what_it_watches():
    run = processes()
    assert run["watch_node"].nice == min(process.nice for process in run.values())


@pytest.mark.parametrize("policy", ["servo", "sac"])
def test_a_dry_run_has_a_face_of_its_own_and_no_learner(policy):
    run = processes(world="robot", dry_run=True, policy=policy, minutes=2.0)
    assert run["arm_node"].parameters["dry_run"] is True
    assert {"monitor_node", "learner_node"}.isdisjoint(run)
    assert run["dry_run_node"].on_exit is OnExit.SHUTDOWN
    assert run["dry_run_node"].parameters["max_minutes"] == 2.0
    assert "dry_run" not in processes()["arm_node"].parameters


def test_a_dry_run_measures_against_the_walls_of_the_arm(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "/**/arm_node:\n  ros__parameters:\n    box_upper_m: [1.0, 1.0, 1.0]\n"
    )
    run = processes(dry_run=True, params=(path,))
    assert run["dry_run_node"].parameters["box_upper_m"] == [1.0, 1.0, 1.0]
    assert "box_lower_m" not in run["dry_run_node"].parameters


def test_a_dry_run_is_on_the_robot_for_a_minute_unless_told_otherwise(tmp_path):
    chosen = options_from(parser().parse_args(["dry-run"]), tmp_path)
    assert (chosen.world, chosen.policy, chosen.minutes) == ("robot", "servo", 1.0)
    assert chosen.dry_run
    words = ["dry-run", "--world", "sim", "--checkpoint", str(tmp_path)]
    chosen = options_from(parser().parse_args(words), tmp_path)
    assert (chosen.world, chosen.policy) == ("sim", "sac")
    assert chosen.checkpoint == str(tmp_path)


@pytest.mark.parametrize("command", ["sim", "robot"])
def test_other_commands_are_no_dry_runs(tmp_path, command):
    chosen = options_from(parser().parse_args([command, "--episodes", "3"]), tmp_path)
    assert (chosen.world, chosen.dry_run, chosen.episodes) == (command, False, 3)


def test_an_evaluation_takes_ten_episodes(tmp_path):
    words = ["eval", str(tmp_path), "--real-time"]
    chosen = options_from(parser().parse_args(words), tmp_path)
    assert (chosen.world, chosen.policy, chosen.episodes) == ("sim", "sac", 10)
    assert chosen.checkpoint == str(tmp_path)
    assert chosen.run_dir.name.endswith("_eval")


def test_the_controller_serves_on_until_the_arm_node_has_braked():
    assert processes()["controller"].parameters["linger_s"] > 1.0


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=str)
def test_our_parameter_files_speak_to_nodes_that_exist(path):
    check_parameters(options(), [path])


@pytest.mark.parametrize("preset", ["cpu", "thesis"])
def test_a_preset_gives_everyone_the_same_image_size(preset):
    sizes = set()
    values = {}
    for path in parameter_files(options(preset=preset)):
        for key, entry in yaml.safe_load(path.read_text()).items():
            values.setdefault(key.split("/")[-1], {}).update(entry["ros__parameters"])
    for node in ("camera_node", "env_node", "actor_node", "learner_node"):
        sizes.add((values[node]["height_px"], values[node]["width_px"]))
    assert len(sizes) == 1


def test_fault_a_parameter_file_for_an_unknown_node_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("/**/env_nod:\n  ros__parameters:\n    seed: 9\n")
    with pytest.raises(ValueError, match="mine.yaml: no node '.*env_nod'.*env_node"):
        check_parameters(options(), [path])


@pytest.mark.parametrize("text", ["- 1\n", "env_node:\n  height: 9\n", "a: [\n"])
def test_fault_a_file_that_is_no_parameter_file_is_refused(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match="mine.yaml"):
        check_parameters(options(), [path])


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"task": "dancing"}, "task"),
        ({"policy": "ppo"}, "policy"),
        ({"seed": -1}, "seed"),
        ({"minutes": float("nan")}, "minutes"),
        ({"params": (Path("/nowhere.yaml"),)}, "params"),
        ({"checkpoint": "/nowhere"}, "checkpoint"),
        ({"checkpoint": "/nowhere", "resume": True}, "resume"),
        ({"policy": "servo", "resume": True}, "resume"),
        ({"policy": "zero", "checkpoint": "/nowhere"}, "policy zero"),
        ({"world": "robot", "headless": True}, "headless"),
        ({"architecture": "async_3"}, "architecture"),
        ({"action_period_ms": 5.0}, "action_period_ms"),
        ({"action_period_ms": -80.0}, "action_period_ms"),
        ({"action_period_ms": float("nan")}, "action_period_ms"),
    ],
)
def test_fault_a_wrong_option_is_named(wrong, name):
    with pytest.raises(ValueError, match=name):
        options(**wrong)


def test_fault_resuming_where_nothing_was_saved(tmp_path):
    arguments = parser().parse_args(["sim", "--resume", str(tmp_path)])
    with pytest.raises(ValueError, match="holds no checkpoints"):
        options_from(arguments, ROOT)


def test_resume_without_a_folder_takes_the_newest_run_of_the_task(tmp_path):
    for name in ("1_reaching_sac_0", "2_reaching_sac_0", "3_tracking_sac_0"):
        saved_run(tmp_path / "runs" / name, "sim")
    arguments = parser().parse_args(["sim", "--resume"])
    assert options_from(arguments, tmp_path).run_dir.name == "2_reaching_sac_0"


def test_a_run_that_goes_on_keeps_its_task(tmp_path):
    run = tmp_path / "runs" / "1_tracking_sac_0"
    saved_run(run, "sim")
    (run / "run.json").write_text('{"options": {"task": "tracking"}}')
    words = ["sim", "--resume", str(run)]
    assert options_from(parser().parse_args(words), tmp_path).task == "tracking"
    words += ["--task", "static"]
    assert options_from(parser().parse_args(words), tmp_path).task == "static"


def test_each_part_of_a_run_meets_targets_of_its_own(tmp_path):
    firsts = []
    for resume in (False, True, True):
        run = RunOptions(root=ROOT, run_dir=tmp_path, resume=resume)
        nodes = {p.name: p.parameters for p in graph(run, tmp_path)}
        firsts.append(nodes["env_node"].get("first_episode", 1))
        write_run_description(run, graph(run, tmp_path))
    assert firsts == [1, 10_001, 20_001]


@pytest.mark.parametrize(
    ("checkpoint", "waits"),
    [("00000194", True), ("00000194-2", True), ("00000000", False), ("", False)],
)
def test_a_run_that_goes_on_waits_for_the_policy_that_it_has(tmp_path, checkpoint, waits):
    (tmp_path / "checkpoints" / checkpoint).mkdir(parents=True)
    for resume in (False, True):
        run = RunOptions(root=ROOT, run_dir=tmp_path, resume=resume)
        actor = {p.name: p for p in graph(run, tmp_path)}["actor_node"]
        assert actor.parameters.get("waits_for_policy", False) is (resume and waits)


def test_an_evaluation_meets_no_target_of_the_training():
    env = processes(checkpoint=str(ROOT))["env_node"]
    assert env.parameters["first_episode"] == 1_000_000


def test_fault_a_real_arm_does_not_go_on_with_the_run_of_a_virtual_one(tmp_path):
    saved_run(tmp_path / "runs" / "1_reaching_sac_0", "robot")
    saved_run(tmp_path / "runs" / "2_reaching_sac_0", "sim")
    (tmp_path / "runs" / "3_reaching_sac_0" / "checkpoints").mkdir(parents=True)
    arguments = parser().parse_args(["robot", "--resume"])
    assert options_from(arguments, tmp_path).run_dir.name == "1_reaching_sac_0"


def test_fault_a_learner_for_a_virtual_robot_elsewhere_is_no_run_of_a_real_arm(tmp_path):
    run_dir = tmp_path / "runs" / "1_reaching_sac_0"
    (run_dir / "checkpoints").mkdir(parents=True)
    words = ["learner", "--robot", "127.0.0.3", "--run-dir", str(run_dir)]
    write_run_description(options_from(parser().parse_args(words), ROOT), [])
    for words in (["robot", "--resume"], ["learner", "--robot", "127.0.0.4", "--resume"]):
        with pytest.raises(ValueError, match="holds no run of reaching"):
            options_from(parser().parse_args(words), tmp_path)
    words = ["learner", "--robot", "127.0.0.3", "--resume"]
    assert options_from(parser().parse_args(words), tmp_path).run_dir == run_dir


def saved_run(run_dir, world):
    (run_dir / "checkpoints").mkdir(parents=True)
    (run_dir / "run.json").write_text(json.dumps({"options": {"world": world}}))


def test_a_learnt_policy_acts_on_the_real_arm_where_nothing_learns(monkeypatch, tmp_path):
    monkeypatch.delenv("DISPLAY", raising=False)
    policy = tmp_path / "checkpoints" / "7"
    policy.mkdir(parents=True)
    words = ["robot", "--checkpoint", str(policy)]
    chosen = options_from(parser().parse_args(words), ROOT)
    assert not chosen.learns and not chosen.headless
    nodes = {process.name: process for process in graph(chosen, tmp_path)}
    assert "learner_node" not in nodes
    assert nodes["actor_node"].parameters["checkpoint"] == str(policy)


@pytest.mark.parametrize(
    "chosen",
    [{"policy": "zero"}, {"resume": True}, {"headless": True}, {"world": "robot"}],
)
def test_node_names_cover_every_process_whatever_was_chosen(chosen):
    assert set(processes()) <= node_names(options(**chosen))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_one_word_chooses_the_architecture_of_every_node(architecture):
    nodes = processes(architecture=architecture)
    assert nodes["learner_node"].parameters["architecture"] == architecture
    waits = nodes["env_node"].parameters["waits_for_learner"]
    assert waits == (architecture == "sequential")
    is_in_the_way = nodes["learner_node"].nice < 0
    assert is_in_the_way == (architecture == "sequential")


def test_nothing_waits_for_a_learner_that_is_not_there():
    nodes = processes(architecture="sequential", policy="servo")
    assert "waits_for_learner" not in nodes["env_node"].parameters


def test_without_a_word_the_parameter_files_decide():
    nodes = processes()
    assert "architecture" not in nodes["learner_node"].parameters
    assert "waits_for_learner" not in nodes["env_node"].parameters
    names = {name for process in nodes.values() for name in process.parameters}
    assert not names & {"action_period_s", "max_command_age_s", "max_observation_age_s"}


def test_an_action_period_reaches_every_node_that_counts_in_it():
    nodes = processes(action_period_ms=80.0)
    for name in ("env_node", "arm_node", "learner_node", "watch_node"):
        assert nodes[name].parameters["action_period_s"] == pytest.approx(0.08)
    assert nodes["arm_node"].parameters["max_command_age_s"] == pytest.approx(0.1)
    assert nodes["actor_node"].parameters["max_observation_age_s"] == pytest.approx(0.24)


def test_the_ages_in_cycles_are_the_defaults_of_the_nodes():
    nodes = processes(action_period_ms=40.0)
    arm, actor = nodes["arm_node"].parameters, nodes["actor_node"].parameters
    assert arm["max_command_age_s"] == pytest.approx(ArmConfig().max_command_age_s)
    age_s = ActorConfig().max_observation_age_s
    assert actor["max_observation_age_s"] == pytest.approx(age_s)
    assert arm["action_period_s"] == ArmConfig().action_period_s


def test_the_command_line_takes_both_words(tmp_path):
    words = ["sim", "--architecture", "sequential", "--action-period-ms", "120"]
    chosen = options_from(parser().parse_args(words), tmp_path)
    assert (chosen.architecture, chosen.action_period_ms) == ("sequential", 120.0)


def test_fault_a_wrong_architecture_is_refused_with_the_choices(capsys):
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(["sim", "--architecture", "async"])
    assert "async_1" in capsys.readouterr().err


LEARNER_ELSEWHERE = {"learner_host": "127.0.0.2"}
ROBOT_ELSEWHERE = {"robot_host": "127.0.0.3"}


@pytest.mark.parametrize("world", ["sim", "robot"])
def test_two_machines_run_together_what_one_runs_alone(world):
    everything = processes(world=world)
    near = processes(world=world, **LEARNER_ELSEWHERE)
    far = processes(world=world, **ROBOT_ELSEWHERE)
    assert set(far) == {"learner_node"}
    assert near | far == everything


def test_jazzy_reads_the_dds_profile_by_another_name(monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    jazzy = environment(ROOT)
    monkeypatch.setenv("ROS_DISTRO", "kilted")
    later = environment(ROOT)
    path = later.pop("FASTDDS_DEFAULT_PROFILES_FILE")
    assert jazzy.pop("FASTRTPS_DEFAULT_PROFILES_FILE") == path
    assert jazzy == later


def test_the_silence_of_a_learner_elsewhere_is_told_and_stops_nothing():
    watch = processes(**LEARNER_ELSEWHERE)["watch_node"].parameters
    assert "learner_node" in watch["nodes"]
    assert "stopping_nodes" not in watch
    assert not WatchConfig(nodes=tuple(watch["nodes"])).may_stop("learner_node")


@pytest.mark.parametrize("chosen", [LEARNER_ELSEWHERE, ROBOT_ELSEWHERE])
def test_what_waits_for_the_learner_waits_for_one_elsewhere(chosen):
    nodes = processes(architecture="sequential", **chosen)
    if "env_node" in nodes:
        assert nodes["env_node"].parameters["waits_for_learner"]
    else:
        assert nodes["learner_node"].parameters["architecture"] == "sequential"


def test_a_parameter_file_serves_both_machines():
    assert node_names(options(**ROBOT_ELSEWHERE)) == node_names(options())
    files = parameter_files(options(world="robot", **ROBOT_ELSEWHERE))
    assert files == parameter_files(options(world="robot", **LEARNER_ELSEWHERE))


def test_nothing_leaves_the_machine_unless_another_one_is_named():
    alone, two = environment(ROOT), environment(ROOT, "learner.lan")
    assert alone["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert "ROS_STATIC_PEERS" not in alone
    assert two["ROS_STATIC_PEERS"] == "learner.lan"
    profiles = [v[profiles_variable()] for v in (alone, two)]
    assert all(Path(profile).is_file() for profile in profiles)
    assert profiles[0] != profiles[1]


def test_the_network_profile_fits_into_one_ethernet_frame_and_hears_no_multicast():
    text = (ROOT / "config" / "fastdds_network.xml").read_text()
    profile = ElementTree.fromstring(text)
    values = {e.tag.rpartition("}")[2]: e.text for e in profile.iter()}
    assert int(values["maxMessageSize"]) + 28 <= 1500  # headers of IP and UDP
    assert int(values["receiveBufferSize"]) == int(values["sendBufferSize"]) == 4 << 20
    assert values["useBuiltinTransports"] == "false"
    assert "metatrafficUnicastLocatorList" in values


@pytest.mark.parametrize("command", ["sim", "robot"])
def test_the_command_line_puts_the_learner_elsewhere(tmp_path, command):
    words = [command, "--learner", "127.0.0.2"]
    chosen = options_from(parser().parse_args(words), tmp_path)
    assert (chosen.world, chosen.policy) == (command, "sac")
    assert (chosen.learner_host, chosen.robot_host) == ("127.0.0.2", "")


def test_the_command_line_starts_a_learner_alone(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    words = ["learner", "--robot", "127.0.0.3", "--preset", "cpu", "--seed", "4"]
    words += ["--resume", str(tmp_path), "--architecture", "async_1"]
    chosen = options_from(parser().parse_args(words), tmp_path)
    assert (chosen.robot_host, chosen.preset, chosen.seed) == ("127.0.0.3", "cpu", 4)
    (learner,) = graph(chosen, tmp_path)
    assert learner.parameters["resume"] is True
    assert learner.parameters["run_dir"] == str(tmp_path)
    assert learner.parameters["architecture"] == "async_1"


def test_what_a_terminal_was_told_for_one_machine_does_not_hold_for_two(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", "42")
    chosen = RunOptions(root=ROOT, run_dir=tmp_path, **ROBOT_ELSEWHERE)
    (learner,) = graph(chosen, tmp_path)
    variables = started_as(learner, chosen).environment
    assert variables["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"
    assert variables["ROS_DOMAIN_ID"] == "42"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"policy": "servo", **LEARNER_ELSEWHERE}, "nothing learns"),
        ({"dry_run": True, **LEARNER_ELSEWHERE}, "nothing learns"),
        ({"checkpoint": str(ROOT), **ROBOT_ELSEWHERE}, "nothing learns"),
        ({**LEARNER_ELSEWHERE, **ROBOT_ELSEWHERE}, "one of them"),
        ({"resume": True, **LEARNER_ELSEWHERE}, "resume"),
        ({"learner_host": "no host"}, "no address of 'no host'"),
        ({"robot_host": "10.0.0.1;10.0.0.2"}, "no address of"),
    ],
)
def test_fault_a_learner_elsewhere_that_cannot_be_is_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        options(**wrong)


def test_fault_a_learner_for_no_robot_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(["learner"])
    assert "--robot" in capsys.readouterr().err
