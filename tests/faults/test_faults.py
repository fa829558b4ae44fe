"""The quick form of the fault harness: each of its faults once, on two real runs. `make faults` runs the long form.

Two kills are left to the long form, because only their number tells something: at a random moment, and while a process
starts. A full disk is met where a small disk can be mounted."""

import random
import subprocess
import threading
from collections import Counter, defaultdict

import harness
import numpy as np
import pytest
from harness import Campaign, Reference, Server, Surprise

from fashion_style.runs.events import read_events

STEPS = 40


@pytest.fixture
def small_disk(tmp_path):
    """Folder of a small disk in memory, or None where none can be mounted."""
    disk = harness.small_disk(tmp_path / "small-disk")
    yield disk
    if disk:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_runs_survive_each_fault_once(tmp_path, small_disk, monkeypatch):
    # a life is mostly tracing: this takes a quarter of the time
    monkeypatch.setattr(harness, "CHANGES", dict(generator="unet", constraint="clip", update="together"))
    plans = [
        [
            harness.kill_in_write,
            harness.flip_a_bit,
            harness.file_size_limit,
            harness.truncate,
            harness.second_writer,
            harness.interrupt,
        ],
        [harness.terminate, harness.remove, harness.read_only, harness.full_disk],
    ]
    assert {fault for plan in plans for fault in plan} == set(harness.FAULTS) - {
        harness.kill_at_random,
        harness.kill_at_start,
    }
    servers = [Server(tmp_path / f"server-{number}.log") for number in range(2)]
    campaigns = [
        Campaign(server, (disk or tmp_path) / f"run-{number}", STEPS, random.Random(number), disk)
        for number, (server, disk) in enumerate(zip(servers, (None, small_disk)))
    ]
    told, undisturbed = [], []

    def meet_all(campaign, plan):
        told.extend(campaign.meet(fault) for fault in plan)
        campaign.finish()

    def first_undisturbed():
        undisturbed.append(harness.undisturbed(servers[1], tmp_path / "undisturbed", STEPS))
        campaigns[1].server.batches.clear()
        meet_all(campaigns[1], plans[1])

    threads = [
        threading.Thread(target=meet_all, args=(campaigns[0], plans[0])),
        threading.Thread(target=first_undisturbed),
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for server in servers:
            server.close()
    counts = defaultdict(Counter)
    wrong = [line for campaign in campaigns for line in campaign.judge(undisturbed[0], counts)]
    assert not wrong and harness.failures(counts) == 0, "\n".join([*wrong, *told])
    # the events are no part of the comparison, since times differ; but they tell the whole story, whatever was torn
    for campaign in campaigns:
        told_by_run = [event["what"] for event in read_events(campaign.run)]
        assert told_by_run[0] == "opened" and told_by_run[-1] == "finished" and "resumed" in told_by_run, told_by_run
    assert counts["finished run"]["tried"] == 2 and all(
        counts[harness.label(fault)]["tried"] == (fault is not harness.full_disk or small_disk is not None)
        for plan in plans
        for fault in plan
    ), told


# The harness can see what it looks for -------------------------------------------------------------------------------
@pytest.fixture
def reference():
    rows = {step: dict(step=str(step), total=f"0.{step}") for step in range(1, 5)}
    return Reference(
        {"generator/000": np.ones((2, 2), np.float32)}, rows, {step: {f"digest {step}"} for step in range(4)}
    )


def test_a_difference_of_one_bit_is_seen(reference):
    same = dict(arrays=dict(reference.arrays), rows=dict(reference.rows), batches=dict(reference.batches))
    assert reference.differences(**same) == []
    almost = np.nextafter(reference.arrays["generator/000"], np.float32(2))
    assert reference.differences(**same | dict(arrays={"generator/000": almost})) == ["generator/000"]
    assert reference.differences(**same | dict(arrays={})) == ["generator/000"]
    assert reference.differences(**same | dict(rows=reference.rows | {5: {}})) == ["history of step 5"]
    assert reference.differences(**same | dict(batches=reference.batches | {2: {"digest 2", "another"}})) == [
        "batch of step 2"
    ]


def test_the_sum_of_the_table_is_the_sum_of_its_rows():
    counts = defaultdict(
        Counter,
        {harness.label(fault): Counter({"tried": number, "unusable": 1}) for number, fault in enumerate(harness.FAULTS)}
        | {"finished run": Counter({"tried": 50})},
    )
    *faults, total, finished = [line.split("|") for line in harness.markdown(counts).splitlines()[2:]]
    for column in (2, 3):
        assert int(total[column]) == sum(int(cells[column]) for cells in faults)
    assert len(faults) == len(harness.FAULTS) and "no fault" in finished[1] and int(finished[2]) == 50


def test_lost_rows_are_counted_up_to_the_checkpoint_only(reference):
    rows = {step: row for step, row in reference.rows.items() if step != 2}
    assert reference.lost(rows, 4) == 1 and reference.lost(rows, 1) == 0
    assert reference.lost(rows | {3: dict(step="3", total="0.4")}, 4) == 2


def test_surprises_lost_rows_and_bad_ends_make_a_run_unusable(reference, tmp_path):
    class NoServer:
        batches = {}
        stop = staticmethod(lambda: None)

    def surprise(campaign):
        raise Surprise("it barked")

    campaign, counts = Campaign(NoServer, tmp_path, 4, random.Random(0)), defaultdict(Counter)
    (tmp_path / "history.csv").write_text("step,total,seconds\n1,0.1,9\n2,0.2,9\n3,0.")
    assert harness.table(tmp_path) == {1: dict(step="1", total="0.1"), 2: dict(step="2", total="0.2")}
    assert "it barked" in campaign.meet(surprise)
    assert "no whole checkpoint" in campaign.meet(lambda campaign: None)
    campaign.end = "ended with code 4"
    assert len(campaign.judge(reference, counts)) == 3 and harness.failures(counts) == 3
