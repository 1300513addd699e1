"""What the network cases make of what they hear, and how the harness takes them."""

import pytest

from ur5_rl_experiments.faults import matrix
from ur5_rl_experiments.faults.cases import network
from ur5_rl_experiments.faults.cases.network import share_of_policies
from ur5_rl_experiments.faults.matrix import Harness, all_cases
from ur5_rl_interfaces.msg import Action


def actions(*episodes):
    """Return an action for each policy version in each episode."""
    return [
        Action(run_id=1, episode=number, policy_version=version)
        for number, versions in enumerate(episodes)
        for version in versions
    ]


@pytest.mark.parametrize(
    ("episodes", "share"),
    [
        (([3, 3, 4, 5, 5, 6],), 1.0),
        (([3, 3, 5, 5, 7],), 0.5),
        (([1, 2, 3], [9, 10]), 1.0),  # what came between episodes acted in none
        (([4, 4, 4],), 0.0),
        ((), 0.0),
    ],
)
def test_the_share_of_policies_is_what_acted_of_what_was_published(episodes, share):
    assert share_of_policies(actions(*episodes)) == pytest.approx(share)


def test_the_matrix_has_a_poor_a_poorer_and_a_broken_network():
    cases = {case.fault: case for case in all_cases() if case.fault.startswith("F25")}
    assert set(cases) == {"F25a", "F25b", "F25c"}
    assert all(case.spec is network.FAR_LEARNER for case in cases.values())
    assert all("ip" in case.needs for case in cases.values())


def test_graphs_on_two_machines_come_first_in_a_process(tmp_path, monkeypatch):
    order = []

    def record(self, cases, runs, freezes):
        order.extend(case.fault for case in cases)
        return iter(())

    monkeypatch.setattr(Harness, "_in_graphs", record)
    cases = [case for case in all_cases() if case.spec is not None]
    list(Harness(tmp_path, tmp_path, seed=0).run(cases, runs=1))
    assert order[:3] == ["F25a", "F25b", "F25c"]
    assert order[3:] == [c.fault for c in cases if not c.spec.is_on_two_machines]


def test_fault_a_machine_that_refuses_namespaces_fails_each_case_in_one_line(
    tmp_path, monkeypatch, capsys
):
    def refuse(root, spec):
        raise PermissionError(1, "network namespaces: unshare: Operation not permitted")

    monkeypatch.setattr(matrix, "graph_under_test", refuse)
    cases = network.CASES[:2]
    results = list(Harness(tmp_path, tmp_path, seed=0).run(cases, runs=1))
    assert [result.case for result in results] == list(cases)
    for result in results:
        (failure,) = result.outcomes[0].failures
        assert "namespaces" in failure
        assert "\n" not in failure
    assert capsys.readouterr().out.count("not injected") == 2
