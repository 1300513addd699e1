"""The graph as data: what both readers rely on."""

import ast
import importlib.util
from pathlib import Path

import pytest
import yaml

from sac_learner.core.actor_config import ActorConfig
from sac_learner.core.architectures import ARCHITECTURES
from ur5_rl_bringup.cli import options_from, parser
from ur5_rl_bringup.core.watch_config import WatchConfig
from ur5_rl_bringup.graph import OnExit, graph, node_names, parameter_files
from ur5_rl_bringup.options import RunOptions
from ur5_rl_bringup.resolved import check_node_names
from ur5_rl_env.core.arm_config import ArmConfig

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
    check_node_names(options(), [path])


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
        check_node_names(options(), [path])


@pytest.mark.parametrize("text", ["- 1\n", "env_node:\n  height: 9\n", "a: [\n"])
def test_fault_a_file_that_is_no_parameter_file_is_refused(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match="mine.yaml"):
        check_node_names(options(), [path])


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"task": "dancing"}, "task"),
        ({"policy": "ppo"}, "policy"),
        ({"seed": -1}, "seed"),
        ({"minutes": float("nan")}, "minutes"),
        ({"params": (Path("/nowhere.yaml"),)}, "params"),
        ({"checkpoint": "/nowhere"}, "checkpoint"),
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
        (tmp_path / "runs" / name / "checkpoints").mkdir(parents=True)
    arguments = parser().parse_args(["sim", "--resume"])
    assert options_from(arguments, tmp_path).run_dir.name == "2_reaching_sac_0"


def test_node_names_cover_every_process():
    assert set(processes()) <= node_names(options(policy="zero"))


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
