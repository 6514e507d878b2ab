"""Which runs may be compared, and how those that may are told apart."""

from __future__ import annotations

import time
from typing import Any

import pytest

from harness.analysis.groups import groups, seedless
from harness.records.run import Place


@pytest.mark.parametrize(
    "difference",
    [
        {"batch": 64}, {"hidden": 8}, {"layers": 2}, {"precision": "float64"}, {"steps": 100},
        {"denormals": "keep"}, {"parameters": {"length": 7}}, {"environment": {"cpu": "another"}}, {"preset": "paper"},
        {"start": "0a" * 32}, {"label_smoothing": 0.1}, {"input_dropout": 0.2}, {"patience": 3},
        {"batch": 64, "accumulate": 2},
        *({"optimizer": rule} for rule in (
            {"name": "adamw"}, {"weight_decay": 0.1}, {"clip": None, "clip_value": 1.0}, {"warmup": 5},
            {"schedule": "cosine"}, {"schedule": "step", "decay_every": 3, "decay_by": 0.5},
        )),
    ],
)  # fmt: skip
def test_runs_that_differ_in_more_than_the_contender_are_no_group(make_record: Any, difference: Any) -> None:
    found = groups([make_record(), make_record(**difference)])
    assert len(found) == 2
    assert len({group.title for group in found}) == 2
    assert len({group.slug for group in found}) == 2


def test_backends_cells_variants_and_seeds_share_a_group(make_record: Any) -> None:
    records = [
        make_record(), make_record(backend="jax"), make_record(cell="gru"), make_record(seed=1),
        make_record(variant="loop"),
    ]  # fmt: skip
    (group,) = groups(records)
    assert set(group.contenders()) == {
        ("lstm", "torch nn"), ("lstm", "jax"), ("gru", "torch nn"), ("lstm", "torch loop")
    }  # fmt: skip


def test_a_run_that_ended_early_says_where(make_record: Any) -> None:
    records = [make_record(metrics={"stopped_at": 1200}, patience=3), make_record(backend="jax", patience=3)]
    (group,) = groups(records)
    assert [group.settings(record) for record in records] == ["stopped after 1,200 updates", ""]
    assert "patience 3" in group.about


def test_versions_of_a_framework_are_contenders_of_their_own(make_record: Any) -> None:
    records = [make_record(environment={"versions": {"torch": version}}) for version in ("2.11", "2.12")]
    (group,) = groups(records)
    assert set(group.contenders()) == {("lstm", "torch 2.11"), ("lstm", "torch 2.12")}


def on_gpu(make_record: Any, gpu: str, **more: Any) -> Any:
    return make_record(device="cuda", environment={"device_name": gpu}, **more)


def test_devices_are_contenders_of_their_own_where_there_are_several(make_record: Any) -> None:
    records = [make_record(), make_record(backend="jax"), on_gpu(make_record, "Made-up 1"), make_record(seed=1)]
    (group,) = groups(records)
    assert set(group.contenders()) == {("lstm", "torch (cpu)"), ("lstm", "jax (cpu)"), ("lstm", "torch (cuda)")}
    assert "cpu and cuda · float32" in group.about
    assert group.about.endswith("· Made-up 1")
    assert {group.settings(record) for record in records} == {"cpu, seed 0", "cuda, seed 0", "cpu, seed 1"}
    (alone,) = groups(records[2:3])
    assert list(alone.contenders()) == [("lstm", "torch")]
    assert "cuda · float32" in alone.about


def test_gpus_of_two_kinds_are_told_apart_by_their_names(make_record: Any) -> None:
    (group,) = groups([on_gpu(make_record, f"Made-up {n}") for n in (1, 2)])
    assert set(group.contenders()) == {("lstm", "torch (Made-up 1)"), ("lstm", "torch (Made-up 2)")}


def test_former_and_present_names_of_a_variant_are_one_contender(make_record: Any) -> None:
    records = [make_record(backend="numpy", variant=name, seed=seed) for seed, name in enumerate(("halves", "parts"))]
    other = make_record(backend="numpy", variant="hoisted")
    (group,) = groups([*records, other])
    assert {key: len(found) for key, found in group.contenders().items()} == {
        ("lstm", "numpy parts"): 2, ("lstm", "numpy hoisted"): 1,
    }  # fmt: skip


def test_what_was_asked_for_is_the_same_but_for_the_seed_under_either_name(make_record: Any) -> None:
    def asked(variant: str, **spec: Any) -> str:
        record = make_record(backend="numpy", **spec)
        return seedless(record.model_copy(update={"spec": record.spec.model_copy(update={"variant": variant})}))

    assert asked("halves", seed=1) == asked("parts", seed=2)
    assert asked("halves") != asked("hoisted")
    assert asked("parts") != asked("parts", batch=7)


def test_machines_of_one_processor_are_told_apart_by_their_logical_cpus(make_record: Any) -> None:
    records = [make_record(environment={"logical_cpus": count}) for count in (2, 64)]
    (group,) = groups(records)
    assert set(group.contenders()) == {("lstm", "torch (2 logical CPUs)"), ("lstm", "torch (64 logical CPUs)")}
    assert [group.settings(record) for record in records] == ["2 logical CPUs", "64 logical CPUs"]


def test_systems_are_named_where_they_differ_and_repetitions_stay_together(make_record: Any) -> None:
    records = [make_record(environment={"os": name, "python": "3.12.1"}) for name in ("Linux 6.1", "Linux 6.2")]
    (group,) = groups(records)
    assert len(group.contenders()) == 1
    assert [group.settings(record) for record in records] == ["Linux 6.1", "Linux 6.2"]


def test_runs_of_one_seed_on_different_data_are_contenders_of_their_own(make_record: Any) -> None:
    runs = [make_record(metrics={"data_sha256": digest * 64}) for digest in ("a", "a", "b")]
    old, other_seed = make_record(), make_record(seed=1, metrics={"data_sha256": "c" * 64})
    (group,) = groups([*runs, old, other_seed])
    assert [group.contender(record) for record in runs] == [f"torch data {'a' * 8}"] * 2 + [f"torch data {'b' * 8}"]
    assert "data" not in group.contender(old)
    (alike,) = groups([*runs[:2], other_seed])
    assert "data" not in alike.settings(runs[0])


def test_titles_that_are_written_alike_have_slugs_of_their_own(make_record: Any) -> None:
    records = [make_record(parameters={"length": 7, "word": word}) for word in ("a b", "a-b", "a_b")]
    slugs = [group.slug for group in groups(records)]
    assert len(set(slugs)) == 3
    assert slugs[1:] == [f"{slugs[0]}-2", f"{slugs[0]}-3"]


def test_grouping_takes_time_in_proportion_to_the_specs(make_record: Any) -> None:
    one = make_record()
    records = [one.model_copy(update={"spec": one.spec.model_copy(update={"batch": n})}) for n in range(1, 3001)]
    before = time.process_time()
    found = groups(records)
    assert time.process_time() - before < 6  # comparing each with all others took half a minute
    assert len({group.slug for group in found}) == len(found) == 3000


def made_on(node: str, share: int = 1, **more: Any) -> dict[str, Any]:
    return {"record": {"place": Place(engine="ray", node=node, share=share)}, **more}


def test_machines_of_one_kind_are_told_apart_and_others_never_mixed(make_record: Any) -> None:
    """Nodes with the same processor and as many CPUs are repetitions of each other; another count is not."""
    same = [make_record(seed=0, **made_on("a")), make_record(seed=0, number=1, **made_on("b"))]
    larger = make_record(seed=0, number=2, **made_on("c", environment={"logical_cpus": 8}))
    (group,) = groups(same)
    assert [group.settings(record) for record in group.records] == ["on a", "on b"]
    assert [len(runs) for runs in group.contenders().values()] == [2]
    (group,) = groups([*same, larger])
    assert sorted(len(runs) for runs in group.contenders().values()) == [1, 2]


def test_a_run_that_shared_its_machine_says_so(make_record: Any) -> None:
    (group,) = groups([make_record(**made_on("a", share=4))])
    assert group.settings(group.records[0]) == "one of 4 side by side: speed not measured"
